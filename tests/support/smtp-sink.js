/**
 * An SMTP server for programs that are not JavaScript: says its port, then each mail that it took as a line of JSON.
 * `node smtp-sink.js [options as JSON]`. Addresses whose local part is in `ANSWERS` are answered so.
 */
import { startSmtp } from './smtp.js';

/** @type {Record<string, string>} */
const ANSWERS = {
  nobody: '550 5.1.1 No such user', full: '452 4.2.2 Full', 'one-too-many': '552 Too many recipients',
  large: '552 5.3.4 Too large', unauthenticated: '530 5.7.0 Authenticate first', gone: 'close', silent: 'hang',
};
const answer = (/** @type {string} */ address) => ANSWERS[address.split('@')[0]];
const say = (/** @type {unknown} */ what) => process.stdout.write(`${JSON.stringify(what)}\n`);
process.stdin.on('end', () => process.exit(0)).resume();

const { greeting, ...options } = JSON.parse(process.argv[2] ?? '{}');
const { port } = await startSmtp({
  connect: () => greeting,
  from: answer,
  to: answer,
  data({ from, to, message }) {
    const refused = /^X-Answer: (.*)\r$/m.exec(message.toString())?.[1];
    if (refused) return refused;
    say({ from: from.address, args: from.args, to: to.map(({ address }) => address), message: message.toString('latin1') });
    return undefined;
  },
}, options);
say(port);
