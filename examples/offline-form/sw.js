// Serves the page while there is no network, and sends what waits when there is one.
import { queue } from './outbox.js';

const CACHE = 'page';

self.addEventListener('install', (event) => {
  self.skipWaiting();
  event.waitUntil(keepPage().catch((error) => console.warn(error))); // without a kept page it sends all the same
});
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  if (event.request.method !== 'GET') return;
  event.respondWith(fromNetwork(event));
});

/** Keeps the page and the files that it names: the first visit loads them before this worker can see them. */
async function keepPage() {
  const cache = await caches.open(CACHE);
  const page = await fetch('./');
  if (!page.ok) throw new Error(`the page was answered with ${page.status}`);
  const html = await page.clone().text();
  await cache.put('./', page);
  await cache.addAll([...html.matchAll(/\s(?:src|href)="([^"]+)"/g)].map(([, file]) => file));
}

async function fromNetwork(event) {
  const { request } = event;
  try {
    const response = await fetch(request);
    // The page gets its answer also where there is no room to keep it.
    if (response.ok) event.waitUntil(keep(request, response.clone()).catch((error) => console.warn(error)));
    return response;
  } catch (error) {
    const kept = await caches.match(request, { cacheName: CACHE, ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

/**
 * @param {Request} request
 * @param {Response} response
 */
async function keep(request, response) {
  const cache = await caches.open(CACHE);
  await cache.put(request, response);
}

self.addEventListener('sync', (event) => {
  if (event.tag === 'outbox') event.waitUntil(deliver(event.lastChance));
});

/** @param {boolean} lastChance whether the browser does not come again */
async function deliver(lastChance) {
  await queue.flush();
  const { due, deferred, sending } = await queue.count();
  const left = due + deferred + sending;
  if (left > 0 && !lastChance) throw new Error(`${left} messages are not sent yet`);
}
