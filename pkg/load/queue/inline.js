import { Queue as Class } from '../../queue.js';
import { provided } from '../../queue/source.js';
import { wasm } from '../../wasm/queue-inline.js';

export const Queue = /* @__PURE__ */ provided(Class, wasm);
