/** @import { Glue } from '../wasm/glue.js' */
/** @import { Seam } from './seam.js' */
import { instance } from '../binding/instance.js';
import { begin } from './depth.js';
import { Frame } from './frame.js';

/**
 * Opens the core of a storage over its seam: with the storage, and again where it was lost.
 *
 * @param {Seam} seam
 * @returns {Glue.Core}
 */
export function openCore(seam) {
  const core = seam.makeCore();
  begin();
  seam.frame = new Frame(core.frame(), () => instance().exports.memory, 4);
  seam.core = core;
  return core;
}
