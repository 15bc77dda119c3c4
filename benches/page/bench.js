/** What the driver calls in the page. */
import { comparisons } from './comparisons.js';

/** @type {[name: string, side: import('./comparisons.js').Side, database: string][]} */
let sides = [];
let count = 0;
let rounds = 0;

export const bench = {
  /** @param {{ listed: number }} options */
  names({ listed }) {
    return Object.keys(comparisons(listed));
  },

  /**
   * Opens and fills the databases of a comparison; returns its sides and over how many messages each goes in a
   * repetition.
   *
   * @param {{ comparison: string, listed: number }} options
   */
  async begin({ comparison, listed }) {
    const chosen = comparisons(listed)[comparison];
    ({ count, rounds } = chosen);
    sides = [];
    for (const [name, open] of Object.entries(chosen.sides)) {
      const database = `${comparison} ${name}`;
      sides.push([name, await open(database), database]);
    }
    return { sides: sides.map(([name]) => name), operations: count * rounds };
  },

  /**
   * All sides by turns; returns the milliseconds that each took.
   *
   * @param {number} repetition
   */
  async repeat(repetition) {
    /** @type {Record<string, number>} */
    const times = {};
    for (let round = 0; round < rounds; round++) {
      const first = (repetition + round) % sides.length;
      /** @type {number[]} */
      const sums = [];
      for (const [name, side] of [...sides.slice(first), ...sides.slice(0, first)]) {
        await side.before?.();
        const start = performance.now();
        sums.push(await side.run(count));
        times[name] = (times[name] ?? 0) + performance.now() - start;
      }
      if (sums.some((sum) => sum !== sums[0])) throw new Error(`the sides did not do the same: ${sums}`);
    }
    return times;
  },

  async end() {
    for (const [, side, database] of sides) {
      await side.end?.();
      indexedDB.deleteDatabase(database);
    }
    sides = [];
  },
};

Object.assign(globalThis, { bench });
