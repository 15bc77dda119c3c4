/** @import { Core } from '../wasm/slimta_queue_dict.js' */
/** @import { Seam } from './seam.js' */
import { QueueError } from '../errors.js';
import { begin } from './depth.js';
import { Frame } from './frame.js';
import { memory } from '../wasm/slimta_queue_dict.js';

/**
 * Opens the core of a storage over its seam: with the storage, and again where it was lost.
 *
 * @param {Seam} seam
 * @returns {Core}
 */
export function openCore(seam) {
  let core;
  try {
    core = seam.makeCore();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new QueueError('host', 'host: the wasm module is not loaded: call init(module) first', { cause });
  }
  begin();
  seam.frame = new Frame(core.frame(), memory, 4);
  seam.core = core;
  return core;
}
