import { QueueError } from '../load/inline.js';

/** What a person has to write in another way; the program ends with 2. */
export class UsageError extends Error {}
UsageError.prototype.name = 'UsageError';

/** What went wrong and is said in a sentence for people; the program ends with 1. */
export class Failure extends Error {}
Failure.prototype.name = 'Failure';

/** A server gave no answer in time, whatever was asked. */
export class Unanswered extends Failure {}
Unanswered.prototype.name = 'Unanswered';

/**
 * What a person can do about an error of the package, by its code.
 *
 * @type {Record<string, string>}
 */
const ADVICE = {
  'newer-format': 'a newer version of slimta-queue-dict wrote it: use that version',
  corrupt: '`check` names what cannot be read, `repair --requeue ID` gives it a fresh record, `rm --force ID` removes it',
  'unknown-outcome': 'look with `show` before you repeat it',
  conflict: 'others kept changing the message: try again',
  timeout: 'nothing was changed: try again',
};

/**
 * What went wrong, in a sentence or two.
 *
 * @param {unknown} error
 * @returns {string}
 */
export function sentenceOf(error) {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof UsageError || error instanceof Failure) return error.message;
  if (!(error instanceof QueueError)) return `${error.name}: ${error.message}`;
  const advice = ADVICE[error.code];
  return [`${error.message}${reasonOf(error)}`, ...(advice ? [advice] : [])].join('; ');
}

/**
 * What was the cause of all, if it is not said already.
 *
 * @param {Error} error
 */
function reasonOf(error) {
  /** @type {unknown} */
  let last = error;
  for (let depth = 0; depth < 8 && last instanceof Error && last.cause !== undefined; depth++) last = last.cause;
  return last instanceof Error && last.message && !error.message.includes(last.message) ? `: ${last.message}` : '';
}

const OF_ONE = ['no-such-message', 'corrupt', 'newer-format', 'too-large', 'conflict'];

/**
 * Whether an error is about one message alone, so that others may be gone on with.
 *
 * @param {unknown} error
 */
export function isAboutOne(error) {
  if (error instanceof Unanswered) return false;
  return error instanceof Failure || (error instanceof QueueError && OF_ONE.includes(error.code));
}
