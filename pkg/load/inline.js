import { provide } from '../binding/instance.js';
import { wasm } from '../wasm/inline.js';

provide(() => new WebAssembly.Module(wasm()));

export * from '../index.js';
