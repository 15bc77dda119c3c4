/** @import { QueueListener } from './types.js' */

/** Listeners that throw nothing, whatever those throw in whose place they are. */
export class Listeners {
  /** @type {WeakMap<object, (this: unknown, event: any) => void>} */
  #guarded = new WeakMap();
  #report;

  /** @param {(error: unknown, event: any) => void} report hears what a listener threw, or what its promise came to */
  constructor(report) {
    this.#report = report;
  }

  /**
   * The listener in the place of another one, always the same.
   *
   * @param {QueueListener | null} listener
   * @returns {QueueListener | null}
   */
  guard(listener) {
    // What is no listener is left to the EventTarget to refuse.
    if (listener === null || typeof listener !== 'object' && typeof listener !== 'function') return listener;
    /** @type {((this: unknown, event: any) => void) | undefined} */
    let guarded = this.#guarded.get(listener);
    if (!guarded) {
      const report = this.#report;
      guarded = async function (/** @type {any} */ event) {
        try {
          await (typeof listener === 'function' ? listener.call(this, event) : listener.handleEvent(event));
        } catch (error) {
          report(error, event);
        }
      };
      this.#guarded.set(listener, guarded);
    }
    return guarded;
  }
}
