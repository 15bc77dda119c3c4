/** @import { Attempt, Envelope, Outcome, Relay } from '../types.js' */
import { milliseconds, onlyKnown } from '../options.js';
import { describe } from '../errors.js';
import { toBytes } from './message.js';
import { PermanentRelayError } from '../replies.js';
import { canonical, isTransmissible, needsUtf8 } from './addresses.js';
import { line, within } from './answers.js';
import { answered, failed } from './smtp-answer.js';

/**
 * What {@link smtpRelay} needs of a transport: one of nodemailer over SMTP or LMTP, with or without a pool.
 *
 * @typedef {object} SmtpTransport
 * @property {(mail: any) => Promise<any>} sendMail
 */

/**
 * What {@link smtpRelay} can be told.
 *
 * @typedef {object} SmtpRelayOptions
 * @property {number} [timeout] how many milliseconds one transaction may take (600,000); a nodemailer that knows
 *   `signal` then ends the connection
 * @property {number} [maxRecipients] how many recipients one transaction has at most (100, which every server takes);
 *   more are sent one transaction after the other
 */

const TIMEOUT = 600_000;
const RECIPIENTS = 100;
/** For how long a server is known to be one without SMTPUTF8: it may learn it. */
const KNOWN = 3_600_000;

/**
 * A relay over SMTP, for Node: `smtpRelay(nodemailer.createTransport('smtps://…'))`. The message goes as it is, with
 * its headers; lines get CRLF and dots are stuffed on the way. The transport stays the caller's: this opens nothing
 * and closes nothing.
 *
 * What an answer means, for each recipient:
 *
 * - accepted by RCPT and DATA (over LMTP by the answer of its own after the data): delivered, with the last reply;
 * - refused with 5xx at MAIL, RCPT or DATA: given up; but 503 and what asks for encryption or credentials: deferred,
 *   and so is 552 where it means too many recipients (RFC 5321, section 4.5.3.1.10): with 5.5.3 always, and without an
 *   enhanced status code at RCPT;
 * - refused with 4xx anywhere, or with 5xx at the greeting, at EHLO, STARTTLS or AUTH: deferred, as is whatever ends
 *   without an answer: no connection, one that is lost, a server that says nothing in time, a recipient whom the
 *   transport does not mention.
 *
 * An address with control characters, angle brackets or blanks at its ends is given up (553) and not sent. A message
 * beyond ASCII is announced with 8BITMIME where the server offers it.
 *
 * Recipients whose local part is beyond ASCII go after the others, in transactions of their own that are announced with
 * SMTPUTF8. Where the server has not offered it, they are given up (553 5.6.7) and not sent, and so is everybody (550
 * 5.6.7) if the sender is such an address. A transport tells what the server offers once a transaction has come to its
 * end: until one has, the server itself answers for such an address.
 *
 * When a connection is lost after the data and before the answer, nobody can know whether the server took the message
 * (RFC 1047): it is sent again. Over LMTP that is so for everybody until the last answer is there, except for those whose
 * refusals the transport hands over with its error; `maxRecipients: 1` asks for one recipient at a time.
 *
 * @param {SmtpTransport} transport
 * @param {SmtpRelayOptions} [options]
 * @returns {Relay} whose `attempt` returns an outcome for each recipient, by position
 * @throws {TypeError} for what is no transport, or one that does not say what became of each recipient (sendmail, SES);
 *   a RangeError for a `timeout` or `maxRecipients` that is not above 0
 */
export function smtpRelay(transport, options = {}) {
  if (typeof transport?.sendMail !== 'function') {
    throw new TypeError(`transport: expected a transport of nodemailer, got ${describe(transport)}`);
  }
  const { name } = /** @type {any} */ (transport).transporter ?? {};
  if (typeof name === 'string' && !name.startsWith('SMTP')) {
    throw new TypeError(`transport: expected one over SMTP, which answers for each recipient, got ${line(name)}`);
  }
  return new SmtpRelay(transport, onlyKnown('options', options, ['timeout', 'maxRecipients']));
}

