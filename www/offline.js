/**
 * The service worker: keeps the page at hand without a network, and sends in the background where the browser can.
 *
 * Events: `change`.
 */
export class Offline extends EventTarget {
  /** @type {ServiceWorkerRegistration | undefined} */
  #registration;
  #taking = false;
  /** @type {Promise<void> | undefined} */
  #wished;
  /** @type {() => void} */
  #giveUp = () => {};
  /** Resolves when this browser keeps no page. @type {Promise<void>} */
  #hopeless = new Promise((resolve) => (this.#giveUp = resolve));
  state = 'The page is being kept for offline use…';
  /** Whether another version of the page waits. */
  waiting = false;

  async open() {
    const { serviceWorker } = navigator;
    if (!serviceWorker) return this.#say('The page is not kept for offline use: this browser has no service workers here.');
    try {
      const registration = await serviceWorker.register('sw.js');
      this.#registration = registration;
      const follow = () => registration.installing?.addEventListener('statechange', ({ target }) => {
        if (!registration.active && /** @type {ServiceWorker} */ (target).state === 'redundant') {
          this.#fail('its files could not be fetched');
        } else this.#look();
      });
      registration.addEventListener('updatefound', follow);
      follow();
      serviceWorker.addEventListener('controllerchange', () => {
        if (this.#taking) location.reload();
        this.#look();
      });
      const { active } = await serviceWorker.ready;
      if (!serviceWorker.controller) active?.postMessage('take me');
      this.#look();
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  /** Resolves when requests of this page go through the service worker, or there is none. */
  async controlled() {
    const { serviceWorker } = navigator;
    if (!serviceWorker || serviceWorker.controller) return;
    const taken = new Promise((resolve) => serviceWorker.addEventListener('controllerchange', resolve, { once: true }));
    await Promise.race([taken, this.#hopeless]);
  }

  /** @param {string} why */
  #fail(why) {
    this.#giveUp();
    this.#say(`The page is not kept for offline use: ${why}`);
  }

  /** Lets the other version take over; the page is reloaded then. */
  take = () => {
    this.#taking = true;
    this.#registration?.waiting?.postMessage('take over');
  };

  /** Asks to be sent for in the background, should this page be closed. */
  async wish() {
    this.#wished ??= this.#register().catch(() => {}).finally(() => (this.#wished = undefined)); // the page sends by itself anyway
    await this.#wished;
  }

  /** Waits for the service worker: at the first visit mail is queued before there is one. */
  async #register() {
    const registration = /** @type {any} */ (await navigator.serviceWorker?.ready);
    await registration?.sync?.register('outbox');
  }

  #look() {
    this.waiting = Boolean(this.#registration?.waiting && this.#registration.active);
    const background = 'sync' in (this.#registration ?? {})
      ? 'and sends in the background when the network is back.' : 'and sends while it is open.';
    this.#say(this.#registration?.active ? `The page is kept for offline use ${background}` : 'The page is being kept for offline use…');
  }

  /** @param {string} text */
  #say(text) {
    this.state = text;
    this.dispatchEvent(new Event('change'));
  }
}
