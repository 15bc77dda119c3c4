/**
 * Compares our storage on two Maps with plain JavaScript that keeps the same promises, in one process, and with
 * python-slimta's DictStorage, where what goes in and what comes out is copied too; by turns.
 *
 *     node --expose-gc benches/maps.js [--messages 100000] [--repetitions 10] [--only ours|rival] [--noise] [--write]
 *
 * python-slimta formats a line for its log at every change, also when nobody reads it; it is measured as it is and
 * without that. `tools/setup bench` installs it. `--only` runs one side in JavaScript alone. `--noise` compares the rival with a second copy of itself: how far its ratios are from 1 is what a ratio of this
 * machine does not mean. `--write` puts the table into RESULTS.md.
 */

import { parseArgs } from 'node:util';
import { makeEnvelopes } from './messages.js';
import { circumstances, fail, natural, perSecond, progress, publish, ratiosOf, table } from './report.js';
import { PYTHON, startPython } from './rivals/python.js';

/** The sides that are python-slimta, each with what its logger does. */
const SLIMTA = { 'python-slimta': 'logs', 'its log off': 'nologs' };
/** How fast each operation is to be, as a multiple of python-slimta's as it is. */
const TARGETS = {
  write: 1, setTimestamp: 1, incrementAttempts: 1, setRecipientsDelivered: 1, get: 1, load: 0.3, remove: 1,
};

const { values: options } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    repetitions: { type: 'string', default: '10' },
    python: { type: 'string', default: PYTHON },
    only: { type: 'string' },
    noise: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const messages = natural(options, 'messages');
const repetitions = natural(options, 'repetitions');
if (options.only !== undefined && !['ours', 'rival'].includes(options.only)) fail('--only takes ours or rival');

const names = options.only ? [options.only] : options.noise ? ['rival-again', 'rival'] : ['ours', 'rival'];
const sides = [];
for (const name of names) {
  sides.push({ name, ...(await import(`./side.js?${name}`).catch((error) => cannotLoad(name, error))) });
}
const envelopes = makeEnvelopes(1000);
const operations = Object.keys(sides[0].operations);
const python = options.only || options.noise ? undefined : startPython(options.python, 'python-slimta.py');
if (python) names.push(...Object.keys(SLIMTA));

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
  if (python) await passOfPython(python, repetition);
}
python?.end();
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

/** The same operations of python-slimta. */
async function passOfPython({ ask }, repetition) {
  for (const [name, logs] of Object.entries(SLIMTA)) {
    progress(`${repetition === 0 ? 'warm-up' : `repetition ${repetition} of ${repetitions}`}: ${name}`);
    const answer = (await ask(`storage ${logs} ${messages}`)).split(' ').map(Number);
    if (repetition > 0) operations.forEach((operation, i) => times[operation][name].push(answer[i]));
  }
}

function report() {
  const [first, ...rivals] = names;
  const head = ['', ...names.map((name) => `${name} /s`)];
  for (const rival of rivals) head.push(`ratio to ${rival}`, 'min-max');
  if (python) head.push('target');
  const rows = operations.map((operation) => {
    const row = [operation, ...names.map((name) => perSecond(messages, times[operation][name]))];
    const ratios = rivals.map((rival) => ratiosOf(times[operation][first], times[operation][rival]));
    for (const { ratio, range } of ratios) row.push(ratio.toFixed(2), range);
    const target = TARGETS[operation];
    const reached = python && ratios[rivals.indexOf('python-slimta')].ratio >= target;
    if (python) row.push(target ? `${target}: ${reached ? 'reached' : 'missed'}` : '');
    return row;
  });
  const { machine, load, command } = circumstances();
  publish(options.noise ? 'Maps, the rival against itself' : 'Maps', [
    `${machine}, V8 ${process.versions.v8}`, command,
    `${messages.toLocaleString('en')} messages, medians of ${repetitions} repetitions; ${load}${gcNote()}.`,
    table([head, ...rows]),
  ], options.write);
}

function gcNote() {
  return globalThis.gc ? '' : '; run with --expose-gc for steadier figures';
}

function cannotLoad(name, error) {
  fail(`${name} cannot be loaded; \`make pkg\` builds ours, \`--only rival\` runs without it\n${error}`);
}
