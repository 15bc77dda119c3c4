/** @import { Batch, Check, DictHost, DictName, Write } from '../types.js' */
import { QueueError, explain } from '../errors.js';
import { sameMeta } from './maps.js';

const VERSION = 1;
const STORES = /** @type {const} */ (['envelope', 'meta']);
/** How long an open or a transaction may say nothing before its connection is given up. */
const SILENCE = 20_000;

/**
 * @typedef {object} Waiting
 * @property {Batch} batch
 * @property {boolean} done
 * @property {(done: boolean) => void} resolve
 * @property {(error: unknown) => void} reject
 */

/**
 * Both dictionaries in one IndexedDB database: the stores `envelope` and `meta`, opened with the first call.
 *
 * A batch is acknowledged when its transaction is complete. Batches that arrive while one is being committed share the
 * next transaction; each still succeeds or fails on its own, unless the transaction as a whole is aborted. What a batch
 * checks is read in the transaction that writes, so no tab overwrites what another one did.
 *
 * @param {string} name of the database
 * @param {{ durability?: 'strict' | 'relaxed', indexedDB?: IDBFactory }} [options] `strict`, unless given, asks the
 *   browser to have the data on disk before it answers; `relaxed` hands it to the operating system only
 * @returns {DictHost & Pick<IndexedDBHost, 'persist' | 'estimate'>}
 */
export function indexedDBHost(name, { durability = 'strict', indexedDB = globalThis.indexedDB } = {}) {
  if (typeof name !== 'string') throw new TypeError('name: expected the name of a database');
  if (durability !== 'strict' && durability !== 'relaxed') {
    throw new TypeError(`durability: expected 'strict' or 'relaxed', got ${String(durability)}`);
  }
  if (!indexedDB) throw new QueueError('host', 'host: there is no IndexedDB here');
  return new IndexedDBHost(name, durability, indexedDB);
}

/** @implements {DictHost} */
class IndexedDBHost {
  #name;
  #durability;
  #indexedDB;
  /** @type {Promise<IDBDatabase> | undefined} */
  #opening;
  /** @type {Waiting[]} */
  #waiting = [];
  #committing = false;
  #closed = false;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  /** @type {DictHost['supports']} */
  supports;

  /**
   * @param {string} name
   * @param {'strict' | 'relaxed'} durability
   * @param {IDBFactory} indexedDB
   */
  constructor(name, durability, indexedDB) {
    this.#name = name;
    this.#durability = durability;
    this.#indexedDB = indexedDB;
    this.supports = {
      atomic: true, writers: 'many', exactlyOnceLoad: true, durable: durability === 'strict' ? 'disk' : 'os',
    };
  }

  /**
   * @param {DictName} dict
   * @param {string} id
   */
  async read(dict, id) {
    const value = await this.#ask([dict], (tx) => tx.objectStore(dict).get(id));
    return value === undefined ? undefined : { value, version: value };
  }

