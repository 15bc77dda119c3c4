import { use } from './use.js';

addEventListener('message', (event) => {
  const { ports, waitUntil } = /** @type {any} */ (event);
  const work = use('service worker').catch(String).then((found) => ports[0].postMessage(found));
  waitUntil.call(event, work);
});
