// The schedule of a queue: what adding, moving and taking a message cost from a thousand to a million, the memory each
// takes, and how soon a queue on a million stored messages makes its first attempt.
import { instance } from '../pkg/binding/instance.js';
import { DictStorage, Queue } from '../pkg/load/inline.js';
import { openDecisions, openFrame } from '../pkg/queue/module.js';
import { Ask, Result } from '../pkg/queue/names.js';

const memory = () => instance().exports.memory;
const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const LIMIT = 64;

/**
 * Ids in no order, as drawn ones are.
 *
 * @param {number} count
 */
function idsOf(count) {
  const numbers = new Uint32Array(4);
  return Array.from({ length: count }, (_, i) => {
    numbers.set([i, Math.imul(i, 0x9e3779b1), Math.imul(i + 7, 0x85ebca6b), Math.imul(i ^ 0x5bd1, 0xc2b2ae35)]);
    return Array.from(numbers, (number) => number.toString(16).padStart(8, '0')).join('');
  });
}

/**
 * Nanoseconds for each of a list.
 *
 * @param {string[]} list
 * @param {(id: string, place: number) => void} work
 */
function each(list, work) {
  const start = performance.now();
  for (let i = 0; i < list.length; i++) work(list[i], i);
  return ((performance.now() - start) * 1e6) / list.length;
}

console.log('messages    add   move   take  (ns each)   bytes each');
for (const size of SIZES) {
  const ids = idsOf(size);
  const decisions = openDecisions('bench', 1_000, 1e6, false, false);
  const frame = openFrame(decisions);
  const put = (/** @type {string} */ id, /** @type {number} */ timestamp) => {
    frame.putId(id);
    decisions.ask(Ask.Put, 0, timestamp, 0);
  };
  decisions.ask(Ask.Tick, 0, 1e12, 0);
  decisions.ask(Ask.Open, 0, 1, 0);
  const before = memory().buffer.byteLength;
  const add = each(ids, (id, i) => put(id, 1e12 + Math.imul(i, 7919) % 1e6));
  const move = each(ids, (id, i) => put(id, 1e12 + 1e7 + Math.imul(i, 104729) % 1e6));
  const bytes = (memory().buffer.byteLength - before) / size;
  decisions.ask(Ask.Tick, 0, 1e13, 1e13);
  const take = each(ids, () => {
    const number = decisions.ask(Ask.Take, 0, 0, 0);
    decisions.ask(Ask.Answer, number, Result.Gone, 0);
    decisions.ask(Ask.End, number, 0, 0);
  });
  decisions.ask(Ask.Info, 0, 0, 0);
  if (frame.numbers[0] !== 0) throw new Error(`${frame.numbers[0]} of ${size} messages were not taken`);
  decisions.free();
  const figures = [add, move, take].map((ns) => ns.toFixed(0).padStart(6)).join(' ');
  console.log(`${size.toLocaleString('en').padStart(9)} ${figures} ${bytes.toFixed(1).padStart(24)}`);
  if (size === SIZES.at(-1) && bytes > LIMIT) {
    console.log(`more than ${LIMIT} bytes each: FAILED`);
    process.exitCode = 1;
  }
}

const meta = new Map();
const envelope = new Map();
for (const id of idsOf(1_000_000)) {
  meta.set(id, { timestamp: 1e13, attempts: 0 });
  envelope.set(id, { sender: '', recipients: ['you@example.com'] });
}
const first = meta.keys().next().value;
meta.get(first).timestamp = 1;
await new Promise((resolve) => {
  const start = performance.now();
  const queue = new Queue(new DictStorage(envelope, meta), {
    attempt() {
      const known = queue.getInfo().size;
      console.log(`first attempt after ${(performance.now() - start).toFixed(1)} ms, ${known} of 1,000,000 loaded`);
      queue.stop().then(resolve);
    },
  });
  queue.start();
});
