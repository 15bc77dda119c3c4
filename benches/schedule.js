/**
 * What a queue comes to that has a million messages waiting: the wasm memory that each takes, and how soon the queue makes
 * its first attempt and knows them all. In a program of its own, since the memory of wasm never shrinks.
 *
 *     node benches/schedule.js [--messages 1000000] [--write]
 */
import { parseArgs } from 'node:util';
import { instance } from '../pkg/binding/instance.js';
import { DictStorage, Queue } from '../pkg/load/inline.js';
import { circumstances, natural, publish, table } from './report.js';

/** How many bytes a waiting message may take. */
const LIMIT = 64;

const { values: options } = parseArgs({
  options: { messages: { type: 'string', default: '1000000' }, write: { type: 'boolean', default: false } },
});
const messages = natural(options, 'messages');

const envelope = new Map();
const meta = new Map();
for (const id of idsOf(messages)) {
  envelope.set(id, { sender: '', recipients: ['you@example.com'] });
  meta.set(id, { timestamp: Date.now() + 86_400_000 + (meta.size * 7919) % 86_400_000, attempts: 0 });
}
meta.values().next().value.timestamp = 1;

const before = memory();
const start = performance.now();
/** @type {number | undefined} */
let first;
const queue = new Queue(new DictStorage(envelope, meta), {
  attempt() {
    first ??= performance.now() - start;
  },
});
queue.start();
while (first === undefined || queue.getInfo().size < messages - 1) await new Promise((resolve) => setImmediate(resolve));
const all = performance.now() - start;
const bytes = (memory() - before) / messages;
await queue.stop();

const { machine, load, command } = circumstances();
publish('Messages that wait', [
  machine, command,
  `A queue that is started on ${messages.toLocaleString('en')} stored messages, one of them due; ${load}.`,
  table([
    ['bytes of wasm memory each', 'first attempt after', 'all known after', 'target'],
    [bytes.toFixed(1), `${first.toFixed(0)} ms`, `${all.toFixed(0)} ms`,
      `at most ${LIMIT} bytes: ${bytes <= LIMIT ? 'reached' : 'missed'}`],
  ]),
], options.write);

/** How large the memory of the module is. */
function memory() {
  return instance().exports.memory.buffer.byteLength;
}

/**
 * Ids in no order, as drawn ones are.
 *
 * @param {number} count
 */
function* idsOf(count) {
  const numbers = new Uint32Array(4);
  for (let i = 0; i < count; i++) {
    numbers.set([Math.imul(i, 0x9e3779b1), i, Math.imul(i + 7, 0x85ebca6b), Math.imul(i ^ 0x5bd1, 0xc2b2ae35)]);
    yield Array.from(numbers, (number) => number.toString(16).padStart(8, '0')).join('');
  }
}
