/** @import { Batch, DictHost, DictName } from '../types.js' */
/** @import { Waiting } from './indexeddb-transaction.js' */
import { QueueError } from '../errors.js';
import { Connection } from './indexeddb-connection.js';
import { commit, read } from './indexeddb-transaction.js';

const STORES = /** @type {const} */ (['envelope', 'meta']);

/**
 * Both dictionaries in one IndexedDB database: the stores `envelope` and `meta`, opened with the first call.
 *
 * A batch is acknowledged when its transaction is complete. Batches that arrive while one is being committed share the
 * next transaction; each still succeeds or fails on its own, unless the transaction as a whole is aborted. What a batch
 * checks is read in the transaction that writes, so no tab overwrites what another one did.
 *
 * A connection that turns out to be lost is opened anew and the call is made once more, if nothing of it can have been
 * written. An `unknown-outcome` means that it was lost while committing. Another tab may delete the database, or open
 * it with a later version of this package: this one lets go of it.
 *
 * @param {string} name of the database
 * @param {{ durability?: 'strict' | 'relaxed', indexedDB?: IDBFactory }} [options] `strict`, unless given, asks the
 *   browser to have the data on disk before it answers; `relaxed` hands it to the operating system only. Chromium,
 *   Firefox and WebKit all heed it; a private window keeps nothing for longer than it is open
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
  #options;
  #connection;
  /** @type {Waiting[]} */
  #waiting = [];
  #committing = false;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  /** @type {Set<(id: string) => void>} */
  #listeners = new Set();
  /** @type {DictHost['supports']} */
  supports;

  /**
   * @param {string} name
   * @param {'strict' | 'relaxed'} durability
   * @param {IDBFactory} indexedDB
   */
  constructor(name, durability, indexedDB) {
    this.#name = name;
    this.#options = { durability };
    this.#connection = new Connection(name, indexedDB);
    this.supports = {
      atomic: true, writers: 'many', exactlyOnceLoad: true, durable: durability === 'strict' ? 'disk' : 'os',
    };
  }

  /**
   * @param {DictName} dict
   * @param {string} id
   */
  async read(dict, id) {
    const [value] = await this.#ask([dict], (store) => [store(dict).get(id)]);
    return value === undefined ? undefined : { value, version: value };
  }

  /**
   * @param {Batch} batch
   * @returns {Promise<boolean>}
   */
  commit(batch) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, done: false, failed: false, resolve, reject });
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
      const [records] = await this.#ask(['meta'], (store) => [store('meta').getAll(range, limit)]);
      entries = records.map((/** @type {any} */ record) => [record.id, record]);
    } else {
      const [keys] = await this.#ask(['envelope'], (store) => [store('envelope').getAllKeys(range, limit)]);
      entries = keys.map((/** @type {string} */ key) => [key]);
    }
    return entries.length < limit ? { entries } : { entries, next: entries[entries.length - 1][0] };
  }

  async sizes() {
    const [size, metaSize] = await this.#ask(STORES, (store) => STORES.map((name) => store(name).count()));
    return { size, metaSize };
  }

  /** @param {(id: string) => void} notify */
  subscribe(notify) {
    this.#listeners.add(notify);
    this.#openChannel();
    return () => {
      this.#listeners.delete(notify);
    };
  }

  async close() {
    this.#connection.close();
    this.#channel?.close();
    this.#channel = undefined;
  }

  /**
   * Asks the browser not to clear the data of this site when space runs out. A worker can only ask what a page was
   * granted.
   *
   * @returns {Promise<boolean>} whether it will not
   */
  async persist() {
    const storage = globalThis.navigator?.storage;
    return (await (storage?.persist?.() ?? storage?.persisted?.())) ?? false;
  }

  /**
   * How much space this site uses and may use, in bytes, as far as the browser says, and whether its data stays when
   * space runs out.
   *
   * @returns {Promise<{ usage?: number, quota?: number, persisted: boolean }>}
   */
  async estimate() {
    const storage = globalThis.navigator?.storage;
    const { usage, quota } = (await storage?.estimate?.()) ?? {};
    return { usage, quota, persisted: (await storage?.persisted?.()) ?? false };
  }

  /**
   * @param {readonly DictName[]} stores
   * @param {(store: (name: DictName) => IDBObjectStore) => IDBRequest[]} ask
   */
  #ask(stores, ask) {
    return this.#connection.transaction(stores, 'readonly', {}, (tx) => read(tx, ask));
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
    try {
      await this.#connection.transaction(STORES, 'readwrite', this.#options, (tx) => commit(tx, group));
      for (const { resolve, done } of group) resolve(done);
    } catch (error) {
      const { code, message, cause } = /** @type {QueueError} */ (error);
      for (const { batch, reject } of group) reject(new QueueError(code, message, { cause, id: batch.writes[0].id }));
      if (code !== 'unknown-outcome') return;
    }
    this.#tell(group.filter(({ done }) => done).map(({ batch }) => batch.writes[0].id));
  }

  /**
   * Tells other contexts which messages have changed, or may have.
   *
   * @param {string[]} ids
   */
  #tell(ids) {
    try {
      if (ids.length > 0) this.#openChannel()?.postMessage(ids);
    } catch {
      // It is written all the same; the others look for themselves now and then.
    }
  }

  /** One channel for both directions: it does not hear itself. */
  #openChannel() {
    if (!this.#channel && typeof BroadcastChannel === 'function') {
      const channel = new BroadcastChannel(`slimta-queue-dict:${this.#name}`);
      channel.onmessage = ({ data }) => {
        if (Array.isArray(data)) for (const notify of this.#listeners) data.forEach((id) => notify(id));
      };
      // A Node channel keeps its process alive unless told not to.
      /** @type {any} */ (channel).unref?.();
      this.#channel = channel;
    }
    return this.#channel;
  }
}
