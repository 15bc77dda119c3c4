import { instance } from '../binding/instance.js';
import { Frame } from '../seam/frame.js';

/** @import { Glue } from '../wasm/glue.js' */

/**
 * @param {string} owner
 * @param {number} lease
 * @param {number} limit
 * @param {boolean} asksBackoff
 * @param {boolean} keeps
 * @returns {Glue.Decisions}
 */
export function openDecisions(owner, lease, limit, asksBackoff, keeps) {
  return new (instance().glue.Decisions)(owner, lease, limit, asksBackoff, keeps);
}

/**
 * What the core says of a step: of a change, timestamp, attempts and lease that are expected, whether that lease is one
 * of this queue, then timestamp, attempts and lease that are next, and how many marks there are. NaN stands for what is
 * not named, -Infinity for a lease that is not there. Of other steps, one number.
 *
 * @typedef {[
 *   timestamp: number, attempts: number, until: number, own: number,
 *   nextTimestamp: number, nextAttempts: number, nextUntil: number, marks: number,
 * ]} Numbers
 */

/**
 * Where it says that.
 *
 * @param {Glue.Decisions} decisions
 */
export function openFrame(decisions) {
  return new Frame(decisions.frame(), () => instance().exports.memory, 8);
}

/**
 * A copy: the next step is said in the same place.
 *
 * @param {Frame} frame
 * @returns {Numbers}
 */
export function takeNumbers({ numbers }) {
  return [
    numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7],
  ];
}
