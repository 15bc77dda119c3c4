/** @import { Reply } from './types.js' */
import { describe } from './errors.js';

/**
 * What a relay throws, or returns for one recipient, when it did not deliver. The class decides what the queue does,
 * whatever the code of the reply says.
 */
class RelayError extends Error {
  /**
   * @param {Reply | string} reply
   * @param {string} digit what codes of this class begin with
   * @param {number} code of a text without one
   */
  constructor(reply, digit, code) {
    const own = typeof reply === 'string' ? parse(reply, digit, code) : copy(reply);
    super(`${own.code} ${own.message}`);
    /**
     * What the other side answered, or what stands for its answer.
     *
     * @type {Reply}
     */
    this.reply = own;
  }
}

/** Not delivered this time: the queue tries again, when its backoff says. */
export class TransientRelayError extends RelayError {
  /**
   * @param {Reply | string} reply a string is read as an answer of SMTP, such as `'451 4.3.0 Busy'`; without a code of
   *   this class (4xx) in front it is 450, without an enhanced status code 4.0.0
   */
  constructor(reply) {
    super(reply, '4', 450);
  }
}
TransientRelayError.prototype.name = 'TransientRelayError';

/** Never to be delivered: the queue gives up and tells the sender. */
export class PermanentRelayError extends RelayError {
  /**
   * @param {Reply | string} reply a string is read as an answer of SMTP, such as `'550 5.1.1 No such user'`; without a
   *   code of this class (5xx) in front it is 550, without an enhanced status code 5.0.0
   */
  constructor(reply) {
    super(reply, '5', 550);
  }
}
PermanentRelayError.prototype.name = 'PermanentRelayError';

/**
 * @param {string} text
 * @param {string} digit
 * @param {number} otherwise
 * @returns {Reply}
 */
function parse(text, digit, otherwise) {
  const [, given, rest] = /** @type {RegExpExecArray} */ (/^(?:(\d{3})(?:[ -]|$))?(.*)$/s.exec(text.trim()));
  // "404 Not Found" is a text that begins with a number, and no code that a queue knows.
  const [code, message] = given?.startsWith(digit) ? [Number(given), rest.trim()] : [otherwise, text.trim()];
  const isEnhanced = message.startsWith(digit) && /^\d\.\d{1,3}\.\d{1,3}(\s|$)/.test(message);
  return { code, message: isEnhanced ? message : `${digit}.0.0 ${message}`.trim() };
}

/**
 * @param {Reply} reply
 * @returns {Reply}
 */
function copy(reply) {
  if (typeof reply !== 'object' || reply === null) {
    throw new TypeError(`reply: expected a string or an object with code and message, got ${describe(reply)}`);
  }
  const { code, message, retryAfter } = reply;
  if (typeof code !== 'number') throw new TypeError(`reply.code: expected a number, got ${describe(code)}`);
  if (!Number.isInteger(code) || code < 200 || code > 599) {
    throw new RangeError(`reply.code: expected a code of SMTP from 200 to 599, got ${describe(code)}`);
  }
  if (typeof message !== 'string') throw new TypeError(`reply.message: expected a string, got ${describe(message)}`);
  return retryAfter === undefined ? { code, message } : { code, message, retryAfter };
}
