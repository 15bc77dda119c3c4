import { isQueueError } from '../../errors.js';
import { nothingWritten } from '../shared/failures.js';

/** @import { QueueErrorCode } from '../../errors.js' */

/** How engines say that a connection is no more: what nothing came of is asked again on a new one. */
const LOSSES = new Set(['AbortError', 'InvalidStateError', 'TransactionInactiveError', 'UnknownError']);

/**
 * Whether the connection may be at fault, so that a new one may help.
 *
 * @param {unknown} error
 */
export function isLoss(error) {
  return LOSSES.has(/** @type {any} */ (error)?.name);
}

/**
 * Whether the database is of a newer version than was asked for.
 *
 * @param {unknown} error
 */
export function isNewer(error) {
  return /** @type {any} */ (error)?.name === 'VersionError';
}

/** What nobody has said of a connection that is no more. */
export function lost() {
  return new DOMException('the connection was lost', 'AbortError');
}

/**
 * What an error of IndexedDB that left nothing written is to the caller.
 *
 * @param {unknown} cause
 */
export function failure(cause) {
  if (isQueueError(cause)) return cause;
  /** @type {Record<string, [QueueErrorCode, string]>} */
  const known = {
    QuotaExceededError: ['full', 'there is no space left'],
    VersionError: ['newer-format', 'a newer version made the database'],
  };
  const [code, reason] = known[/** @type {any} */ (cause)?.name] ?? ['host', 'IndexedDB refuses'];
  return nothingWritten(code, reason, cause);
}
