import { QueueError } from '../errors.js';
import { Decisions, initSync } from '../wasm/queue.js';
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
