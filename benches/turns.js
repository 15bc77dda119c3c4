/** Comparisons in one program: the sides by turns, the same number of operations each. */
import { perSecond, progress, ratiosOf } from './report.js';

export const HEAD = ['', 'rival', 'ours /s', 'rival /s', 'ratio', 'min-max', 'target'];

/**
 * @typedef {object} Comparison
 * @property {string} name
 * @property {string} what it measures, as the table says it
 * @property {string} rival
 * @property {number} target the ratio that is aimed at; 0 for none
 * @property {number} operations in one repetition of one side
 * @property {() => Promise<number | void>} ours does them; may say how many milliseconds that took
 * @property {() => Promise<number | void>} theirs
 * @property {() => Promise<unknown>} [begin] makes what both sides need
 * @property {() => Promise<unknown>} [clear] takes away what a side has left, which is not measured
 */

/**
 * The rows of a table, one a comparison, each printed when it is there.
 *
 * @param {Comparison[]} comparisons
 * @param {number} repetitions
 */
export async function compareAll(comparisons, repetitions) {
  const rows = [];
  for (const comparison of comparisons) {
    rows.push(await compare(comparison, repetitions));
    console.log(rows.at(-1)?.join('  '));
  }
  return rows;
}

/**
 * @param {Comparison} comparison
 * @param {number} repetitions
 */
async function compare({ name, what, rival, target, operations, ours, theirs, begin, clear }, repetitions) {
  await begin?.();
  /** @type {{ run: () => Promise<number | void>, times: number[] }[]} */
  const sides = [{ run: ours, times: [] }, { run: theirs, times: [] }];
  // The first two repetitions warm up and do not count.
  for (let repetition = -2; repetition < repetitions; repetition++) {
    progress(`${name}, ${repetition < 0 ? 'warming up' : `repetition ${repetition + 1} of ${repetitions}`}`);
    for (const { run, times } of repetition % 2 === 0 ? sides : [...sides].reverse()) {
      const start = performance.now();
      const time = (await run()) ?? performance.now() - start;
      if (repetition >= 0) times.push(time);
      await clear?.();
    }
  }
  progress('');
  const [{ times: first }, { times: second }] = sides;
  const { ratio, range } = ratiosOf(first, second);
  return [
    what, rival, perSecond(operations, first), perSecond(operations, second), ratio.toFixed(2), range,
    target ? `${target}: ${ratio >= target ? 'reached' : 'missed'}` : '',
  ];
}

/**
 * Does something `count` times, `atOnce` of them together.
 *
 * @param {number} count
 * @param {number} atOnce
 * @param {(number: number) => Promise<unknown>} call
 */
export async function repeat(count, atOnce, call) {
  for (let first = 0; first < count; first += atOnce) {
    if (atOnce === 1) await call(first);
    else await Promise.all(Array.from({ length: Math.min(atOnce, count - first) }, (_, i) => call(first + i)));
  }
}
