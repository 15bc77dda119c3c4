/**
 * An SMTP server that answers as `tests/fixtures/smtp-replies.json` says: the EHLO of a client names the place of its
 * case, `case-0` the first. It offers no SMTPUTF8. As a program it says its port, and ends with its input.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { pathToFileURL } from 'node:url';

/** @typedef {{ at: string, reply: string, outcome: string }} Case `at`: the command, or `.` for the end of the message */

/** @type {Case[]} */
export const cases = JSON.parse(readFileSync(new URL('../fixtures/smtp-replies.json', import.meta.url), 'utf8'));

/** @type {Record<string, string>} */
const USUAL = { EHLO: '250-replies\r\n250 HELP', DATA: '354 Go on', QUIT: '221 Bye', '.': '250 2.6.0 Taken' };

/** @returns {Promise<{ port: number, stop: () => void }>} */
export async function startReplies() {
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    let [rest, isMessage] = ['', false];
    /** @type {Case | undefined} */
    let asked;
    const answer = (/** @type {string} */ line) => {
      if (isMessage && line !== '.') return;
      const command = line.split(' ')[0].replace('HELO', 'EHLO');
      if (command === 'EHLO') asked = cases[Number(/case-(\d+)/.exec(line)?.[1])];
      const reply = asked?.at === command ? asked.reply : USUAL[command] ?? '250 Ok';
      isMessage = command === 'DATA' && reply.startsWith('354');
      socket.write(`${reply}\r\n`);
    };
    socket.setEncoding('latin1').on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.on('data', (text) => {
      const lines = (rest + text).split('\r\n');
      rest = lines.pop() ?? '';
      lines.forEach(answer);
    });
    socket.write('220 replies\r\n');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    port,
    stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.stdin.on('end', () => process.exit(0)).resume();
  const { port } = await startReplies();
  process.stdout.write(`${port}\n`);
}
