/** An SMTP server of one's own, on a free port, that answers as it is told. */
import { SMTPServer } from 'smtp-server';

/**
 * What to answer: `'451 4.2.2 Full'` refuses so, `'close'` ends the connection, `'hang'` never answers, and nothing at
 * all accepts.
 *
 * @typedef {string | undefined | void} Verdict
 */

/**
 * @typedef {object} Rules
 * @property {() => Verdict} [connect]
 * @property {(address: string) => Verdict} [from]
 * @property {(address: string) => Verdict} [to]
 * @property {(mail: Mail) => Verdict | Verdict[]} [data] once the message is there; over LMTP one for each recipient
 * @property {() => Verdict} [begin] when DATA was said and before the message is there
 */

/** @typedef {{ from: any, to: any[], message: Buffer }} Mail what was accepted, with the parameters of MAIL and RCPT */

/**
 * @param {Rules} [rules]
 * @param {import('smtp-server').SMTPServerOptions} [options]
 */
export async function startSmtp(rules = {}, options = {}) {
  /** @type {Mail[]} */
  const mails = [];
  /** @type {string[]} who was asked for at all */
  const asked = [];
  /** @type {Map<string, () => void>} */
  const waiting = new Map();
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    logger: false,
    closeTimeout: 1,
    onConnect: (session, callback) => judge(rules.connect?.(), session, callback),
    onMailFrom: ({ address }, session, callback) => judge(rules.from?.(address), session, callback),
    onRcptTo({ address }, session, callback) {
      asked.push(address);
      judge(rules.to?.(address), session, callback);
    },
    onData(stream, session, callback) {
      const first = rules.begin?.();
      if (first) return judge(first, session, callback);
      /** @type {Buffer[]} */
      const pieces = [];
      stream.on('data', (/** @type {Buffer} */ piece) => pieces.push(piece));
      stream.on('end', () => {
        const { mailFrom: from, rcptTo: to } = session.envelope;
        const mail = { from, to, message: Buffer.concat(pieces) };
        const verdict = rules.data?.(mail);
        if (!Array.isArray(verdict)) {
          if (!verdict) mails.push(mail);
          return judge(verdict, session, callback);
        }
        const got = to.filter((_, position) => !verdict[position]);
        if (got.length > 0) mails.push({ ...mail, to: got });
        callback(null, verdict.map((each) => (each ? refusal(each) : '2.6.0 Taken')));
      });
    },
    onClose: (session) => waiting.get(session.id)?.(),
    ...options,
  });
  server.on('error', () => {}); // of connections that were closed
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.server.address());
  return {
    port, mails, asked, server,
    /** Ends when the client has ended the connections that are open. */
    left: () => Promise.all([...server.connections].map(({ id }) =>
      new Promise((resolve) => waiting.set(id, () => resolve(undefined))))),
    stop() {
      for (const connection of server.connections) /** @type {any} */ (connection)._socket.destroy();
      return new Promise((resolve) => server.close(() => resolve(undefined)));
    },
  };

  /**
   * @param {Verdict} verdict
   * @param {{ id: string }} session
   * @param {(error?: Error | null, message?: string) => void} callback
   */
  function judge(verdict, session, callback) {
    if (verdict === 'hang') return;
    if (verdict === 'close') {
      for (const each of server.connections) if (each.id === session.id) /** @type {any} */ (each)._socket.destroy();
      return;
    }
    callback(verdict ? refusal(verdict) : null, '2.6.0 Taken');
  }
}

/** @param {string} answer */
function refusal(answer) {
  return Object.assign(new Error(answer.slice(4)), { responseCode: Number(answer.slice(0, 3)) });
}
