import { Queue as Class } from '../../queue.js';
import { provided } from '../../queue/source.js';
import module from './module.js';

export const Queue = /* @__PURE__ */ provided(Class, () => module);
