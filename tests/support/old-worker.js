/** A service worker with the version before: a queue at work on the site's database, and what it did. */
import { AsyncDictStorage, Queue, indexedDBHost } from '/fixtures/version-before.js';
import { work } from '/support/versions.js';

let working;
const METHODS = {
  work(name) {
    working = work({ Queue }, 'old', new AsyncDictStorage(indexedDBHost(name)));
  },
  enqueue: async () => void await working.enqueue(),
  async stop() {
    await working.stop();
    return { done: working.done, errors: working.errors };
  },
};

self.onmessage = (event) => event.waitUntil((async () => {
  const [method, ...args] = event.data;
  try {
    event.ports[0].postMessage({ value: await METHODS[method](...args) });
  } catch (error) {
    event.ports[0].postMessage({ error: String(error) });
  }
})());