/** @implements {Relay} */
class SmtpRelay {
  #transport;
  #timeout;
  #maxRecipients;
  #withoutUtf8Until = 0;

  /**
   * @param {SmtpTransport} transport
   * @param {SmtpRelayOptions} options
   */
  constructor(transport, { timeout, maxRecipients = RECIPIENTS }) {
    if (!Number.isInteger(maxRecipients) || maxRecipients < 1) {
      throw new RangeError(`maxRecipients: expected a whole number of at least 1, got ${describe(maxRecipients)}`);
    }
    this.#transport = transport;
    this.#timeout = milliseconds('timeout', timeout, TIMEOUT);
    this.#maxRecipients = maxRecipients;
  }

  /**
   * @param {Envelope} envelope
   * @param {number} attempts
   * @param {Attempt} [attempt]
   * @returns {Promise<Outcome[]>}
   */
  async attempt(envelope, attempts, attempt) {
    const sender = envelope.sender ?? '';
    if (sender && !isTransmissible(sender)) {
      throw new PermanentRelayError('553 5.1.7 The address of the sender cannot be sent over SMTP');
    }
    const message = toBytes(envelope);
    /** @type {Map<string, Outcome>} */
    const outcomes = new Map();
    // An address that cannot be sent may be canonically one that can.
    const left = new Map(envelope.recipients.filter(isTransmissible).map((each) => [canonical(each), each]));
    const isBeyond = Boolean(sender) && needsUtf8(sender);
    for (const beyond of [false, true]) {
      const all = [...left].filter(([, address]) => (isBeyond || needsUtf8(address)) === beyond);
      for (let from = 0; from < all.length; from += this.#maxRecipients) {
        const some = all.slice(from, from + this.#maxRecipients);
        const found = beyond && Date.now() < this.#withoutUtf8Until
          ? refusedWithoutUtf8(isBeyond)
          : await this.#send(sender, some.map(([, address]) => address), message, attempt?.signal);
        for (const [key] of some) outcomes.set(key, found.get(key));
      }
    }
    return envelope.recipients.map((each) => (isTransmissible(each)
      ? outcomes.get(canonical(each))
      : new PermanentRelayError('553 5.1.3 The address cannot be sent over SMTP')));
  }

  /**
   * One transaction.
   *
   * @param {string} sender
   * @param {string[]} recipients
   * @param {Uint8Array} message
   * @param {AbortSignal | undefined} ended
   * @returns {Promise<{ get(key: string): Outcome }>}
   */
  async #send(sender, recipients, message, ended) {
    const envelope = {
      // As objects: a text would be read as a header is, where one can name several.
      from: sender && { address: sender, name: '' },
      to: recipients.map((address) => ({ address, name: '' })),
      size: message.length,
      use8BitMime: message.some((byte) => byte > 127),
    };
    const raw = Buffer.from(message.buffer, message.byteOffset, message.length);
    try {
      const info = await within(this.#timeout, ended, (signal) => this.#transport.sendMail({ envelope, raw, signal }));
      if (Array.isArray(info?.ehlo)) {
        const isOffered = info.ehlo.some((/** @type {unknown} */ keyword) => /^SMTPUTF8\b/i.test(String(keyword)));
        this.#withoutUtf8Until = isOffered ? 0 : Date.now() + KNOWN;
      }
      return answered(info, recipients.length);
    } catch (error) {
      return failed(error);
    }
  }
}

/**
 * @param {boolean} isSender whether it is the address of the sender
 * @returns {{ get(key: string): Outcome }}
 */
function refusedWithoutUtf8(isSender) {
  const what = isSender ? '550 5.6.7 The address of the sender' : '553 5.6.7 The address';
  const refusal = new PermanentRelayError(`${what} needs SMTPUTF8, which the server does not offer`);
  return { get: () => refusal };
}
