/** Lets so much work be under way at once; the rest waits in its order. */
export class Pool {
  #free;
  /** @type {(() => void)[]} */
  #waiting = [];
  #next = 0;

  /** @param {number} size */
  constructor(size) {
    this.#free = size;
  }

  /**
   * @template T
   * @param {() => T | PromiseLike<T>} work
   * @returns {Promise<T>}
   */
  async run(work) {
    if (this.#free > 0) this.#free--;
    else await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #leave() {
    const next = this.#waiting[this.#next];
    if (!next) {
      this.#free++;
      return;
    }
    if (++this.#next === this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    }
    next();
  }
}
