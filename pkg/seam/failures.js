import { KeyError, QueueError, describe, explain, isQueueError } from '../errors.js';

/**
 * The error of a call that failed: the host's own where it has said in our terms what went wrong.
 *
 * @param {string} code
 * @param {string} reason
 * @param {string | undefined} id
 * @param {boolean} hasCause
 * @param {any} cause
 */
export function failure(code, reason, id, hasCause, cause) {
  if (hasCause && isQueueError(cause)) {
    if (id !== undefined && cause.id === undefined && Object.isExtensible(cause)) cause.id = id;
    return cause;
  }
  if (code === 'no-such-message') return new KeyError(/** @type {string} */ (id));
  const about = id === undefined ? '' : ` (${id})`;
  const why = hasCause ? `: ${explain(cause)}` : '';
  return new QueueError(code, `${code}: ${reason}${about}${why}`, hasCause ? { id, cause } : { id });
}

/**
 * A size that a host told.
 *
 * @param {unknown} value
 * @returns {number}
 */
export function count(value) {
  if (Number.isSafeInteger(value) && /** @type {number} */ (value) >= 0) return /** @type {number} */ (value);
  refusePromise(value);
  throw unexpected('size', 'a whole number', value);
}

/**
 * @template T
 * @param {T} value
 * @returns {T}
 */
export function refusePromise(value) {
  if (typeof (/** @type {any} */ (value)?.then) !== 'function') return value;
  /** @type {any} */ (value).then(undefined, () => {}); // nobody else will, and an unhandled rejection ends a process
  throw new QueueError(
    'needs-async', 'a dictionary returned a promise: use AsyncDictStorage for dictionaries that do',
  );
}

/**
 * @param {string} method
 * @param {string} expected
 * @param {unknown} value
 */
export function unexpected(method, expected, value) {
  return new QueueError('host', `host: ${method}: expected ${expected}, got ${describe(value)}`);
}
