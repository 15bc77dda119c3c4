import { callListener } from './listener.js';

/** How long after telling others of changes, in milliseconds, the next ones are collected. */
const PAUSE = 50;

/** Where the contexts of one site tell each other which messages have changed, or may have. */
export class ChangeChannel {
  #name;
  #closed = false;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  /** @type {Set<(id?: string) => void>} */
  #listeners = new Set();
  /** Whether the page is frozen: what it began to read it would never end, and others would wait for that. */
  #frozen = false;
  #freeze = () => {
    this.#frozen = true;
  };
  #resume = () => {
    this.#frozen = false;
    for (const notify of this.#listeners) callListener(notify); // of all that was missed
  };
  /** @type {string[]} ids that the others have not been told of */
  #untold = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause;

  /** @param {string} name of what they share */
  constructor(name) {
    this.#name = name;
  }

  /**
   * @param {(id?: string) => void} notify without an id where anything may have changed
   * @returns {() => void} ends the subscription
   */
  subscribe(notify) {
    this.#listeners.add(notify);
    if (!this.#closed) this.#open();
    return () => {
      this.#listeners.delete(notify);
    };
  }

  /** @param {string[]} ids */
  publish(ids) {
    if (ids.length === 0) return;
    this.#untold = this.#untold.concat(ids);
    if (this.#closed || !this.#pause) this.#announce();
  }

  /** Tells what is left to tell. What changes after that is told all the same. */
  close() {
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#listeners.clear();
    this.#announce();
    this.#end();
  }

  /** One message a commit would slow down commits that follow each other. */
  #announce() {
    const ids = this.#untold;
    this.#untold = [];
    this.#pause = undefined;
    if (ids.length === 0) return;
    try {
      this.#open()?.postMessage(ids);
    } catch {
      // It is written all the same; the others look for themselves now and then.
    }
    if (this.#closed) this.#end();
    else this.#pause = setTimeout(() => this.#announce(), PAUSE);
  }

  /** One channel for both directions: it does not hear itself. */
  #open() {
    if (!this.#channel && typeof BroadcastChannel === 'function') {
      const channel = new BroadcastChannel(`slimta-queue-dict:${this.#name}`);
      channel.onmessage = ({ data }) => {
        if (!this.#frozen && Array.isArray(data)) for (const notify of this.#listeners) data.forEach((id) => callListener(notify, id));
      };
      // A Node channel keeps its process alive unless told not to.
      /** @type {any} */ (channel).unref?.();
      globalThis.document?.addEventListener('freeze', this.#freeze);
      globalThis.document?.addEventListener('resume', this.#resume);
      this.#channel = channel;
    }
    return this.#channel;
  }

  #end() {
    globalThis.document?.removeEventListener('freeze', this.#freeze);
    globalThis.document?.removeEventListener('resume', this.#resume);
    this.#channel?.close();
    this.#channel = undefined;
  }
}
