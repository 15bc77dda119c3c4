import { readFileSync } from 'node:fs';
import { initSync } from '../wasm/slimta_queue_dict.js';

initSync({ module: readFileSync(new URL('../wasm/slimta_queue_dict_bg.wasm', import.meta.url)) });

export * from '../index.js';
export { Queue } from './queue/node.js';
