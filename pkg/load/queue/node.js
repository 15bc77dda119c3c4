import { readFileSync } from 'node:fs';
import { Queue as Class } from '../../queue.js';
import { provided } from '../../queue/source.js';

const file = () => readFileSync(new URL('../../wasm/queue_bg.wasm', import.meta.url));

export const Queue = /* @__PURE__ */ provided(Class, file);
