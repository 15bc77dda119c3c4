import { KeyError, QueueError, describe, explain, isQueueError, outOfRange, refused } from '../errors.js';

/** @import { QueueErrorCode } from '../errors.js' */

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

  /** Whether a host says that a record is larger than it takes. */
  get isTooLarge() {
    return this.#hasCode('too-large');
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
 * @param {QueueErrorCode} code
 * @param {string} reason
 * @param {string | undefined} id
 * @param {Failed | undefined} failed what the host threw
 * @returns {Failed}
 */
export function failed(code, reason, id, failed) {
  const own = failed && ownError(failed.error, id);
  if (own) return new Failed(own);
  if (code === 'no-such-message') return new Failed(new KeyError(/** @type {string} */ (id)));
  const about = id === undefined ? '' : ` (${id})`;
  const why = failed ? `: ${explain(failed.error)}` : '';
  const details = failed ? { id, cause: failed.error } : { id };
  return new Failed(new QueueError(code, `${code}: ${reason}${about}${why}`, details));
}

/**
 * What a host has said in our terms, as an error of one call alone: the host may throw one object at many, and each
 * writes into its own.
 *
 * @param {unknown} error
 * @param {string | undefined} id
 * @returns {QueueError | undefined} none for anything else
 */
function ownError(error, id) {
  if (!isQueueError(error)) return undefined;
  try {
    const { code, message, name } = error;
    const own = name === 'KeyError' ? new KeyError(/** @type {string} */ (id), message) : new QueueError(code, message);
    for (const key of ['stack', 'cause', 'results']) {
      if (!Object.hasOwn(error, key)) continue;
      Object.defineProperty(own, key, { value: /** @type {any} */ (error)[key], configurable: true, writable: true });
    }
    return Object.assign(own, error, id === undefined ? {} : { id });
  } catch {
    return undefined; // what was thrown throws when it is looked at
  }
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

/** @param {string | undefined} id */
export function leaseLost(id) {
  return new Failed(new QueueError('lease-lost', 'lease-lost: somebody else has claimed the message', { id }));
}

/** What a relay has returned that is no answer. */
export class Unrecognised extends Failed {}

/** @param {string} reason */
export function unrecognised(reason) {
  return new Unrecognised(new TypeError(reason));
}

/** @param {string} reason */
export function broken(reason) {
  return new Failed(new TypeError(reason));
}

/** @param {number} delay */
export function noDelay(delay) {
  return new Failed(outOfRange('backoff', 'a number of milliseconds from 0 on, or null', delay));
}
