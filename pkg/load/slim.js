import { provide } from '../binding/instance.js';

/**
 * Takes `slimta-queue-dict/module.wasm` from the caller, compiled or its bytes, once, before the first storage is made.
 *
 * @param {BufferSource | WebAssembly.Module} module
 * @returns {void}
 */
export function init(module) {
  const compiled = module instanceof WebAssembly.Module ? module : new WebAssembly.Module(module);
  provide(() => compiled);
}

export * from '../index.js';
