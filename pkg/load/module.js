// Workers may not compile from bytes; the runtime, or its bundler, makes a module of the file.
import compiled from '../wasm/module.wasm';

/** @type {WebAssembly.Module} */
const module = compiled;
export default module;
