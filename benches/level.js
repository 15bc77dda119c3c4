/**
 * Compares our storage on LevelDB with batches of the database written by hand, by turns in one process.
 *
 *     node benches/level.js [--messages 1000] [--repetitions 15] [--only write] [--write]
 *
 * Both sides sync every batch. By hand, records are JSON and messages bytes beside them, and a change is a read and a
 * batch. `--only` takes the beginning of a comparison's name, `--write` puts the table into RESULTS.md.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { randomUUID } from 'node:crypto';
import { ClassicLevel } from 'classic-level';
import { levelHost } from '../pkg/hosts/level.js';
import { AsyncDictStorage } from '../pkg/load/inline.js';
import { makeEnvelopes } from './messages.js';
import { circumstances, fail, natural, publish, table } from './report.js';
import { LevelByHand } from './rivals/level.js';
import { HEAD, compareAll, repeat } from './turns.js';

const { values: options } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000' },
    repetitions: { type: 'string', default: '15' },
    only: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
  },
});
const messages = natural(options, 'messages');
const repetitions = natural(options, 'repetitions');
if (options.only && options.write) fail('--write keeps the whole table: it does not go with --only');

const folder = mkdtempSync(join(tmpdir(), 'bench-level-'));
const [first, second] = ['ours', 'by-hand'].map((name) => new ClassicLevel(join(folder, name)));
try {
  const comparisons = compared().filter(({ name }) => name.startsWith(options.only));
  const rows = [HEAD, ...(await compareAll(comparisons, repetitions))];
  const manifest = new URL('../node_modules/classic-level/package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
  const { machine, load, command } = circumstances();
  publish('LevelDB', [
    `${machine}; classic-level ${version}`, command,
    `Messages of 2,048 bytes to 3 recipients, ${messages.toLocaleString('en')} operations a repetition, every batch ` +
      `synced; medians of ${repetitions} repetitions, the sides by turns; ${load}.`,
    table(rows),
  ], options.write);
} finally {
  await Promise.all([first.close(), second.close()]);
  rmSync(folder, { recursive: true });
}

/** @returns {import('./turns.js').Comparison[]} */
function compared() {
  const envelopes = makeEnvelopes(1000);
  const [ours, byHand] = [new AsyncDictStorage(levelHost(first)), new LevelByHand(second)];
  /** @type {string[][]} the messages of either side, oldest first */
  const ids = [[], []];
  const sides = /** @type {const} */ ([ours, byHand]);
  const write = async (/** @type {number} */ side, /** @type {number} */ i) => {
    ids[side].push(await sides[side].write(envelopes[i % 1000], Date.now(), { id: randomUUID().replaceAll('-', '') }));
  };
  const common = { operations: messages, rival: 'by hand, a batch each' };
  /**
   * @param {string} name
   * @param {string} what
   * @param {number} target
   * @param {number} atOnce
   * @param {(side: number, i: number) => Promise<unknown>} call
   * @returns {import('./turns.js').Comparison}
   */
  const row = (name, what, target, atOnce, call) => ({
    ...common, name, what, target,
    // Enough for what follows, with the warm-up; the same on both sides.
    begin: async () => {
      for (const side of [0, 1]) while (ids[side].length < messages) await write(side, ids[side].length);
    },
    ours: () => repeat(messages, atOnce, (i) => call(0, i)),
    theirs: () => repeat(messages, atOnce, (i) => call(1, i)),
  });
  /**
   * What can be done with a message once: with new ones, whose writing is not measured.
   *
   * @param {string} name
   * @param {(side: number, i: number) => Promise<unknown>} call
   * @returns {import('./turns.js').Comparison}
   */
  const freshly = (name, call) => {
    const run = (/** @type {number} */ side) => async () => {
      ids[side].length = 0;
      await repeat(messages, 100, (i) => write(side, i));
      const start = performance.now();
      await repeat(messages, 1, (i) => call(side, i));
      return performance.now() - start;
    };
    return { ...row(name, `${name} in turn`, 0.8, 1, call), ours: run(0), theirs: run(1) };
  };
  /**
   * @param {string} name
   * @param {string} what
   * @param {(side: number, i: number) => Promise<unknown>} call
   * @returns {import('./turns.js').Comparison[]}
   */
  const atOnce = (name, what, call) => [
    { ...row(`at-once-${name}`, what, 3, 100, call), theirs: () => repeat(messages, 1, (i) => call(1, i)) },
    { ...row(`at-once-${name}-both`, what, 0, 100, call), rival: 'by hand, 100 batches at once' },
  ];
  const of = (/** @type {number} */ side, /** @type {number} */ i) => ids[side][i % ids[side].length];
  return [
    row('write', 'writes in turn', 0.8, 1, write),
    row('setTimestamp', 'setTimestamp in turn', 0.8, 1,
      (side, i) => sides[side].setTimestamp(of(side, i), Date.now() + i)),
    row('incrementAttempts', 'incrementAttempts in turn', 0.8, 1,
      (side, i) => sides[side].incrementAttempts(of(side, i))),
    freshly('setRecipientsDelivered', (side, i) => sides[side].setRecipientsDelivered(of(side, i), [1])),
    row('get', 'get in turn', 0.8, 1, (side, i) => sides[side].get(of(side, i))),
    freshly('remove', (side) => sides[side].remove(/** @type {string} */ (ids[side].pop()))),
    ...atOnce('write', '100 writes at once', write),
    ...atOnce('increment', '100 increments at once, of 100 messages',
      (side, i) => sides[side].incrementAttempts(of(side, i))),
  ];
}
