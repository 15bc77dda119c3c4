import { conformance } from '../../pkg/conformance.js';

/**
 * The suite on hosts that a function makes from a place: whatever keeps what they keep.
 *
 * @template P
 * @param {(name: string, run: () => Promise<void>) => unknown} test
 * @param {() => P | Promise<P>} newPlace
 * @param {(place: P) => any} hostOn
 */
export function suiteOn(test, newPlace, hostOn) {
  /** @type {WeakMap<object, P>} */
  const places = new WeakMap();
  const on = async (place) => {
    const host = await hostOn(place);
    places.set(host, place);
    return host;
  };
  conformance({ test, open: async () => on(await newPlace()), reopen: (host) => on(places.get(host)) });
}

/**
 * The tests of the suite by name, to be run one by one.
 *
 * @returns {Map<string, () => Promise<void>>}
 */
export function collect(newPlace, hostOn) {
  const tests = new Map();
  suiteOn((name, run) => {
    if (tests.has(name)) throw new Error(`two tests have the name ${name}`);
    tests.set(name, run);
  }, newPlace, hostOn);
  return tests;
}
