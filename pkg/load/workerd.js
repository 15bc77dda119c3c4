import { provide } from '../binding/instance.js';
import module from './module.js';

provide(() => module);

export * from '../index.js';
