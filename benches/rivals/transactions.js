/** The rivals of `incrementAttempts` and `load`: what one writes by hand on IndexedDB. */

/** @typedef {{ id: string, timestamp: number, attempts: number }} Meta */

/** Meta records in a store of their own, under their ids. */
export class MetaStore {
  #db;
  #durability;

  /**
   * @param {IDBDatabase} db
   * @param {'strict' | 'relaxed'} durability
   */
  constructor(db, durability) {
    this.#db = db;
    this.#durability = durability;
  }

  /**
   * @param {string} name
   * @param {'strict' | 'relaxed'} durability
   */
  static async open(name, durability) {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('inline', { keyPath: 'id' });
      request.result.createObjectStore('outOfLine');
    };
    return new MetaStore(await result(request), durability);
  }

  /**
   * Two stores with the same records: listings differ in which one they are quick on.
   *
   * @param {Meta[]} records
   */
  fill(records) {
    const tx = this.#db.transaction(['inline', 'outOfLine'], 'readwrite');
    for (const { id, ...rest } of records) {
      tx.objectStore('inline').put({ id, ...rest });
      tx.objectStore('outOfLine').put(rest, id);
    }
    return complete(tx);
  }

  /**
   * Read, modified and written in one transaction.
   *
   * @param {string} id
   * @returns {Promise<number>}
   */
  increment(id) {
    return new Promise((resolve, reject) => {
      const tx = this.#db.transaction('inline', 'readwrite', { durability: this.#durability });
      const store = tx.objectStore('inline');
      const request = store.get(id);
      request.onsuccess = () => {
        const meta = request.result;
        meta.attempts += 1;
        store.put(meta);
      };
      tx.oncomplete = () => resolve(request.result.attempts);
      tx.onabort = () => reject(tx.error);
    });
  }

  /**
   * A record at a time.
   *
   * @returns {AsyncGenerator<[number, string], void>}
   */
  async *byCursor() {
    const request = this.#db.transaction('inline').objectStore('inline').openCursor();
    for (let cursor; (cursor = await result(request)); cursor.continue()) {
      yield [cursor.value.timestamp, cursor.value.id];
    }
  }

  /**
   * Pages of records that hold their ids.
   *
   * @param {number} size
   * @returns {AsyncGenerator<[number, string], void>}
   */
  async *byGetAll(size) {
    let range;
    for (;;) {
      const page = await result(this.#store('inline').getAll(range, size));
      for (const { timestamp, id } of page) yield [timestamp, id];
      if (page.length < size) return;
      range = IDBKeyRange.lowerBound(page[page.length - 1].id, true);
    }
  }

  /**
   * The same without a generator, which costs several promises a record.
   *
   * @param {number} size
   * @returns {AsyncIterableIterator<[number, string]>}
   */
  byGetAllIterated(size) {
    /** @type {Meta[]} */
    let page = [];
    let next = 0;
    let ended = false;
    const turn = async () => {
      if (ended) return { value: undefined, done: /** @type {const} */ (true) };
      const range = page.length > 0 ? IDBKeyRange.lowerBound(page[page.length - 1].id, true) : undefined;
      page = await result(this.#store('inline').getAll(range, size));
      next = 0;
      ended = page.length < size;
      return page.length > 0 ? record() : { value: undefined, done: /** @type {const} */ (true) };
    };
    const record = () => {
      const { timestamp, id } = page[next++];
      return { value: /** @type {[number, string]} */ ([timestamp, id]), done: /** @type {const} */ (false) };
    };
    return {
      next: () => (next < page.length ? Promise.resolve(record()) : turn()),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /**
   * Pages of records and of their keys.
   *
   * @param {number} size
   * @returns {AsyncGenerator<[number, string], void>}
   */
  async *byGetAllAndKeys(size) {
    let range;
    for (;;) {
      const store = this.#store('outOfLine');
      const [page, keys] = await Promise.all([
        result(store.getAll(range, size)), result(store.getAllKeys(range, size)),
      ]);
      for (let i = 0; i < page.length; i++) yield [page[i].timestamp, /** @type {string} */ (keys[i])];
      if (page.length < size) return;
      range = IDBKeyRange.lowerBound(keys[keys.length - 1], true);
    }
  }

  /**
   * Pages of both together, where the browser has them.
   *
   * @param {number} size
   * @returns {AsyncGenerator<[number, string], void>}
   */
  async *byGetAllRecords(size) {
    let query;
    for (;;) {
      const page = await result(/** @type {any} */ (this.#store('outOfLine')).getAllRecords({ query, count: size }));
      for (const { key, value } of page) yield [value.timestamp, key];
      if (page.length < size) return;
      query = IDBKeyRange.lowerBound(page[page.length - 1].key, true);
    }
  }

  /** @param {string} name */
  #store(name) {
    return this.#db.transaction(name).objectStore(name);
  }

  close() {
    this.#db.close();
  }
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBTransaction} tx */
function complete(tx) {
  return new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve(undefined);
    tx.onabort = () => reject(tx.error);
  });
}
