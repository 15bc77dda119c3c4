
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
export class Listing {
  #read;
  /** @type {Row[]} */
  #rows = [];
  #next = 0;
  #begun = false;
  /** @type {Promise<Page> | undefined} */
  #page;
  /** How many rows were asked for that have to wait, and the last one of these. */
  #waiting = 0;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  /** @param {(cursor: unknown) => Promise<Page>} read without a cursor, the first page */
  constructor(read) {
    this.#read = read;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {Promise<IteratorResult<Row, undefined>>} */
  next() {
    if (this.#waiting === 0 && this.#next < this.#rows.length) {
      return Promise.resolve({ done: false, value: this.#rows[this.#next++] });
    }
    const row = this.#last.then(() => this.#turn());
    const end = () => {
      this.#waiting--;
    };
    this.#waiting++;
    this.#last = row.then(end, end);
    return row;
  }

  /** @returns {Promise<IteratorResult<Row, undefined>>} */
  async return() {
    this.#begun = true;
    this.#page = undefined;
    this.#rows = [];
    return { done: true, value: undefined };
  }

  /**
   * The next row, of the next page if need be.
   *
   * @returns {Promise<IteratorResult<Row, undefined>>}
   */
  async #turn() {
    if (!this.#begun) this.#ask(undefined);
    while (this.#next >= this.#rows.length) {
      const page = this.#page;
      if (page === undefined) return { done: true, value: undefined };
      this.#page = undefined;
      const [rows, cursor] = await page;
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
