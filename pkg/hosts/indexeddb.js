/** @import { Batch, DictHost, DictName } from '../types.js' */
/** @import { Waiting } from './group.js' */
import { QueueError } from '../errors.js';
import { Group, failure, waitingFor } from './group.js';

const VERSION = 1;
const STORES = /** @type {const} */ (['envelope', 'meta']);
/** How long an open or a transaction may say nothing before its connection is given up. */
const SILENCE = 20_000;
/** How often a transaction is looked at in that time. */
const LOOKS = 4;
/** How long after telling other tabs of changes the next ones are collected. */
const PAUSE = 50;

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
  /** @type {IDBDatabase | undefined} what `#opening` has come to */
  #db;
  /** @type {Waiting[]} */
  #waiting = [];
  #committing = false;
  /** @type {Group | undefined} that still takes batches */
  #group;
  /** @type {{ looks: number, fail: (error: unknown) => void } | undefined} the commit that has not been answered */
  #underWay;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #listening;
  #closed = false;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  /** @type {string[]} ids of changed messages that other tabs have not been told of */
  #news = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause;
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
      const waiting = waitingFor(batch, resolve, reject);
      if (this.#group?.take(waiting)) return;
      this.#waiting.push(waiting);
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
    const channel = unref(new BroadcastChannel(this.#channelName));
    channel.onmessage = ({ data }) => {
      if (Array.isArray(data)) data.forEach(notify);
    };
    return () => channel.close();
  }

  async close() {
    this.#announce();
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#channel?.close();
    const opening = this.#opening;
    this.#forget();
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
          if (this.#opening === opening) this.#forget();
        };
        // Another tab upgrades or deletes the database: this one lets go, and opens anew when it is asked again.
        db.onversionchange = () => {
          forget();
          db.close();
        };
        db.onclose = forget;
        if (this.#opening === opening) this.#db = db;
        resolve(db);
      };
    });
    this.#opening = opening;
    opening.catch(() => {
      if (this.#opening === opening) this.#forget();
    });
    return opening;
  }

  #forget() {
    this.#opening = undefined;
    this.#db = undefined;
  }

  /**
   * A transaction of the connection there is, at once, or on a new one if it was lost. What begins it has to make its
   * requests before anything else is waited for.
   *
   * @param {readonly DictName[]} stores
   * @param {IDBTransactionMode} mode
   * @returns {IDBTransaction | Promise<IDBTransaction>}
   */
  #transaction(stores, mode) {
    const begin = (/** @type {IDBDatabase} */ db) =>
      db.transaction(/** @type {string[]} */ (stores), mode, { durability: this.#durability });
    if (this.#db) {
      try {
        return begin(this.#db);
      } catch (error) {
        if (/** @type {any} */ (error)?.name !== 'InvalidStateError') throw failure(error);
        this.#forget();
      }
    }
    return this.#open().then(begin).catch((error) => {
      throw failure(error);
    });
  }

  /**
   * One request of a transaction that only reads.
   *
   * @param {DictName[]} stores
   * @param {(tx: IDBTransaction) => IDBRequest} ask
   * @returns {Promise<any>}
   */
  async #ask(stores, ask) {
    const begun = this.#transaction(stores, 'readonly');
    const tx = begun instanceof Promise ? await begun : begun;
    return new Promise((resolve, reject) => {
      const request = ask(tx);
      request.onsuccess = () => resolve(request.result);
      tx.onabort = () => reject(failure(tx.error ?? request.error));
    });
  }

  async #commitAll() {
    this.#committing = true;
    while (this.#waiting.length > 0) {
      try {
        const begun = this.#transaction(STORES, 'readwrite');
        await this.#commitGroup(begun instanceof Promise ? await begun : begun);
      } catch (error) {
        for (const { reject } of this.#waiting.splice(0)) reject(failure(error));
      }
    }
    this.#committing = false;
  }

  /**
   * Commits what waits, and what comes before this task ends.
   *
   * @param {IDBTransaction} tx
   */
  #commitGroup(tx) {
    const group = new Group(tx);
    this.#waiting = this.#waiting.filter((waiting) => !group.take(waiting));
    this.#group = group;
    queueMicrotask(() => (this.#group = undefined));
    return new Promise((resolve) => {
      const end = () => {
        if (this.#underWay === own) this.#underWay = undefined;
        resolve(undefined);
      };
      /** @param {unknown} error */
      const fail = (error) => {
        end();
        group.fail(error);
      };
      const own = { looks: 0, fail };
      this.#underWay = own;
      this.#listening ??= unref(setTimeout(() => this.#listen(), SILENCE / LOOKS));
      tx.onabort = () => fail(failure(tx.error));
      tx.oncomplete = () => {
        end();
        this.#tell(group.complete());
      };
    });
  }

  /** Gives up a connection whose transaction says nothing. One timer serves all commits that follow each other. */
  #listen() {
    const commit = this.#underWay;
    this.#listening = commit && unref(setTimeout(() => this.#listen(), SILENCE / LOOKS));
    if (!commit || ++commit.looks <= LOOKS) return;
    this.#opening?.then((db) => db.close()).catch(() => {});
    this.#forget();
    commit.fail(new QueueError('unknown-outcome', 'unknown-outcome: the database does not answer'));
  }

  /** @param {string[]} ids of messages that have changed */
  #tell(ids) {
    if (this.#closed) return;
    this.#news = this.#news.concat(ids);
    if (!this.#pause) this.#announce();
  }

  /** Tells other tabs what has changed. One message a commit would slow down commits that follow each other. */
  #announce() {
    const ids = this.#news;
    this.#pause = undefined;
    if (ids.length === 0 || typeof BroadcastChannel !== 'function') return;
    this.#news = [];
    this.#channel ??= unref(new BroadcastChannel(this.#channelName));
    this.#channel.postMessage(ids);
    this.#pause = unref(setTimeout(() => this.#announce(), PAUSE));
  }
}

/**
 * A channel or timer of Node keeps its process alive unless told not to.
 *
 * @template T
 * @param {T} resource
 * @returns {T}
 */
function unref(resource) {
  /** @type {any} */ (resource).unref?.();
  return resource;
}
