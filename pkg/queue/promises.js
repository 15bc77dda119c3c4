/**
 * @template T
 * @typedef {import('../types.js').MaybePromise<T>} MaybePromise
 */

/**
 * Whether a result is still to come. Who waits for what is there already waits for everything else, too.
 *
 * @template T
 * @param {MaybePromise<T>} value
 * @returns {value is PromiseLike<T>}
 */
export function isPromise(value) {
  return typeof (/** @type {any} */ (value)?.then) === 'function';
}
