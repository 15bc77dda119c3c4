/** How deep hosts may call back into storages: what is deeper does not end, and the core's stack is small. */
const DEEPEST = 32;
let depth = 0;

/**
 * Enters the core.
 *
 * @returns {boolean} whether it may be entered; `leave` follows then
 */
export function enter() {
  if (depth === DEEPEST) return false;
  depth++;
  return true;
}

export function leave() {
  depth--;
}
