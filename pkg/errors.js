const CODES = /** @type {const} */ ([
  'no-such-message', 'conflict', 'unknown-outcome', 'host', 'timeout', 'full', 'too-large', 'closed', 'blocked',
  'corrupt', 'newer-format', 'needs-async', 'lease-lost',
]);

/**
 * The codes of {@link QueueError}. They are stable; messages are not. `docs/errors.md` says of each when it comes,
 * whether anything was written, and what to do.
 *
 * @typedef {typeof CODES[number]} QueueErrorCode
 */

/**
 * Something went wrong between a storage and its host. `code` says what, `id` of which message if it is about one, and
 * `cause` is the very thing that the host threw if it threw one.
 */
export class QueueError extends Error {
  /**
   * @param {QueueErrorCode} code
   * @param {string} message a sentence for people
   * @param {{ id?: string, cause?: unknown }} [details]
   */
  constructor(code, message, details = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    /** @type {QueueErrorCode} */
    this.code = code;
    if (details.id !== undefined) {
      /** @type {string | undefined} */
      this.id = details.id;
    }
    /**
     * Of an `enqueue` that did not store everything: each envelope with its id, or with the error that kept it from
     * being stored.
     *
     * @type {[envelope: import('./types.js').Envelope, id: string | QueueError][] | undefined}
     */
    this.results;
    /**
     * Of such an `enqueue`: given again as `options.key`, it has only what is missing stored.
     *
     * @type {string | undefined}
     */
    this.key;
  }
}
QueueError.prototype.name = 'QueueError';

/** There is no message of this id. */
export class KeyError extends QueueError {
  /**
   * @type {string}
   * @override
   */
  id;

  /**
   * @param {string} id
   * @param {string} [message]
   */
  constructor(id, message = `no-such-message: there is no such message (${shorten(id)})`) {
    super('no-such-message', message, { id });
    this.id = id;
  }
}
KeyError.prototype.name = 'KeyError';

/**
 * Whether a host has already said what went wrong in our terms. Its module may be another copy of this one.
 *
 * @param {unknown} error
 * @returns {error is QueueError}
 */
export function isQueueError(error) {
  try {
    return error instanceof Error && /^(Queue|Key)Error$/.test(error.name) &&
      CODES.includes(/** @type {QueueError} */ (error).code);
  } catch {
    return false; // what was thrown throws when it is looked at
  }
}

/**
 * What was thrown, as far as it can be told.
 *
 * @param {unknown} thrown
 * @returns {string}
 */
export function explain(thrown) {
  try {
    return thrown instanceof Error ? String(thrown) : describe(thrown);
  } catch {
    return 'something that cannot be described';
  }
}

/**
 * What a value is, in a few words.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function describe(value) {
  switch (typeof value) {
    case 'string':
      return `the string ${JSON.stringify(shorten(value))}`;
    case 'number':
      return `the number ${Object.is(value, -0) ? '-0' : value}`;
    case 'bigint':
      return `the bigint ${shorten(String(value))}`;
    case 'undefined':
    case 'boolean':
      return String(value);
    case 'object':
      if (value === null) return 'null';
      try {
        return Array.isArray(value) ? 'an array' : `an object (${Object.prototype.toString.call(value).slice(8, -1)})`;
      } catch {
        return 'an object';
      }
    default:
      return `a ${typeof value}`;
  }
}

/**
 * @param {string} path of an argument or field
 * @param {string} expected
 * @param {unknown} value
 */
export function refused(path, expected, value) {
  return new TypeError(`${path}: expected ${expected}, got ${describe(value)}`);
}

/**
 * @param {string} path of an argument or field
 * @param {string} expected
 * @param {unknown} value
 */
export function outOfRange(path, expected, value) {
  return new RangeError(`${path}: expected ${expected}, got ${describe(value)}`);
}

/** @param {string} text */
function shorten(text) {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
