/** Hands messages that a page posts to a mail server over SMTP. */
import nodemailer from 'nodemailer';
import { parseMessage } from '../../pkg/load/inline.js';
import { smtpRelay } from '../../pkg/relays.js';
import { LARGEST } from './sink.js';

/** @typedef {{ status: number, body: { detail?: string, replies?: { code: number, message: string }[] } }} Answer */

/** How many recipients one request may name. */
const RECIPIENTS = 100;
/** How many answers are remembered for requests that are repeated. */
const REMEMBERED = 10_000;

/**
 * @param {number} port of the mail server on this machine
 */
export function openRelay(port) {
  const transport = nodemailer.createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true, pool: true, maxConnections: 20 });
  const relay = smtpRelay(transport, { timeout: 30_000 });
  /** @type {Map<string, Promise<Answer>>} */
  const answers = new Map();
  return {
    /**
     * Whoever repeats a request gets the answer that it had, or will have: so a page that ends before it hears an answer
     * sends nothing twice.
     *
     * @param {import('node:http').IncomingHttpHeaders} headers
     * @param {Uint8Array} bytes
     * @returns {Promise<Answer>}
     */
    async take(headers, bytes) {
      const key = String(headers['idempotency-key'] ?? '');
      const known = answers.get(key);
      if (known) return known;
      const answer = send(headers, bytes, key);
      if (key) answers.set(key, answer);
      for (const [oldest] of answers) if (answers.size > REMEMBERED) answers.delete(oldest);
      // Whom nothing was sent to may be asked for again.
      if (!(await answer).body.replies?.some(({ code }) => code >= 200 && code < 300)) answers.delete(key);
      return answer;
    },
    close: () => transport.close(),
  };

  /**
   * @param {import('node:http').IncomingHttpHeaders} headers
   * @param {Uint8Array} bytes
   * @param {string} id
   * @returns {Promise<Answer>}
   */
  async function send(headers, bytes, id) {
    if (bytes.length > LARGEST) return refused(413, `more than ${LARGEST} bytes`);
    const sender = decode(String(headers['x-envelope-sender'] ?? ''));
    const recipients = String(headers['x-envelope-recipient'] ?? '').split(',').map((each) => decode(each.trim()));
    if (recipients.length > RECIPIENTS) return refused(400, `more than ${RECIPIENTS} recipients`);
    if (sender === undefined || (sender !== '' && !isAddress(sender))) return refused(400, 'X-Envelope-Sender is no address');
    if (!recipients.every(isAddress)) return refused(400, 'X-Envelope-Recipient names no address');
    const envelope = { sender, recipients: /** @type {string[]} */ (recipients), ...parseMessage(bytes) };
    const { signal } = new AbortController();
    try {
      const outcomes = /** @type {any[]} */ (await relay.attempt(envelope, 0, { id, signal }));
      return { status: 200, body: { replies: outcomes.map((each) => replyOf(each)) } };
    } catch (error) {
      return { status: 200, body: { replies: recipients.map(() => replyOf(error)) } };
    }
  }
}

/** @param {any} outcome */
function replyOf(outcome) {
  const { code, message } = outcome?.reply ?? outcome ?? { code: 250, message: '2.0.0 Ok' };
  return { code: Number(code) || 451, message: String(message) };
}

/** @param {string | undefined} text */
function isAddress(text) {
  return text !== undefined && text.length <= 320 && /^[^\p{Cc}<>]+@[^\p{Cc}\s<>]+$/u.test(text);
}

/** @param {string} base64 of UTF-8 */
function decode(base64) {
  if (!/^[a-z0-9+/]*={0,2}$/i.test(base64)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64, 'base64'));
  } catch {
    return undefined;
  }
}

/**
 * @param {number} status
 * @param {string} detail
 * @returns {Answer}
 */
function refused(status, detail) {
  return { status, body: { detail } };
}
