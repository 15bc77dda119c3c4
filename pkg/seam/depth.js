import { instance } from '../binding/instance.js';

/** How deep hosts may call back into storages: what is deeper does not end, and the core's stack is small. */
const DEEPEST = 32;
let bottom = 0;

/**
 * Where the core is entered. Whoever enters it sets these without a call: where the stack of its caller has ended, no
 * call can be made.
 */
export const entries = {
  depth: 0,
  /** Whether an exception has passed the core, which gave nothing back of its stack then. */
  unwound: false,
};

/**
 * Enters the core; whoever may counts `depth` down when it leaves.
 *
 * @returns {boolean} whether it may be entered
 */
export function enter() {
  if (entries.depth === DEEPEST) return false;
  if (entries.unwound && entries.depth === 0) {
    stackPointer().value = bottom;
    entries.unwound = false;
  }
  entries.depth++;
  return true;
}

/** Remembers where the core's stack begins. */
export function begin() {
  if (entries.depth === 0 && !entries.unwound) bottom = stackPointer().value;
}

/** @returns {WebAssembly.Global} */
function stackPointer() {
  return /** @type {any} */ (instance().exports).__stack_pointer; // its types have no word of it
}
