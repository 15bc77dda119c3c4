import { Failed } from './errors.js';

// Inert copies of what relays answer. Nothing is judged here but what a value is: the core says what it means.

/**
 * What an answer says of one recipient, or of all of them; without a code it says nothing. `null`: delivered.
 *
 * @typedef {{ name?: string, code?: number, message?: string, retryAfter?: number } | null} Foreign
 */
/** @typedef {'missing' | { is: Foreign }} Entry */
/**
 * @typedef {{ all: Foreign } | { each: Entry[] } | { byAddress: Map<string, Entry> } |
 *   { thrown: { answer: NonNullable<Foreign>, failed: Failed } }} AnswerCopy
 */

/**
 * @param {any} answer
 * @param {string[]} recipients that the relay was given
 * @returns {AnswerCopy}
 */
export function copyAnswer(answer, recipients) {
  try {
    if (answer === undefined || answer === null) return { all: null };
    if (Array.isArray(answer)) return { each: copyEntries(answer, recipients.length) };
    const find = byAddress(answer);
    if (!find) return { all: copyOutcome(answer) };
    return { byAddress: new Map(recipients.map((address) => [address, find(address)])) };
  } catch {
    return { all: {} }; // it throws when it is looked at
  }
}

/**
 * @param {unknown} thrown by a relay
 * @returns {AnswerCopy}
 */
export function copyThrown(thrown) {
  return { thrown: { answer: copyOutcome(thrown) ?? {}, failed: new Failed(thrown) } };
}

/**
 * @param {any[]} answer
 * @param {number} count of the recipients
 * @returns {Entry[]}
 */
function copyEntries(answer, count) {
  // With another length nobody is meant, however many there are.
  if (answer.length !== count) return Array(count + 1).fill('missing');
  return Array.from({ length: count }, (_, i) => (i in answer ? { is: copyOutcome(answer[i]) } : 'missing'));
}

/**
 * What finds an entry of an answer by address, if it is such an answer.
 *
 * @param {any} answer
 * @returns {((address: string) => Entry) | undefined}
 */
function byAddress(answer) {
  if (answer instanceof Map) {
    return (address) => (answer.has(address) ? { is: copyOutcome(answer.get(address)) } : 'missing');
  }
  if (typeof answer !== 'object' || answer instanceof Error || isReply(answer)) return undefined;
  return (address) => (Object.hasOwn(answer, address) ? { is: copyOutcome(answer[address]) } : 'missing');
}

/**
 * @param {any} value
 * @returns {Foreign}
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