  /**
   * @param {Batch} batch
   * @returns {Promise<boolean>}
   */
  commit(batch) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, done: false, resolve, reject });
      if (!this.#committing) this.#commitAll();
    });
  }

  /**
   * @param {DictName} dict
   * @param {any} cursor the last id of the page before
   * @param {number} limit
   */
  async page(dict, cursor, limit) {
    const range = cursor === undefined ? null : IDBKeyRange.lowerBound(cursor, true);
    /** @type {[string, unknown?][]} */
    let entries;
    if (dict === 'meta') {
      // The id is kept in the record, which saves the second request that its key would take.
      const records = await this.#ask(['meta'], (tx) => tx.objectStore('meta').getAll(range, limit));
      entries = records.map((/** @type {any} */ record) => [record.id, record]);
    } else {
      const keys = await this.#ask(['envelope'], (tx) => tx.objectStore('envelope').getAllKeys(range, limit));
      entries = keys.map((/** @type {string} */ key) => [key]);
    }
    return entries.length < limit ? { entries } : { entries, next: entries[entries.length - 1][0] };
  }

  async sizes() {
    const count = (/** @type {DictName} */ dict) => this.#ask([dict], (tx) => tx.objectStore(dict).count());
    const [size, metaSize] = await Promise.all([count('envelope'), count('meta')]);
    return { size, metaSize };
  }

  /** @param {(id: string) => void} notify */
  subscribe(notify) {
    if (typeof BroadcastChannel !== 'function') return () => {};
    const channel = new BroadcastChannel(this.#channelName);
    unref(channel);
    channel.onmessage = ({ data }) => {
      if (Array.isArray(data)) data.forEach(notify);
    };
    return () => channel.close();
  }

  async close() {
    this.#closed = true;
    this.#channel?.close();
    const opening = this.#opening;
    this.#opening = undefined;
    (await opening?.catch(() => undefined))?.close();
  }

  /**
   * Asks the browser not to clear the data of this site when space runs out.
   *
   * @returns {Promise<boolean>} whether it will not
   */
  async persist() {
    return (await navigator.storage?.persist?.()) ?? false;
  }

  /**
   * How much space this site uses and may use, in bytes, as far as the browser says.
   *
   * @returns {Promise<{ usage?: number, quota?: number, persisted: boolean }>}
   */
  async estimate() {
    const { usage, quota } = (await navigator.storage?.estimate?.()) ?? {};
    return { usage, quota, persisted: (await navigator.storage?.persisted?.()) ?? false };
  }

  get #channelName() {
    return `slimta-queue-dict:${this.#name}`;
  }

  /** @returns {Promise<IDBDatabase>} */
  #open() {
    if (this.#closed) return Promise.reject(new QueueError('closed', 'closed: the host is closed'));
    if (this.#opening) return this.#opening;
    /** @type {Promise<IDBDatabase>} */
    const opening = new Promise((resolve, reject) => {
      const request = this.#indexedDB.open(this.#name, VERSION);
      const silence = setTimeout(() => {
        reject(new QueueError('timeout', `timeout: the database ${this.#name} does not open`));
      }, SILENCE);
      request.onupgradeneeded = () => {
        const db = request.result;
        if (!db.objectStoreNames.contains('envelope')) db.createObjectStore('envelope');
        if (!db.objectStoreNames.contains('meta')) db.createObjectStore('meta', { keyPath: 'id' });
      };
      request.onblocked = () => {
        clearTimeout(silence);
        reject(new QueueError('blocked', `blocked: another tab holds an older version of ${this.#name} open`));
      };
      request.onerror = () => {
        clearTimeout(silence);
        const cause = request.error;
        reject(cause?.name === 'VersionError'
          ? new QueueError('newer-format', `newer-format: a newer version made the database ${this.#name}`, { cause })
          : failure(cause));
      };
      request.onsuccess = () => {
        clearTimeout(silence);
        const db = request.result;
        const forget = () => {
          if (this.#opening === opening) this.#opening = undefined;
        };
        // Another tab upgrades or deletes the database: this one lets go, and opens anew when it is asked again.
        db.onversionchange = () => {
          forget();
          db.close();
        };
        db.onclose = forget;
        resolve(db);
      };
    });
    this.#opening = opening;
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = undefined;
    });
    return opening;
  }

  /**
   * A transaction, on a new connection if the one there is was lost.
   *
   * @param {readonly DictName[]} stores
   * @param {IDBTransactionMode} mode
   */
  async #transaction(stores, mode) {
    for (let tries = 0; ; tries++) {
      const opening = this.#open();
      const db = await opening;
      try {
        return db.transaction(/** @type {string[]} */ (stores), mode, { durability: this.#durability });
      } catch (error) {
        if (tries > 0 || /** @type {any} */ (error)?.name !== 'InvalidStateError') throw failure(error);
        if (this.#opening === opening) this.#opening = undefined;
      }
    }
  }

  /**
   * One request of a transaction that only reads.
   *
   * @param {DictName[]} stores
   * @param {(tx: IDBTransaction) => IDBRequest} ask
   * @returns {Promise<any>}
   */
  async #ask(stores, ask) {
    const tx = await this.#transaction(stores, 'readonly');
    return new Promise((resolve, reject) => {
      const request = ask(tx);
      request.onsuccess = () => resolve(request.result);
      tx.onabort = () => reject(failure(tx.error ?? request.error));
    });
  }

  async #commitAll() {
    this.#committing = true;
    // A microtask lets the batches that are handed over together travel together.
    await undefined;
    while (this.#waiting.length > 0) {
      /** @type {Waiting[]} */
      const group = [];
      const ids = new Set();
      // Batches on one message follow each other: the next one has to read what this one wrote.
      this.#waiting = this.#waiting.filter((waiting) => {
        const id = waiting.batch.writes[0].id;
        if (ids.has(id)) return true;
        ids.add(id);
        group.push(waiting);
        return false;
      });
      await this.#commitGroup(group);
    }
    this.#committing = false;
  }

  /** @param {Waiting[]} group */
  async #commitGroup(group) {
    let tx;
    try {
      tx = await this.#transaction(STORES, 'readwrite');
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    await new Promise((resolve) => {
      /** @param {unknown} error */
      const fail = (error) => {
        clearTimeout(silence);
        for (const { reject } of group) reject(error);
        resolve(undefined);
      };
      const silence = setTimeout(() => {
        this.#opening?.then((db) => db.close()).catch(() => {});
        this.#opening = undefined;
        fail(new QueueError('unknown-outcome', 'unknown-outcome: the database does not answer'));
      }, SILENCE);
      tx.onabort = () => fail(failure(tx.error));
      tx.oncomplete = () => {
        clearTimeout(silence);
        for (const { resolve, done } of group) resolve(done);
        this.#tell(group);
        resolve(undefined);
      };
      for (const waiting of group) run(tx, waiting);
    });
  }

  /** @param {Waiting[]} group */
  #tell(group) {
    if (typeof BroadcastChannel !== 'function' || this.#closed) return;
    if (!this.#channel) {
      this.#channel = new BroadcastChannel(this.#channelName);
      unref(this.#channel);
    }
    this.#channel.postMessage(group.filter(({ done }) => done).map(({ batch }) => batch.writes[0].id));
  }
}

