import { copyForeign } from './binding/envelope.js';

/**
 * Makes a function that returns a listener in the place of another one, always the same, which throws nothing.
 *
 * @param {(error: unknown, event: any) => void} report hears what a listener threw, or what its promise came to
 * @returns {(listener: any) => any}
 */
export function guardian(report) {
  /** @type {WeakMap<object, (this: unknown, event: any) => Promise<void>>} */
  const guarded = new WeakMap();
  /** @type {WeakSet<object>} */
  const guards = new WeakSet();
  return (listener) => {
    // An aborted signal takes off what was given to the target.
    if (!listener || guards.has(listener)) return listener;
    let guard = guarded.get(listener);
    if (!guard) {
      guard = async function (event) {
        try {
          await (typeof listener === 'function' ? listener.call(this, event) : listener.handleEvent(event));
        } catch (error) {
          report(error, event);
        }
      };
      guarded.set(listener, guard);
      guards.add(guard);
    }
    return guard;
  };
}

/**
 * The detail of an event whose envelopes are copies, another one at each look: what a listener does to its own nobody
 * else sees.
 *
 * @param {any} detail
 */
export function withCopies(detail) {
  for (const name of ['envelope', 'bounce']) {
    const own = detail[name];
    if (own) Object.defineProperty(detail, name, { get: () => copyForeign(own), enumerable: true, configurable: true });
  }
  return detail;
}
