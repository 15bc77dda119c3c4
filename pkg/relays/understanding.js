import { canonical } from './addresses.js';
import { answerOfResponse } from './http-answer.js';
import { answered, failed } from './smtp-answer.js';

// Answers of fetch and of nodemailer, which a relay may return as they are.

/**
 * What such an answer means for each recipient; any other answer as it is.
 *
 * @param {any} answer
 * @param {string[]} recipients
 * @param {() => AbortSignal} signal of the attempt
 * @returns {any} or a promise, of a response
 */
export function understood(answer, recipients, signal) {
  try {
    if (isResponse(answer)) return answerOfResponse(answer, recipients, signal()).catch((error) => error);
    // Nobody knows whom that relay has asked: only who is named has got it.
    return isInfo(answer) ? eachOf(answered(answer, NaN), recipients) : answer;
  } catch {
    return answer; // it throws when it is looked at
  }
}

/**
 * What nodemailer throws means for each recipient; anything else as it is.
 *
 * @param {any} thrown
 * @param {string[]} recipients
 * @returns {any}
 */
export function understoodError(thrown, recipients) {
  try {
    const isOfNodemailer = thrown instanceof Error && typeof (/** @type {any} */ (thrown).command) === 'string' &&
      typeof (/** @type {any} */ (thrown).responseCode) === 'number';
    return isOfNodemailer ? eachOf(failed(thrown), recipients) : thrown;
  } catch {
    return thrown;
  }
}

/** @param {any} answer */
function isResponse(answer) {
  return typeof Response === 'function' && answer instanceof Response;
}

/** @param {any} answer */
function isInfo(answer) {
  return typeof answer?.messageId === 'string' && Array.isArray(answer.accepted ?? answer.envelope?.to);
}

/**
 * @param {{ get(key: string): import('../types.js').Outcome }} outcomes by canonical address
 * @param {string[]} recipients
 */
function eachOf(outcomes, recipients) {
  return recipients.map((each) => outcomes.get(canonical(each)));
}
