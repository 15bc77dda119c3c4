import { describe } from '../errors.js';

/**
 * Throws unless two values have the same structure: same kinds, same contents, the order of lists, Maps and Sets
 * included. Of what is expected in an object, `undefined` means absent.
 *
 * @param {any} actual
 * @param {any} expected
 * @param {string} [what] the name of the value, for the message
 */
export function equal(actual, expected, what = 'value') {
  if (Object.is(actual, expected)) return;
  if (typeof actual !== 'object' || typeof expected !== 'object' || !actual || !expected) {
    throw different(what, actual, expected);
  }
  const kind = kindOf(expected);
  if (kindOf(actual) !== kind) throw different(what, actual, expected);
  if (kind === 'Uint8Array') return sameBytes(actual, expected, what);
  if (kind === 'Date') return equal(actual.getTime(), expected.getTime(), `${what}.getTime()`);
  if (kind === 'Map' || kind === 'Set') return equal([...actual], [...expected], `[...${what}]`);
  if (kind === 'Array') equal(actual.length, expected.length, `${what}.length`);
  const names = (/** @type {any} */ object) => Object.keys(object).filter((name) => object[name] !== undefined).sort();
  const [found, wanted] = [names(actual), names(expected)];
  if (found.length !== wanted.length || found.some((name, i) => name !== wanted[i])) {
    throw new Error(`${what}: expected the fields ${list(wanted)}, got ${list(found)}`);
  }
  for (const name of wanted) equal(actual[name], expected[name], `${what}.${name}`);
}

/**
 * Throws unless something holds.
 *
 * @param {boolean} holds
 * @param {string} otherwise what is wrong if it does not
 */
export function expect(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

/**
 * Throws unless a promise is rejected with an error of this name and, if one is given, one of these codes.
 *
 * @param {PromiseLike<unknown>} promise
 * @param {string} name
 * @param {...string} codes
 * @returns {Promise<any>} the error
 */
export async function rejects(promise, name, ...codes) {
  const wanted = codes.length ? `${name} (${codes.join(' or ')})` : name;
  /** @type {any} */
  let error;
  try {
    error = { value: await promise };
  } catch (thrown) {
    error = thrown;
    if (error?.name === name && (codes.length === 0 || codes.includes(error.code))) return error;
  }
  const got = 'value' in Object(error) ? `it succeeded with ${describe(error.value)}` : `got ${String(error)}`;
  throw new Error(`expected a ${wanted}, ${got}`, { cause: error });
}

/**
 * What became of a promise.
 *
 * @template T
 * @param {PromiseLike<T> | T} promise
 * @returns {Promise<{ done: true, value: T } | { done: false, error: any }>}
 */
export async function outcome(promise) {
  try {
    return { done: true, value: await promise };
  } catch (error) {
    return { done: false, error };
  }
}

/**
 * @param {Uint8Array} actual
 * @param {Uint8Array} expected
 * @param {string} what
 */
function sameBytes(actual, expected, what) {
  equal(actual.length, expected.length, `${what}.length`);
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] !== expected[i]) throw different(`${what}[${i}]`, actual[i], expected[i]);
  }
}

/**
 * @param {string} what
 * @param {unknown} actual
 * @param {unknown} expected
 */
function different(what, actual, expected) {
  return new Error(`${what}: expected ${describe(expected)}, got ${describe(actual)}`);
}

/** @param {string[]} names */
function list(names) {
  return names.length ? names.slice(0, 10).join(', ') : '(none)';
}

/** @param {unknown} value */
function kindOf(value) {
  return Object.prototype.toString.call(value).slice(8, -1);
}
