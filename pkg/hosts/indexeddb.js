/** @import { Batch, DictHost, DictName } from '../types.js' */
import { describe } from '../errors.js';
import { optionsOf } from '../options.js';
import { attemptAlone } from './indexeddb/alone.js';
import { Connection } from './indexeddb/connection.js';
import { contentOf } from './indexeddb/record.js';
import { WriteGroup } from './indexeddb/write-group.js';
import { ChangeChannel } from './shared/change-channel.js';
import { pageOf } from './shared/pages.js';
import { PendingCommits } from './shared/pending-commits.js';

/**
 * Both dictionaries in one IndexedDB database: the stores `envelope` and `meta`, opened with the first call. Where there
 * is no IndexedDB, as on a server that renders pages, that call fails.
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
 * @param {{
 *   durability?: 'strict' | 'relaxed', freshLog?: boolean,
 *   indexedDB?: IDBFactory, IDBKeyRange?: typeof globalThis.IDBKeyRange,
 * }} [options] `strict`, unless given, asks the browser to have the data on disk before it answers; `relaxed` hands it to
 *   the operating system only. Chromium, Firefox and WebKit all heed it; a private window keeps nothing for longer than it
 *   is open. `freshLog`, unless it is false, has Chromium begin another log before the first change in its life: without
 *   that, what is acknowledged after a kill of the browser may be gone after the next one. Whoever gives an `indexedDB`
 *   that is not the global one gives its `IDBKeyRange` too
 * @returns {DictHost & Pick<IndexedDBHost, 'persist' | 'estimate'>} whose calls fail with `full` (the quota), `blocked` (a tab
 *   has an older version of the database open), `newer-format`, `timeout` (the database does not answer), `unknown-outcome`,
 *   `closed` or `host` (there is no IndexedDB, or it fails)
 * @throws {TypeError} for a name or an option of the wrong type
 */
export function indexedDBHost(name, options) {
  const {
    durability = 'strict', freshLog = true, indexedDB = globalThis.indexedDB, IDBKeyRange = globalThis.IDBKeyRange,
  } = optionsOf(options, ['durability', 'freshLog', 'indexedDB', 'IDBKeyRange']);
  if (typeof name !== 'string') throw new TypeError('name: expected the name of a database');
  if (durability !== 'strict' && durability !== 'relaxed') {
    throw new TypeError(`durability: expected 'strict' or 'relaxed', got ${String(durability)}`);
  }
  if (typeof freshLog !== 'boolean') throw new TypeError(`freshLog: expected a boolean, got ${describe(freshLog)}`);
  if (indexedDB && !IDBKeyRange?.lowerBound) {
    throw new TypeError(`IDBKeyRange: expected that of indexedDB, got ${describe(IDBKeyRange)}`);
  }
  return new IndexedDBHost(name, durability, new Connection(name, indexedDB, freshLog), IDBKeyRange);
}

/** @implements {DictHost} */
class IndexedDBHost {
  #name;
  #connection;
  #IDBKeyRange;
  #channel;
  #commits;
  /** @type {DictHost['supports']} */
  supports;

  /**
   * @param {string} name
   * @param {'strict' | 'relaxed'} durability
   * @param {Connection} connection
   * @param {typeof globalThis.IDBKeyRange} IDBKeyRange
   */
  constructor(name, durability, connection, IDBKeyRange) {
    this.#name = name;
    this.#connection = connection;
    this.#IDBKeyRange = IDBKeyRange;
    const channel = (this.#channel = new ChangeChannel(name));
    this.#commits = new PendingCommits(() => new WriteGroup(connection, { durability }, (ids) => channel.publish(ids)));
    this.supports = {
      atomic: true, writers: 'many', exactlyOnceLoad: true, durable: durability === 'strict' ? 'disk' : 'os',
      sharesLocks: true,
    };
  }

  /**
   * @param {DictName} dict
   * @param {string} id
   */
  async read(dict, id) {
    const [value] = await this.#ask([dict], (store) => [store(dict).get(id)]);
    if (value === undefined) return undefined;
    const content = dict === 'meta' ? contentOf(value) : value;
    return { value: content, version: content };
  }

  /**
   * @param {Batch} batch
   * @returns {Promise<boolean>}
   */
  commit(batch) {
    return this.#commits.add(batch);
  }

  /** @param {DictHost} other */
  isSamePlace(other) {
    return other instanceof IndexedDBHost && other.#connection.isOfSame(this.#connection);
  }

  /** @param {string} id */
  cursorAfter(id) {
    return id;
  }

  /**
   * @param {DictName} dict
   * @param {any} cursor the last id of the page before
   * @param {number} limit
   */
  async page(dict, cursor, limit) {
    const range = cursor === undefined ? null : this.#IDBKeyRange.lowerBound(cursor, true);
    /** @type {[string, unknown?][]} */
    let entries;
    if (dict === 'meta') {
      // The id is kept in the record, which saves the second request that its key would take.
      const [records] = await this.#ask(['meta'], (store) => [store('meta').getAll(range, limit)]);
      entries = records.map((/** @type {any} */ record) => [record.id, contentOf(record)]);
    } else {
      const [keys] = await this.#ask(['envelope'], (store) => [store('envelope').getAllKeys(range, limit)]);
      entries = keys.map((/** @type {string} */ key) => [key]);
    }
    return pageOf(entries, limit);
  }

  async sizes() {
    const [size, metaSize] = await this.#ask(
      ['envelope', 'meta'], (store) => [store('envelope').count(), store('meta').count()]);
    return { size, metaSize };
  }

  /** @param {string} owner */
  attemptAlone(owner) {
    return attemptAlone(this.#name, owner);
  }

  /** @param {(id?: string) => void} notify */
  subscribe(notify) {
    return this.#channel.subscribe(notify);
  }

  async close() {
    this.#connection.close();
    this.#channel.close();
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
   * What the requests of a transaction that only reads answer.
   *
   * @param {readonly DictName[]} stores
   * @param {(store: (name: DictName) => IDBObjectStore) => IDBRequest[]} ask
   * @returns {Promise<any[]>}
   */
  #ask(stores, ask) {
    return this.#connection.transaction(stores, 'readonly', {}, (tx, watch) => new Promise((resolve, reject) => {
      const requests = ask((name) => tx.objectStore(name));
      const end = watch.over(tx, reject);
      // Requests are answered in the order in which they were made.
      requests[requests.length - 1].onsuccess = () => {
        end();
        resolve(requests.map(({ result }) => result));
      };
    }));
  }
}
