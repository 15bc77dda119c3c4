/** @import { Attempt, Envelope, Outcome, Relay } from '../types.js' */
import { milliseconds } from '../options.js';
import { describe } from '../errors.js';
import { formatMessage } from '../message.js';
import { PermanentRelayError, TransientRelayError } from '../replies.js';
import { canonical, isTransmissible } from './addresses.js';
import { line, parseReply, toDeferral, toOutcome, within } from './answers.js';

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
/** Commands whose refusal is one of the message; that of any other is one of the connection or its credentials. */
const OF_THE_MESSAGE = ['MAIL FROM', 'RCPT TO', 'DATA'];

/**
 * A relay over SMTP, for Node: `smtpRelay(nodemailer.createTransport('smtps://…'))`. The message goes as it is, with
 * its headers; lines get CRLF and dots are stuffed on the way. The transport stays the caller's: this opens nothing
 * and closes nothing.
 *
 * What an answer means, for each recipient:
 *
 * - accepted by RCPT and DATA (over LMTP by the answer of its own after the data): delivered, with the last reply;
 * - refused with 5xx at MAIL, RCPT or DATA: refused; but 503 and what asks for encryption or credentials: deferred;
 * - refused with 4xx anywhere, or with 5xx at the greeting, at EHLO, STARTTLS or AUTH: deferred, as is whatever ends
 *   without an answer: no connection, one that is lost, a server that says nothing in time, a recipient whom the
 *   transport does not mention.
 *
 * An address with control characters, angle brackets or blanks at its ends is refused (553) and not sent. Addresses
 * beyond ASCII are announced with SMTPUTF8, a message beyond ASCII with 8BITMIME, where the server offers them.
 *
 * When a connection is lost after the data and before the answer, nobody can know whether the server took the message
 * (RFC 1047): it is sent again.
 *
 * @param {SmtpTransport} transport
 * @param {SmtpRelayOptions} [options]
 * @returns {Relay} whose `attempt` returns an outcome for each recipient, by position
 * @throws {TypeError} for what is no transport, or one that does not say what became of each recipient (sendmail, SES)
 */
export function smtpRelay(transport, options = {}) {
  if (typeof transport?.sendMail !== 'function') {
    throw new TypeError(`transport: expected a transport of nodemailer, got ${describe(transport)}`);
  }
  const { name } = /** @type {any} */ (transport).transporter ?? {};
  if (typeof name === 'string' && !name.startsWith('SMTP')) {
    throw new TypeError(`transport: expected one over SMTP, which answers for each recipient, got ${line(name)}`);
  }
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options: expected an object, got ${describe(options)}`);
  }
  return new SmtpRelay(transport, options);
}

/** @implements {Relay} */
class SmtpRelay {
  #transport;
  #timeout;
  #maxRecipients;

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
    const message = formatMessage(envelope);
    /** @type {Map<string, Outcome>} */
    const outcomes = new Map();
    for (const recipient of envelope.recipients) {
      if (isTransmissible(recipient)) continue;
      outcomes.set(canonical(recipient), new PermanentRelayError('553 5.1.3 The address cannot be sent over SMTP'));
    }
    const left = new Map(envelope.recipients.map((each) => [canonical(each), each]));
    for (const key of outcomes.keys()) left.delete(key);
    const all = [...left];
    for (let from = 0; from < all.length; from += this.#maxRecipients) {
      const some = all.slice(from, from + this.#maxRecipients);
      const found = await this.#send(sender, some.map(([, address]) => address), message, attempt?.signal);
      for (const [key] of some) outcomes.set(key, found.get(key));
    }
    return envelope.recipients.map((each) => outcomes.get(canonical(each)));
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
      return answered(info, recipients.length);
    } catch (error) {
      return failed(error);
    }
  }
}

/**
 * @param {any} info what nodemailer says of a message that at least one recipient was accepted for
 * @param {number} asked how many recipients it was to go to
 * @returns {{ get(key: string): Outcome }}
 */
function answered(info, asked) {
  const refused = refusals(info?.rejectedErrors);
  const [accepted, rejected] = [addresses(info?.accepted), addresses(info?.rejected)];
  const everybody = rejected.size === 0 && refused.size === 0 && accepted.size === asked;
  // Over LMTP the last answer may be the refusal of one recipient.
  const isOfOne = Array.isArray(info?.rejectedErrors) &&
    info.rejectedErrors.some((/** @type {any} */ error) => error?.response === info.response);
  const reply = (isOfOne ? undefined : parseReply(info?.response)) ?? { code: 250, message: '2.0.0 Ok' };
  const missing = new TransientRelayError('4.5.0 The transport does not say what became of this recipient');
  return {
    get(key) {
      const refusal = refused.get(key);
      if (refusal) return refusal;
      const isAccepted = everybody || accepted.has(key) && !rejected.has(key);
      return isAccepted && reply.code < 300 ? reply : missing;
    },
  };
}

/**
 * @param {any} error what nodemailer throws when nobody got the message
 * @returns {{ get(key: string): Outcome }}
 */
function failed(error) {
  const refused = refusals(error?.rejectedErrors);
  const rest = refused.size > 0
    ? new TransientRelayError('4.5.0 The transport does not say what became of this recipient')
    : refusal(error);
  return { get: (key) => refused.get(key) ?? rest };
}

/**
 * @param {any} errors
 * @returns {Map<string, Outcome>} by canonical address
 */
function refusals(errors) {
  /** @type {any[]} */
  const all = Array.isArray(errors) ? errors : [];
  return new Map(all.filter((error) => typeof error?.recipient === 'string')
    .map((error) => [canonical(error.recipient), refusal(error)]));
}

/**
 * @param {any} error
 * @returns {TransientRelayError | PermanentRelayError}
 */
function refusal(error) {
  if (error instanceof TransientRelayError) return error;
  const reply = parseReply(error?.response);
  if (!reply) {
    // The one answer that a transport foresees: the message is longer than the server said it takes.
    return error?.code === 'EMESSAGE' && error.command === 'MAIL FROM'
      ? new PermanentRelayError(`552 5.3.4 ${line(error.message)}`)
      : new TransientRelayError(`4.4.2 ${line(error?.message ?? error)}`);
  }
  const outcome = OF_THE_MESSAGE.includes(error.command) ? toOutcome(reply) : toDeferral(reply);
  return outcome instanceof Error ? outcome : toDeferral(reply);
}

/** @param {unknown} list */
function addresses(list) {
  return new Set(Array.isArray(list) ? list.map((each) => canonical(String(each?.address ?? each))) : []);
}
