import { initSync } from '../wasm/slimta_queue_dict.js';

/**
 * Takes the compiled `slimta-queue-dict/module.wasm` from the caller, once, before the first storage is made.
 *
 * @param {WebAssembly.Module} module
 * @returns {void}
 */
export function init(module) {
  initSync({ module });
}

export * from '../index.js';
