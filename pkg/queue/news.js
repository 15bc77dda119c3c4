/** @import { QueueStorage } from '../types.js' */

/** How many messages are taken over before anything else may run. */
const AT_ONCE = 500;
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;

/** Hears of the messages of a storage: all that are there, then, where it says so, what others write and move. */
export class News {
  #storage;
  #put;
  #failed;
  #ended = false;
  /** @type {AsyncIterator<[number, string]> | undefined} */
  #waiting;
  /** @type {(() => void) | undefined} */
  #wake;

  /**
   * @param {QueueStorage} storage
   * @param {(timestamp: number, id: string) => void} put
   * @param {(error: unknown) => void} failed
   */
  constructor(storage, put, failed) {
    this.#storage = storage;
    this.#put = put;
    this.#failed = failed;
  }

  /** Listens until it is ended, or the storage is closed. */
  async listen() {
    for (let pause = FIRST_PAUSE; !this.#ended; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        await this.#take(this.#storage.wait?.() ?? this.#storage.load());
        return;
      } catch (error) {
        if (this.#ended) return;
        this.#failed(error);
        if (/** @type {any} */ (error)?.code === 'closed') return;
        await this.#rest(pause);
      }
    }
  }

  /** Hears of what is there, and of nothing else. */
  async look() {
    await this.#take(this.#storage.load());
  }

  end() {
    this.#ended = true;
    this.#wake?.();
    Promise.resolve(this.#waiting?.return?.()).catch(() => {}); // it ends when it likes
  }

  /** @param {Iterable<[number, string]> | AsyncIterable<[number, string]>} messages */
  async #take(messages) {
    const among = /** @type {AsyncIterable<[number, string]>} */ (messages);
    const waiting = among[Symbol.asyncIterator]?.() ?? /** @type {any} */ (messages)[Symbol.iterator]();
    this.#waiting = waiting;
    let count = 0;
    for (;;) {
      const { done, value } = await waiting.next();
      if (done || this.#ended) return;
      this.#put(value[0], value[1]);
      if (++count % AT_ONCE === 0) await this.#rest(0);
    }
  }

  /** @param {number} milliseconds */
  async #rest(milliseconds) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }
}
