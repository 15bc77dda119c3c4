// Workers may not compile from bytes; the runtime, or its bundler, makes a module of the file.
import module from '../wasm/slimta_queue_dict_bg.wasm';
import { initSync } from '../wasm/slimta_queue_dict.js';

initSync({ module });

export * from '../index.js';
