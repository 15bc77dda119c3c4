import { QueueError } from '../errors.js';
import { Frame } from '../seam/frame.js';
import { Decisions, initSync, memory } from '../wasm/queue.js';
import { wasm } from './source.js';

let loaded = false;

/**
 * @param {string} owner
 * @param {number} lease
 * @param {number} limit
 * @param {boolean} asksBackoff
 * @param {boolean} keeps
 * @returns {Decisions}
 */
export function openDecisions(owner, lease, limit, asksBackoff, keeps) {
  if (!loaded) {
    const module = wasm();
    if (!module) {
      throw new QueueError('host', "host: the queue's wasm module is not loaded: give init(module, queueModule) both");
    }
    initSync({ module });
    loaded = true;
  }
  return new Decisions(owner, lease, limit, asksBackoff, keeps);
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
 * @param {Decisions} decisions
 */
export function openFrame(decisions) {
  return new Frame(decisions.frame(), memory, 8);
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
