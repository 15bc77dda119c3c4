import { Queue } from 'workbox-background-sync';

// Outside a service worker there is no registration. Without background sync in it the queue registers nothing, which
// spares it work.
/** @type {any} */ (globalThis).registration ??= {};

/** The rival of `write` in workbox: a request that carries the message, with the rest as metadata. */
export class WorkboxOutbox {
  #queue;

  /** @param {string} name */
  constructor(name) {
    this.#queue = new Queue(name, { onSync: async () => {} });
  }

  /**
   * @param {any} envelope
   * @param {number} timestamp
   */
  write({ message, ...metadata }, timestamp) {
    const request = new Request('/send', { method: 'POST', body: message });
    return this.#queue.pushRequest({ request, metadata, timestamp });
  }

  count() {
    return this.#queue.size();
  }
}
