/** @import { Inbox } from './relay.js' */
import { readInbox } from './relay.js';

/** How often it is looked at unless something happens, in milliseconds. */
const POLL = 2_000;
/** The least time between two looks, in milliseconds: what has arrived is told whole. */
const REST = 250;

/**
 * What is known of the other side: what has arrived there, and whether it answers at all.
 *
 * Events: `change`.
 */
export class OtherSide extends EventTarget {
  /** @type {Inbox | undefined} */
  inbox;
  answers = true;
  /** @type {Promise<void>} */
  #looked = Promise.resolve();
  /** @type {Promise<void> | undefined} */
  #next;
  #lookedAt = 0;

  /** Looks now, and now and then while the page is seen. */
  open() {
    void this.look();
    setInterval(() => document.visibilityState === 'visible' && void this.look(), POLL);
  }

  /** Looks at what has arrived, after now. @returns {Promise<void>} */
  async look() {
    // Those who ask while somebody looks share the next look.
    this.#next ??= this.#looked.then(() => new Promise((resolve) => setTimeout(resolve, this.#lookedAt + REST - Date.now()))).then(() => {
      this.#next = undefined;
      return (this.#looked = this.#look());
    });
    return this.#next;
  }

  async #look() {
    this.#lookedAt = Date.now();
    const { inbox: known, answers: answered } = this;
    try {
      const inbox = await readInbox(known?.version ?? -1);
      this.answers = true;
      this.inbox = { ...inbox, arrivals: inbox.arrivals ?? known?.arrivals };
    } catch {
      this.answers = false;
    }
    if (this.answers !== answered || this.inbox?.version !== known?.version) this.dispatchEvent(new Event('change'));
  }
}
