/** A mail server that keeps what it gets in memory and answers as its dials say. */
import { SMTPServer } from 'smtp-server';
import { parseMessage } from '../../pkg/load/inline.js';
import { Arrivals, judge } from '../../www/arrivals.js';
import { LARGEST } from '../../www/posted.js';

/**
 * Starts the server on a free port of this machine.
 *
 * @returns {Promise<{ port: number, arrivals: Arrivals, close: () => Promise<void> }>}
 */
export async function startSink() {
  const arrivals = new Arrivals();
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'], logger: false, size: LARGEST, closeTimeout: 100, hideSMTPUTF8: false,
    onConnect: (_session, callback) => callback(arrivals.dials.away ? reply('421 4.3.2 The server has gone away') : null),
    onRcptTo({ address }, _session, callback) {
      const answer = judge(address, arrivals.dials, arrivals.asked(address));
      callback(answer.startsWith('2') ? null : reply(answer));
    },
    onData(stream, session, callback) {
      /** @type {Buffer[]} */
      const chunks = [];
      stream.on('data', (/** @type {Buffer} */ chunk) => chunks.push(chunk));
      stream.on('end', async () => {
        await arrivals.takeTime();
        if (stream.sizeExceeded) return callback(reply('552 5.3.4 Too large'));
        const { headers } = parseMessage(Buffer.concat(chunks));
        const { mailFrom, rcptTo } = session.envelope;
        arrivals.add(headers, mailFrom ? mailFrom.address : '', rcptTo.map(({ address }) => address));
        callback(null, '2.0.0 Delivered to the inbox');
      });
    },
  });
  server.on('error', () => {}); // of connections that were closed
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.server.address());
  return { port, arrivals, close: () => new Promise((resolve) => server.close(() => resolve(undefined))) };
}

/** @param {string} text */
function reply(text) {
  return Object.assign(new Error(text.slice(4)), { responseCode: Number(text.slice(0, 3)) });
}
