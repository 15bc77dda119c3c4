/** Hands messages that a page posts to a mail server over SMTP. */
import nodemailer from 'nodemailer';
import { parseMessage } from '../../pkg/load/inline.js';
import { smtpRelay } from '../../pkg/relays.js';
import { Answers, readPosted } from '../../www/posted.js';

/** @import { Answer } from '../../www/posted.js' */

/** @param {number} port of the mail server on this machine */
export function openRelay(port) {
  const transport = nodemailer.createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true, pool: true, maxConnections: 20 });
  const relay = smtpRelay(transport, { timeout: 30_000 });
  const answers = new Answers();
  return {
    /**
     * @param {import('node:http').IncomingHttpHeaders} headers
     * @param {Uint8Array} bytes
     * @returns {Promise<Answer>}
     */
    async take(headers, bytes) {
      const posted = readPosted((name) => String(headers[name] ?? ''));
      if ('status' in posted) return posted;
      const key = String(headers['idempotency-key'] ?? '');
      return answers.take(key, async () => {
        const { signal } = new AbortController();
        const replies = await Promise.resolve(relay.attempt({ ...posted, ...parseMessage(bytes) }, 0, { id: key, signal })).then(
          (outcomes) => /** @type {any[]} */ (outcomes).map(replyOf), (error) => posted.recipients.map(() => replyOf(error)));
        return { status: 200, body: { replies } };
      });
    },
    close: () => transport.close(),
  };
}

/** @param {any} outcome */
function replyOf(outcome) {
  const { code, message } = outcome?.reply ?? outcome ?? { code: 250, message: '2.0.0 Ok' };
  return { code: Number(code) || 451, message: String(message) };
}
