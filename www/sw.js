// Keeps the page at hand without a network, and sends what waits when the network is back (Background Sync).
import { History } from './history.js';
import { openOutbox } from './outbox.js';
import { Simulation } from './simulation.js';

/** Where files of this page are kept: an origin may have several pages. */
const HERE = `page ${new URL('./', location.href).pathname} `;
/** Which version of the page this is, and its files: put in when the page is made. */
const CACHE = `${HERE}${VERSION}`;
/** What the page works without. */
const OPTIONAL = /\.(eml|webmanifest)$/;
const worker = /** @type {any} */ (globalThis);
/** The other side, where the page has no server that has one. */
const simulation = SIMULATED ? new Simulation() : undefined;

worker.addEventListener('install', (/** @type {any} */ event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    const add = (/** @type {string} */ file) => cache.add(new Request(file, { cache: 'reload' }));
    await Promise.all(FILES.map((file) => (OPTIONAL.test(file) ? add(file).catch(() => {}) : add(file))));
  })());
});

// Messages are in IndexedDB and outlive every version; caches of other versions go when no page uses them any more.
worker.addEventListener('activate', (/** @type {any} */ event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name.startsWith(HERE) && name !== CACHE) await caches.delete(name);
    await worker.clients.claim();
  })());
});

worker.addEventListener('message', (/** @type {any} */ { data }) => {
  if (data === 'take over') worker.skipWaiting();
  if (data === 'take me') worker.clients.claim(); // a page that was loaded past this worker
});

worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const { request } = event;
  const simulated = simulation?.answer(request);
  if (simulated) return event.respondWith(simulated);
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin || url.search !== '') return;
  event.respondWith((async () => {
    const cache = await caches.open(CACHE);
    return (await cache.match(request, { ignoreVary: true })) ?? fetch(request);
  })());
});

/** @type {ReturnType<typeof openOutbox> | undefined} */
let outbox;
const history = new History('service worker');

/** @param {boolean} lastChance */
async function deliver(lastChance) {
  if (!(await history.settings()).sending) return;
  if (!outbox) {
    // What this worker fetches does not come back to it.
    outbox = openOutbox(simulation && { fetch: async (url, init) => (await simulation.answer(new Request(url, init))) ?? Response.error() });
    history.follow(outbox.queue);
  }
  await outbox.queue.flush();
  const { due, deferred, sending } = await outbox.queue.count();
  // The browser comes again for what is not sent yet.
  if (due + deferred + sending > 0 && !lastChance) throw new Error('not everything is sent yet');
}

worker.addEventListener('sync', (/** @type {any} */ event) => {
  if (event.tag === 'outbox') event.waitUntil(deliver(event.lastChance));
});
