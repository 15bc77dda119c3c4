import { KeyError, QueueError, describe, explain, isQueueError, outOfRange, refused } from '../errors.js';

// Errors on their way through wasm, which no exception may cross.

/** Stands in the place of a result on the way through wasm: what was thrown, or is to be thrown. */
export class Failed {
  /** @param {unknown} error */
  constructor(error) {
    this.error = error;
  }

  /** Whether a host says that it does not know what came of a commit. */
  get isUnknownOutcome() {
    return this.#hasCode('unknown-outcome');
  }

  /** Whether a host says that there is no room. */
  get isFull() {
    return this.#hasCode('full');
  }

  /** @param {string} code */
  #hasCode(code) {
    try {
      return /** @type {any} */ (this.error)?.code === code;
    } catch {
      return false; // what was thrown throws when it is looked at
    }
  }
}

/**
 * The error of a call that failed: the host's own where it has said in our terms what went wrong.
 *
 * @param {string} code
 * @param {string} reason
 * @param {string | undefined} id
 * @param {Failed | undefined} failed what the host threw
 * @returns {Failed}
 */
export function failed(code, reason, id, failed) {
  if (failed && isQueueError(failed.error)) {
    const { error } = failed;
    if (id !== undefined && error.id === undefined && Object.isExtensible(error)) error.id = id;
    return failed;
  }
  if (code === 'no-such-message') return new Failed(new KeyError(/** @type {string} */ (id)));
  const about = id === undefined ? '' : ` (${id})`;
  const why = failed ? `: ${explain(failed.error)}` : '';
  const details = failed ? { id, cause: failed.error } : { id };
  return new Failed(new QueueError(code, `${code}: ${reason}${about}${why}`, details));
}

/**
 * @param {string} name of an argument or field
 * @param {string} expected
 * @param {string} got
 * @returns {Failed}
 */
export function refusedText(name, expected, got) {
  return new Failed(refused(name, expected, got));
}

/**
 * @param {string} name of an argument or field
 * @param {string} expected
 * @param {number} got
 * @returns {Failed}
 */
export function refusedNumber(name, expected, got) {
  return new Failed(outOfRange(name, expected, got));
}

/**
 * A size that a host told.
 *
 * @param {unknown} value
 * @returns {number}
 */
export function count(value) {
  if (Number.isSafeInteger(value) && /** @type {number} */ (value) >= 0) return /** @type {number} */ (value);
  throw unexpected('size', 'a whole number', value);
}

/**
 * @param {string} method of a host
 * @param {string} expected
 * @param {unknown} value
 */
export function unexpected(method, expected, value) {
  return new QueueError('host', `host: ${method}: expected ${expected}, got ${describe(value)}`);
}
