/**
 * Where a subscription takes its messages from.
 *
 * @typedef {object} Source
 * @property {() => Promise<[timestamp: number, id: string] | undefined>} next nothing at the end
 * @property {() => void} end lets `next` end, also one under way
 * @property {() => void} free
 */

/** @typedef {IteratorResult<[timestamp: number, id: string], undefined>} Step */

/**
 * Messages as they come. An async generator would be this, but its `return` waits until a `next` under way has come to
 * something.
 *
 * @implements {AsyncIterableIterator<[timestamp: number, id: string]>}
 */
export class Subscription {
  #begin;
  /** @type {Source | undefined} */
  #source;
  #ended = false;
  /** @type {Promise<unknown> | undefined} the last `next` under way, which the others follow */
  #last;

  /** @param {() => Source} begin is called with the first `next` */
  constructor(begin) {
    this.#begin = begin;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {Promise<Step>} */
  next() {
    const step = this.#last ? this.#last.then(() => this.#next()) : this.#next();
    const last = step.then(() => {}, () => {}).then(() => {
      if (this.#last === last) this.#last = undefined;
    });
    this.#last = last;
    return step;
  }

  /** @returns {Promise<Step>} */
  async return() {
    this.#ended = true;
    this.#source?.end();
    await this.#last;
    this.#free();
    return { done: true, value: undefined };
  }

  /** @returns {Promise<Step>} */
  async #next() {
    try {
      if (!this.#ended) {
        this.#source ??= this.#begin();
        const value = await this.#source.next();
        if (value && !this.#ended) return { done: false, value };
      }
    } catch (error) {
      this.#free();
      throw error;
    }
    this.#free();
    return { done: true, value: undefined };
  }

  #free() {
    this.#ended = true;
    this.#source?.free();
    this.#source = undefined;
  }
}
