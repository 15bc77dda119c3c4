/** @import { Answer, Outcome, Reply } from '../types.js' */
import { LONGEST_TIMER } from '../options.js';
import { PermanentRelayError, TransientRelayError } from '../replies.js';

/** Of 5xx: a session out of order, and one that is to be encrypted or authenticated first. */
const OF_THE_SESSION = new Set([503, 530, 534, 535, 538]);
const LONGEST = 500;

/**
 * A text of the other side as one line for people: no control characters, and no longer than is of use.
 *
 * @param {unknown} text
 * @returns {string}
 */
export function line(text) {
  const words = String(text ?? '').replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return words.length > LONGEST ? Array.from(words.slice(0, 2 * LONGEST)).slice(0, LONGEST).join('') : words;
}

/**
 * An answer of an SMTP server, which may have several lines that all begin with the code.
 *
 * @param {unknown} text
 * @returns {Reply | undefined} none if it is no answer of SMTP
 */
export function parseReply(text) {
  const [first, ...more] = typeof text === 'string' ? text.trim().split(/\r?\n/) : [];
  const [, code, message] = /^([2-5]\d\d)(?:[ -](.*))?$/s.exec(first ?? '') ?? [];
  if (!code) return undefined;
  // Later lines repeat the code, and often the enhanced status code too.
  const [enhanced = ''] = /^[245]\.\d{1,3}\.\d{1,3} /.exec(message ?? '') ?? [];
  const rest = more.map((each) => {
    const own = each.startsWith(code) ? each.slice(4) : each;
    return enhanced && own.startsWith(enhanced) ? own.slice(enhanced.length) : own;
  });
  return { code: Number(code), message: line([message, ...rest].join(' ')) };
}

/**
 * What a reply to a message means for whom it is about.
 *
 * @param {Reply} reply
 * @returns {Reply | TransientRelayError | PermanentRelayError}
 */
export function toOutcome(reply) {
  if (reply.code >= 200 && reply.code < 300) return reply;
  if (reply.code === 552 && /^[245]\.5\.3(?!\S)/.test(reply.message)) return ofTooMany(reply);
  return reply.code >= 500 && !OF_THE_SESSION.has(reply.code) ? new PermanentRelayError(reply) : toDeferral(reply);
}

/**
 * What a reply to RCPT means. Here 552 without an enhanced status code means too many recipients, as RFC 821 had it
 * (RFC 5321, section 4.5.3.1.10).
 *
 * @param {Reply} reply
 * @returns {Reply | TransientRelayError | PermanentRelayError}
 */
export function toOutcomeOfRecipient(reply) {
  const isPlain = reply.code === 552 && !/^[245]\.\d{1,3}\.\d{1,3}(?!\S)/.test(reply.message);
  return isPlain ? ofTooMany(reply) : toOutcome(reply);
}

/**
 * Recipients who are too many for one transaction are tried again.
 *
 * @param {Reply} reply
 */
function ofTooMany({ code, message }) {
  return new TransientRelayError(`452 4.5.3 The server answered ${code} ${message}`);
}

/**
 * What a reply to anything but the message means for the message.
 *
 * @param {Reply} reply
 * @returns {TransientRelayError}
 */
export function toDeferral(reply) {
  const { code, message } = reply;
  return new TransientRelayError(code >= 300 && code < 500 ? reply : `4.3.0 The server answered ${code} ${message}`);
}

/**
 * The outcomes of all recipients, in their order. What does not answer for each of them is no delivery.
 *
 * @param {Answer} answer
 * @param {readonly string[]} recipients
 * @returns {Outcome[]}
 */
export function spread(answer, recipients) {
  const missing = () => new TransientRelayError('4.5.0 There was no answer for this recipient');
  if (Array.isArray(answer)) {
    if (answer.length === recipients.length) return [...answer];
    const what = `4.5.0 There were ${answer.length} answers for ${recipients.length} recipients`;
    return recipients.map(() => new TransientRelayError(what));
  }
  if (answer instanceof Map) return recipients.map((each) => (answer.has(each) ? answer.get(each) : missing()));
  if (answer === null || answer === undefined || answer instanceof Error || Object.hasOwn(answer, 'code')) {
    return recipients.map(() => /** @type {Outcome} */ (answer));
  }
  const byAddress = /** @type {Record<string, Outcome>} */ (answer);
  return recipients.map((each) => (Object.hasOwn(byAddress, each) ? byAddress[each] : missing()));
}

const ENDED = '4.4.7 The attempt was ended before there was an answer';

/**
 * Ends by a time limit, or when the attempt is ended, whatever is waited for, even if that heeds no signal.
 *
 * @template T
 * @param {number} timeout in milliseconds
 * @param {AbortSignal | undefined} ended the signal of the attempt
 * @param {(signal: AbortSignal) => Promise<T>} call
 * @returns {Promise<T>}
 * @throws {TransientRelayError} when the time is over or the attempt is ended
 */
export async function within(timeout, ended, call) {
  if (ended?.aborted) throw new TransientRelayError(ENDED);
  const controller = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {() => void} */
  let end = () => {};
  const over = new Promise((_, reject) => {
    const give = (/** @type {string} */ reason) => {
      const error = new TransientRelayError(reason);
      reject(error);
      controller.abort(error);
    };
    timer = setTimeout(() => give(`4.4.2 There was no answer within ${timeout} ms`), Math.min(timeout, LONGEST_TIMER));
    end = () => give(ENDED);
  });
  ended?.addEventListener('abort', end);
  try {
    return await Promise.race([call(controller.signal), /** @type {Promise<never>} */ (over)]);
  } finally {
    clearTimeout(timer);
    ended?.removeEventListener('abort', end);
  }
}
