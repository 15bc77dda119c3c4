// A worker that sends, as a tab does: the demo ends it in the middle of an attempt.
import { History } from './history.js';
import { openOutbox } from './outbox.js';

const { queue } = openOutbox();
new History('worker').follow(queue);
queue.start();
