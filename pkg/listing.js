/** @import { WasmHalf } from './binding/wasm-half.js' */
/** @import { Glue } from './wasm/glue.js' */
/** @typedef {[timestamp: number, id: string]} Row */
/** @typedef {[rows: Row[], cursor: unknown]} Page without a cursor it is the last one */

/**
 * All messages of a storage whose host takes its time, page by page. The next page is asked for while this one is gone
 * through.
 *
 * By hand: what an async generator does for a row costs as much as reading it.
 *
 * @implements {AsyncIterableIterator<Row>}
 */
export class AsyncListing {
  #read;
  #end;
  #isOver = false;
  /** @type {Row[]} */
  #rows = [];
  #next = 0;
  #begun = false;
  /** @type {Promise<Page> | undefined} */
  #page;
  /** How many rows were asked for that are not there yet, and the last one of these. */
  #asked = 0;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  /**
   * @param {(cursor: unknown) => Promise<Page>} read without a cursor, the first page
   * @param {(cursor: unknown) => void} [end] for a cursor that is left
   */
  constructor(read, end = () => {}) {
    this.#read = read;
    this.#end = end;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {Promise<IteratorResult<Row, undefined>>} */
  next() {
    if (this.#asked === 0 && this.#next < this.#rows.length) {
      return Promise.resolve({ done: false, value: this.#rows[this.#next++] });
    }
    const row = this.#last.then(() => this.#nextRow());
    const end = () => {
      this.#asked--;
    };
    this.#asked++;
    this.#last = row.then(end, end);
    return row;
  }

  /** @returns {Promise<IteratorResult<Row, undefined>>} */
  async return() {
    this.#begun = this.#isOver = true;
    this.#page?.then(([, cursor]) => this.#end(cursor), () => {});
    this.#page = undefined;
    this.#rows = [];
    return { done: true, value: undefined };
  }

  /**
   * The next row, of the next page if need be.
   *
   * @returns {Promise<IteratorResult<Row, undefined>>}
   */
  async #nextRow() {
    if (!this.#begun) this.#ask(undefined);
    while (this.#next >= this.#rows.length) {
      const page = this.#page;
      if (page === undefined) return { done: true, value: undefined };
      this.#page = undefined;
      const [rows, cursor] = await page;
      if (this.#isOver) {
        this.#end(cursor);
        continue;
      }
      this.#rows = rows;
      this.#next = 0;
      if (cursor !== undefined) this.#ask(cursor);
    }
    return { done: false, value: this.#rows[this.#next++] };
  }

  /** @param {unknown} cursor */
  #ask(cursor) {
    this.#begun = true;
    this.#page = this.#read(cursor);
    this.#page.catch(() => {}); // nobody may come for it
  }
}

/**
 * All messages of a storage whose dictionaries answer at once, page by page.
 *
 * @implements {IterableIterator<Row>}
 */
export class Listing {
  #storage;
  #end;
  /** @type {Row[]} */
  #rows = [];
  #next = 0;
  /** @type {unknown} of the next page */
  #cursor = undefined;
  #isOver = false;

  /**
   * @param {WasmHalf<Glue.Storage>} storage
   * @param {(cursor: unknown) => void} end for a cursor that is left
   */
  constructor(storage, end) {
    this.#storage = storage;
    this.#end = end;
  }

  [Symbol.iterator]() {
    return this;
  }

  /** @returns {IteratorResult<Row, undefined>} */
  next() {
    while (this.#next >= this.#rows.length) {
      if (this.#isOver) return { done: true, value: undefined };
      this.#readPage();
    }
    return { done: false, value: this.#rows[this.#next++] };
  }

  #readPage() {
    this.#isOver = true; // where it stays if this fails
    [this.#rows, this.#cursor] = this.#storage.call((half) => half.loadPage(this.#cursor));
    this.#next = 0;
    this.#isOver = this.#cursor === undefined;
  }

  /** @returns {IteratorResult<Row, undefined>} */
  return() {
    this.#isOver = true;
    this.#rows = [];
    this.#next = 0;
    this.#end(this.#cursor);
    return { done: true, value: undefined };
  }
}