/**
 * Checks and writes one batch in a transaction that it shares with others.
 *
 * @param {IDBTransaction} tx
 * @param {Waiting} waiting
 */
function run(tx, waiting) {
  const { checks, writes } = waiting.batch;
  const fresh = checks.length === 1 && checks[0].version === null && checks[0].dict === writes[0].dict;
  try {
    if (fresh) return insert(tx, waiting);
    let left = checks.length;
    let holds = true;
    if (left === 0) return write(tx, waiting, writes);
    for (const check of checks) {
      const store = tx.objectStore(check.dict);
      const request = check.version === null ? store.getKey(check.id) : store.get(check.id);
      request.onsuccess = () => {
        holds &&= stands(check, request.result);
        if (--left === 0 && holds) write(tx, waiting, writes);
      };
    }
  } catch (error) {
    waiting.reject(failure(error));
  }
}

/**
 * Inserts what the engine itself refuses to insert twice.
 *
 * @param {IDBTransaction} tx
 * @param {Waiting} waiting
 */
function insert(tx, waiting) {
  const [first, ...rest] = waiting.batch.writes;
  const request = tx.objectStore(first.dict).add(first.value, first.id);
  request.onsuccess = () => write(tx, waiting, rest);
  request.onerror = (event) => {
    if (request.error?.name !== 'ConstraintError') return;
    event.preventDefault(); // it is there: this batch fails, the transaction goes on
    event.stopPropagation();
  };
}

/**
 * @param {Check} check
 * @param {any} found
 */
function stands(check, found) {
  return check.version === null ? found === undefined : found !== undefined && sameMeta(found, check.version);
}

/**
 * @param {IDBTransaction} tx
 * @param {Waiting} waiting
 * @param {Write[]} writes
 */
function write(tx, waiting, writes) {
  try {
    for (const { dict, id, value } of writes) {
      const store = tx.objectStore(dict);
      if (value === undefined) store.delete(id);
      else if (dict === 'meta') store.put({ id, .../** @type {object} */ (value) });
      else store.put(value, id);
    }
    waiting.done = true;
  } catch (error) {
    waiting.reject(failure(error));
    tx.abort(); // half of this batch may be in it already
  }
}

/** @param {unknown} cause */
function failure(cause) {
  if (cause instanceof QueueError) return cause;
  const name = /** @type {any} */ (cause)?.name;
  const code = name === 'QuotaExceededError' ? 'full' : 'host';
  const reason = code === 'full' ? 'there is no space left' : 'the transaction was aborted';
  return new QueueError(code, `${code}: ${reason}; nothing was written: ${cause ? explain(cause) : 'the connection was lost'}`, { cause });
}

/** @param {any} channel a Node channel keeps its process alive unless told not to */
function unref(channel) {
  channel.unref?.();
}
