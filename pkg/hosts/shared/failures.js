import { QueueError, explain } from '../../errors.js';

/** @import { QueueErrorCode } from '../../errors.js' */

/**
 * What an engine threw of which nothing was written.
 *
 * @param {QueueErrorCode} code
 * @param {string} reason
 * @param {unknown} cause
 */
export function nothingWritten(code, reason, cause) {
  return new QueueError(code, `${code}: ${reason}; nothing was written: ${explain(cause)}`, { cause });
}

/**
 * What an engine threw after which a commit may have been made.
 *
 * @param {string} reason
 * @param {unknown} cause
 * @param {string} [id]
 */
export function unknownOutcome(reason, cause, id) {
  return new QueueError('unknown-outcome', `unknown-outcome: ${reason}: ${explain(cause)}`, { cause, id });
}

/**
 * @param {number} bytes
 * @param {number} limit of a value
 */
export function refuseTooLarge(bytes, limit) {
  if (bytes <= limit) return;
  throw new QueueError('too-large', `too-large: expected at most ${limit} bytes, got ${bytes}`);
}

/**
 * @param {string} what
 * @param {unknown} [cause]
 */
export function closed(what, cause) {
  return new QueueError('closed', `closed: the ${what} is closed`, cause === undefined ? {} : { cause });
}
