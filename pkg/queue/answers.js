/** @import { Glue } from '../wasm/glue.js' */
import { Ask, Saying } from '../seam/names.js';

/** What is said of a recipient: its kind, code and text of the reply, and for how long it asks to be left alone. */
/** @typedef {[saying: number, code: number, message: string, rest?: number]} Said */

/**
 * Tells the core what a relay has answered of these recipients, and returns the next step. Here is judged only what a
 * value is.
 *
 * @param {Glue.Decisions} decisions
 * @param {number} attempt
 * @param {string[]} recipients
 * @param {any} answer
 * @param {boolean} thrown
 * @returns {number}
 */
export function tellAnswer(decisions, attempt, recipients, answer, thrown) {
  /**
   * @param {Said} said
   * @param {number} [ask]
   */
  const say = ([saying, code, message, rest], ask = Ask.Say) => {
    if (message) decisions.tell(ask, attempt, saying, code, message);
    else decisions.ask(ask, attempt, saying, code);
    if (rest) decisions.ask(Ask.Rest, attempt, rest, 0);
  };
  const { length } = recipients;
  let said = length;
  try {
    if (!thrown && Array.isArray(answer)) {
      said = answer.length;
      // With another length nobody is meant, however many there are.
      for (let i = 0; said === length && i < said; i++) say(i in answer ? meaning(answer[i]) : MISSING);
    } else {
      const find = thrown ? undefined : byAddress(answer);
      if (find) for (const recipient of recipients) say(find(recipient));
      else say(meaning(answer, thrown), Ask.SayAll);
    }
  } catch {
    said = -1; // it throws when it is looked at: as little is known as with another length
  }
  return decisions.ask(Ask.Relayed, attempt, said === length ? 1 : 0, Math.random());
}

/** @type {Said} */
const NOTHING = [Saying.Nothing, 0, ''];
/** @type {Said} */
const MISSING = [Saying.Missing, 0, ''];
/** @type {Said} */
const STRANGE = [Saying.Strange, 0, ''];

/**
 * What finds an entry of an answer by address, if it is such an answer.
 *
 * @param {any} answer
 * @returns {((address: string) => Said) | undefined}
 */
function byAddress(answer) {
  if (answer instanceof Map) return (address) => (answer.has(address) ? meaning(answer.get(address)) : MISSING);
  if (typeof answer !== 'object' || answer === null || answer instanceof Error || isReply(answer)) return undefined;
  return (address) => (Object.hasOwn(answer, address) ? meaning(answer[address]) : MISSING);
}

/**
 * @param {any} value
 * @param {boolean} [thrown]
 * @returns {Said}
 */
function meaning(value, thrown = false) {
  try {
    if (value === undefined || value === null) return thrown ? STRANGE : NOTHING;
    // By name: the class may be of another copy of this package.
    if (value.name === 'PermanentRelayError') return withReply(Saying.Permanent, value.reply, 550);
    if (value.name === 'TransientRelayError') return withReply(Saying.Transient, value.reply, 450);
    return isReply(value) ? withReply(Saying.Reply, value, 0) : STRANGE;
  } catch {
    return STRANGE; // it throws when it is looked at
  }
}

/** @param {any} value */
function isReply(value) {
  return typeof value === 'object' && value !== null && typeof value.code === 'number';
}

/**
 * @param {number} saying
 * @param {any} reply
 * @param {number} otherwise
 * @returns {Said}
 */
function withReply(saying, reply, otherwise) {
  const { code, message, retryAfter } = isReply(reply) ? reply : { code: otherwise, message: reply };
  return [saying, code, typeof message === 'string' ? message : '', typeof retryAfter === 'number' ? retryAfter : 0];
}
