import { Failed } from './errors.js';

// Inert copies of what relays answer. Nothing is judged here but what a value is: the core says what it means.

/**
 * What an answer says of one recipient, or of all of them; without a code it says nothing. `null`: delivered; `undefined`:
 * it leaves the recipient out.
 *
 * @typedef {{ name?: string, code?: number, message?: string, retryAfter?: number } | null | undefined} Foreign
 */
/**
 * @typedef {object} AnswerCopy
 * @property {Foreign[]} says one for everybody, or one for each recipient or address
 * @property {boolean} [isOfAll]
 * @property {string[]} [addresses]
 * @property {Failed} [failed] what was thrown
 */

/**
 * @param {any} answer
 * @param {string[]} recipients that the relay was given
 * @returns {AnswerCopy}
 */
export function copyAnswer(answer, recipients) {
  try {
    if (answer === undefined || answer === null) return ofAll(null);
    if (Array.isArray(answer)) return { says: copyEach(answer, recipients.length) };
    const find = byAddress(answer);
    return find ? { says: recipients.map(find), addresses: recipients } : ofAll(copyOutcome(answer));
  } catch {
    return ofAll({}); // it throws when it is looked at
  }
}

/**
 * @param {unknown} thrown by a relay
 * @param {any} meant the same, or what that means for each recipient
 * @param {string[]} recipients
 * @returns {AnswerCopy}
 */
export function copyThrown(thrown, meant, recipients) {
  const answer = meant === thrown ? ofAll(copyOutcome(thrown) ?? {}) : copyAnswer(meant, recipients);
  return { ...answer, failed: new Failed(thrown) };
}

/**
 * @param {Foreign} outcome
 * @returns {AnswerCopy}
 */
function ofAll(outcome) {
  return { says: [outcome], isOfAll: true };
}

/**
 * @param {any[]} answer
 * @param {number} count of the recipients
 * @returns {Foreign[]}
 */
function copyEach(answer, count) {
  // With another length nobody is meant, however many there are.
  if (answer.length !== count) return Array(count + 1).fill(undefined);
  return Array.from({ length: count }, (_, i) => (i in answer ? copyOutcome(answer[i]) : undefined));
}

/**
 * What finds an outcome in an answer by address, if it is such an answer.
 *
 * @param {any} answer
 * @returns {((address: string) => Foreign) | undefined}
 */
function byAddress(answer) {
  if (answer instanceof Map) {
    return (address) => (answer.has(address) ? copyOutcome(answer.get(address)) : undefined);
  }
  if (typeof answer !== 'object' || answer instanceof Error || isReply(answer)) return undefined;
  return (address) => (Object.hasOwn(answer, address) ? copyOutcome(answer[address]) : undefined);
}

/**
 * @param {any} value
 * @returns {NonNullable<Foreign> | null}
 */
function copyOutcome(value) {
  try {
    if (value === undefined || value === null) return null;
    const { name } = value;
    if (name === 'PermanentRelayError' || name === 'TransientRelayError') {
      const { reply } = value;
      return { name, ...copyReply(isReply(reply) ? reply : { message: reply }) };
    }
    return isReply(value) ? copyReply(value) : {};
  } catch {
    return {}; // it throws when it is looked at
  }
}

/** @param {any} value */
function isReply(value) {
  return typeof value === 'object' && value !== null && typeof value.code === 'number';
}

/** @param {any} reply */
function copyReply({ code, message, retryAfter }) {
  /** @type {NonNullable<Foreign>} */
  const copy = {};
  if (typeof code === 'number') copy.code = code;
  if (typeof message === 'string') copy.message = message;
  if (typeof retryAfter === 'number') copy.retryAfter = retryAfter;
  return copy;
}
