import { initSync } from '../wasm/slimta_queue_dict.js';
import module from './module.js';

initSync({ module });

export * from '../index.js';
export { Queue } from './queue/workerd.js';
