// Serves the page while there is no network, and sends what waits when there is one.
import { queue } from './outbox.js';

const CACHE = 'page';

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  if (event.request.method !== 'GET') return;
  event.respondWith(fromNetwork(event.request));
});

/** @param {Request} request */
async function fromNetwork(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener('sync', (event) => {
  if (event.tag === 'outbox') event.waitUntil(deliver(event.lastChance));
});

/** @param {boolean} lastChance whether the browser does not come again */
async function deliver(lastChance) {
  await queue.flush();
  const { due, sending } = await queue.count();
  if (due + sending > 0 && !lastChance) throw new Error(`${due + sending} messages are not sent yet`);
}
