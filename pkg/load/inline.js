import { wasm } from '../wasm/inline.js';
import { initSync } from '../wasm/slimta_queue_dict.js';

initSync({ module: wasm() });

export * from '../index.js';
export { Queue } from './queue/inline.js';
