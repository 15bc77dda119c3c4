/** @import { Core } from '../wasm/slimta_queue_dict.js' */
/** @import { Seam } from './seam.js' */
import { QueueError } from '../errors.js';
import { Frame } from './frame.js';

/**
 * The core of a storage over its seam.
 *
 * @param {Seam} seam
 * @param {(seam: any) => Core} make
 * @returns {Core}
 */
export function openCore(seam, make) {
  let core;
  try {
    core = make(seam);
  } catch (cause) {
    throw new QueueError('host', 'host: the wasm module is not loaded: call init(module) first', { cause });
  }
  seam.frame = new Frame(core.frame());
  return core;
}
