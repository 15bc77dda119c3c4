/**
 * Compares our storage on two Maps with plain JavaScript on two Maps, in one process, by turns.
 *
 *     node --expose-gc benches/maps.js [--messages 100000] [--repetitions 10] [--only ours|rival] [--noise]
 *
 * `--noise` compares the rival with a second copy of itself: how far its ratios are from 1 is what a ratio of this
 * machine does not mean.
 */

import os from 'node:os';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    repetitions: { type: 'string', default: '10' },
    only: { type: 'string' },
    noise: { type: 'boolean', default: false },
  },
});
const messages = atLeast('messages', 1);
const repetitions = atLeast('repetitions', 1);
if (options.only !== undefined && !['ours', 'rival'].includes(options.only)) fail('--only takes ours or rival');

const names = options.only ? [options.only] : options.noise ? ['rival-again', 'rival'] : ['ours', 'rival'];
const sides = [];
for (const name of names) {
  sides.push({ name, ...(await import(`./side.js?${name}`).catch((error) => cannotLoad(name, error))) });
}
const envelopes = makeEnvelopes(1000);
const operations = Object.keys(sides[0].operations);

// A program's storage lives as long as the program. Here one with a few messages does: without it the shapes of all
// objects, and the code optimised for them, would be collected between two repetitions.
for (const side of sides) {
  side.kept = side.begin(envelopes, 10);
  for (const operation of operations) if (operation !== 'remove') side.operations[operation](side.kept);
}

/** @type {Record<string, Record<string, number[]>>} milliseconds of each operation, of each side, in each repetition */
const times = {};
for (const operation of operations) times[operation] = Object.fromEntries(names.map((name) => [name, []]));

// The first repetition warms up and does not count.
for (let repetition = 0; repetition <= repetitions; repetition++) {
  const order = repetition % 2 === 0 ? sides : [...sides].reverse();
  const checksums = order.map((side) => pass(side, repetition));
  if (checksums.some((sums) => sums.join() !== checksums[0].join())) {
    fail(`the sides did not do the same:\n${order.map(({ name }, i) => `${name}: ${checksums[i]}`).join('\n')}`);
  }
}
progress('');
report();

/** Every operation of one side over a fresh storage; returns their checksums. */
function pass({ name, begin, operations: timed }, repetition) {
  const run = begin(envelopes, messages);
  return operations.map((operation) => {
    progress(`${repetition === 0 ? 'warm-up' : `repetition ${repetition} of ${repetitions}`}: ${name} ${operation}`);
    globalThis.gc?.();
    const start = performance.now();
    const checksum = timed[operation](run);
    const time = performance.now() - start;
    if (repetition > 0) times[operation][name].push(time);
    return checksum;
  });
}

/** Different messages of one form: a sender, 3 recipients, a client, 4 headers, 2,048 bytes. */
function makeEnvelopes(count) {
  return Array.from({ length: count }, (_, i) => ({
    sender: `sender${i}@example.com`,
    recipients: [`first${i}@example.org`, `second${i}@example.net`, `third${i}@example.com`],
    headers: [
      ['From', `"Sender ${i}" <sender${i}@example.com>`],
      ['To', `first${i}@example.org,\r\n second${i}@example.net, third${i}@example.com`],
      ['Subject', `Message number ${i} of this benchmark`],
      ['Message-ID', `<${i}.benchmark@example.com>`],
    ],
    message: new Uint8Array(2048).fill(32 + (i % 95)),
    client: { ip: '192.0.2.1', host: 'mail.example.com', name: 'mail.example.com', protocol: 'ESMTPS' },
  }));
}

function report() {
  const [first, second] = names;
  const head = ['', ...names.map((name) => `${name} ops/s`)];
  if (second) head.push(`${first}/${second}`, 'min-max');
  const rows = operations.map((operation) => {
    const perSecond = (name) => Math.round((messages / median(times[operation][name])) * 1000);
    const row = [operation, ...names.map((name) => perSecond(name).toLocaleString('en'))];
    if (second) {
      // Of speeds: how many times as fast the first side was in the same repetition.
      const ratios = times[operation][first].map((time, i) => times[operation][second][i] / time);
      row.push(`${median(ratios).toFixed(2)}`, `${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)}`);
    }
    return row;
  });
  const cpus = os.cpus();
  console.log(`${cpus.length} x ${cpus[0].model}, ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.type()} ${os.arch()}`);
  console.log(`Node ${process.version}, V8 ${process.versions.v8}`);
  console.log(`node ${[...process.execArgv, 'benches/maps.js', ...process.argv.slice(2)].join(' ')}`);
  console.log(`${messages.toLocaleString('en')} messages, medians of ${repetitions} repetitions${gcNote()}\n`);
  console.log(table([head, ...rows]));
}

function gcNote() {
  return globalThis.gc ? '' : '; run with --expose-gc for steadier figures';
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  ');
  return rows.map(line).join('\n');
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** One line of a terminal, written over. */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function atLeast(name, least) {
  const number = Number(options[name]);
  if (!Number.isSafeInteger(number) || number < least) fail(`--${name} takes a whole number of at least ${least}`);
  return number;
}

function cannotLoad(name, error) {
  fail(`${name} cannot be loaded; \`make pkg\` builds ours, \`--only rival\` runs without it\n${error}`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
