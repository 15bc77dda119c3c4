/** @import { ListedMessage } from './types.js' */
import { WasmHalf } from './binding/wasm-half.js';

/**
 * The messages that a queue lists.
 *
 * @implements {AsyncIterableIterator<ListedMessage>}
 */
export class MessageList {
  #half;
  #cursor;
  #listed = 0;
  #ended = false;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  /**
   * @param {(now: any, cursor: string | undefined, listed: number) => any} begin goes on in an instance, whose type would
   *   ask programs for those of browsers, after a cursor, when so many were listed
   * @param {string} [cursor]
   */
  constructor(begin, cursor) {
    this.#cursor = cursor;
    this.#half = new WasmHalf((now) => begin(now, this.#cursor, this.#listed));
  }

  /** Text that goes on after the message that was yielded last, as `options.cursor` of a `list`. */
  get cursor() {
    return this.#cursor;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {Promise<IteratorResult<ListedMessage, undefined>>} */
  next() {
    const next = this.#last.then(() => this.#next());
    this.#last = next.catch(() => {});
    return next;
  }

  /** @returns {Promise<IteratorResult<ListedMessage, undefined>>} */
  async return() {
    this.#ended = true;
    await this.#last;
    return this.#end();
  }

  /** @returns {Promise<IteratorResult<ListedMessage, undefined>>} */
  async #next() {
    const found = this.#ended ? undefined : await this.#half.call((list) => list.next());
    if (found === undefined) return this.#end();
    const [value, cursor] = found;
    this.#cursor = cursor;
    this.#listed++;
    return { done: false, value };
  }

  /** @returns {IteratorResult<ListedMessage, undefined>} */
  #end() {
    this.#ended = true;
    this.#half.free();
    return { done: true, value: undefined };
  }
}
