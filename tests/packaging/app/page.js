import { queued, use } from './use.js';

Object.assign(globalThis, {
  inPage: () => use('page'),

  inWorker: () => new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(`the worker failed: ${message}`));
  }),

  inServiceWorker: async (/** @type {WorkerType} */ type) => {
    await navigator.serviceWorker.register('sw.js', { type });
    const { active } = await navigator.serviceWorker.ready;
    const { port1, port2 } = new MessageChannel();
    return new Promise((resolve) => {
      port1.onmessage = ({ data }) => resolve(data);
      /** @type {ServiceWorker} */ (active).postMessage('use', [port2]);
    });
  },

  queued,
});
