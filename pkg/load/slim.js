import { provide } from '../queue/source.js';
import { initSync } from '../wasm/slimta_queue_dict.js';

/**
 * Takes the compiled `slimta-queue-dict/module.wasm` from the caller, once, before the first storage is made, and
 * `slimta-queue-dict/queue.wasm` before the first `Queue`.
 *
 * @param {WebAssembly.Module} module
 * @param {WebAssembly.Module} [queueModule]
 * @returns {void}
 */
export function init(module, queueModule) {
  initSync({ module });
  provide(() => queueModule);
}

export * from '../index.js';
