/** @import { DictName } from '../../types.js' */
import { QueueError, isQueueError } from '../../errors.js';
import { followPage, unfollowPage } from '../../page-lifecycle.js';
import { closed } from '../shared/failures.js';
import { failure, isLoss, isNewer } from './failures.js';
import { Log } from './log.js';
import { Watch } from './watch.js';
import { within } from './within.js';

const VERSION = 1;
/**
 * The version of a database whose stores were lost, as an engine may leave it after a power cut, and were made again.
 * What is in them is the same. Deleting such a database instead could meet the one that another context has just made.
 */
const MADE_AGAIN = 2;
/** @type {[DictName, IDBObjectStoreParameters][]} */
const STORES = [['envelope', {}], ['meta', { keyPath: 'id' }]];
/** How long to wait, in milliseconds, for what ought to come at once. */
const PATIENCE = 1_000;
/** How long an open, or a log that begins, may say nothing before it is given up. */
const SILENCE = 20_000;

/**
 * @typedef {object} Opening
 * @property {number} version that is asked for
 * @property {number} requests how many there were for it
 * @property {number} pending how many of them have not ended
 * @property {Promise<IDBDatabase>} promise
 * @property {(db: IDBDatabase) => void} resolve
 * @property {(error: unknown) => void} reject
 */

/** The one connection of a host to its database: opened with the first use, and anew whenever it was lost. */
export class Connection {
  #name;
  #indexedDB;
  /** @type {IDBDatabase | undefined} */
  #db;
  #log;
  /** @type {Opening | undefined} */
  #opening;
  /** Of the requests that have not ended, how many another tab holds up. An engine says so of the first one only. */
  #blocked = 0;
  #closed = false;
  #watch = new Watch();
  /** @type {Promise<void> | undefined} while the page is put aside */
  #aside;
  #cameBack = () => {};

  /**
   * @param {string} name
   * @param {IDBFactory | undefined} indexedDB
   * @param {boolean} freshLog
   */
  constructor(name, indexedDB, freshLog) {
    this.#name = name;
    this.#indexedDB = indexedDB;
    this.#log = freshLog && indexedDB ? Log.of(indexedDB) : undefined;
  }

  /**
   * Whether the other one is to the same database.
   *
   * @param {Connection} other
   */
  isOfSame(other) {
    return other.#name === this.#name && other.#indexedDB === this.#indexedDB;
  }

  /**
   * Does something in a transaction, which begins at once if there is a connection; once more in a new one, on a new
   * connection, if this one was lost.
   *
   * @template T
   * @param {readonly DictName[]} stores
   * @param {IDBTransactionMode} mode
   * @param {IDBTransactionOptions} options
   * @param {(tx: IDBTransaction, watch: Watch) => Promise<T>} work rejects with the error of the transaction, or with
   *   `timeout`, if nothing was written, with `unknown-outcome` if that is not known
   * @returns {Promise<T>}
   */
  async transaction(stores, mode, options, work) {
    for (let again = true; ; again = false) {
      if (this.#aside) await this.#aside;
      const db = this.#db ?? await this.#open();
      if (mode === 'readonly') this.#log?.begin();
      else if (this.#log?.isFresh === false) await this.#freshen(this.#log);
      try {
        return await work(db.transaction(/** @type {string[]} */ (stores), mode, options), this.#watch);
      } catch (error) {
        const lost = isLoss(error);
        if (lost || isQueueError(error)) this.#lose(db);
        if (!lost || !again) throw failure(error);
      }
    }
  }

  /** @param {Log} log */
  async #freshen(log) {
    if (await within(SILENCE, log.freshen())) return;
    log.distrust();
    throw new QueueError('timeout', `timeout: the database ${this.#name} takes no changes; nothing was written`);
  }

  /** WebKit lets a page that it keeps hold what it was reading, and others wait for that: it is asked anew later. */
  putAside() {
    this.#aside = new Promise((resolve) => (this.#cameBack = resolve));
    this.#watch.interrupt();
  }

  comeBack() {
    this.#aside = undefined;
    this.#cameBack();
  }

  close() {
    this.#closed = true;
    unfollowPage(this);
    this.comeBack();
    if (this.#db) this.#drop(this.#db);
    this.#opening?.reject(closed('host'));
  }

  /** @returns {Promise<IDBDatabase>} */
  async #open() {
    if (this.#closed) throw closed('host');
    if (this.#db) return this.#db;
    const opening = (this.#opening ??= this.#begin());
    let db = await within(PATIENCE, opening.promise);
    if (db) return db;
    if (this.#blocked === 0) {
      // There are engines of which one open now and then never ends, while the next one does.
      if (opening.requests === 1) this.#request(opening);
      db = await within(SILENCE - PATIENCE, opening.promise);
      if (db) return db;
    }
    if (this.#opening === opening) this.#opening = undefined;
    throw this.#blocked > 0
      ? new QueueError('blocked', `blocked: another tab holds an older version of the database ${this.#name} open`)
      : new QueueError('timeout', `timeout: the database ${this.#name} does not open`);
  }

  /** @returns {Opening} */
  #begin() {
    const opening = /** @type {Opening} */ ({ version: VERSION, requests: 0, pending: 0 });
    opening.promise = new Promise((resolve, reject) => Object.assign(opening, { resolve, reject }));
    opening.promise.catch(() => {}).finally(() => {
      if (this.#opening === opening) this.#opening = undefined;
    });
    this.#request(opening);
    return opening;
  }

  /**
   * Asks for the version whose stores were made again, unless that was done.
   *
   * @param {Opening} opening
   */
  #requestMadeAgain(opening) {
    if (opening.version === MADE_AGAIN) return;
    Object.assign(opening, { version: MADE_AGAIN, requests: 0 });
    this.#request(opening);
  }

  /** @param {Opening} opening */
  #request(opening) {
    const { version } = opening;
    opening.requests++;
    opening.pending++;
    /** @param {unknown} error */
    const fail = (error) => {
      opening.pending--;
      if (version === VERSION && isNewer(error)) this.#requestMadeAgain(opening);
      else if (opening.requests === 1 && isLoss(error)) this.#request(opening);
      else if (opening.pending === 0) opening.reject(failure(error));
    };
    try {
      if (!this.#indexedDB) throw new QueueError('host', 'host: there is no IndexedDB here');
      const request = this.#indexedDB.open(this.#name, version);
      let blocked = 0;
      request.onblocked = () => {
        this.#blocked += blocked = 1;
      };
      request.onupgradeneeded = () => {
        const db = request.result;
        for (const [store, parameters] of STORES) {
          if (!db.objectStoreNames.contains(store)) db.createObjectStore(store, parameters);
        }
      };
      request.onerror = () => {
        this.#blocked -= blocked;
        fail(request.error);
      };
      request.onsuccess = () => {
        this.#blocked -= blocked;
        const db = request.result;
        if (version === MADE_AGAIN || isWhole(db)) return this.#opened(db);
        db.close();
        opening.pending--;
        this.#requestMadeAgain(opening);
      };
    } catch (error) {
      fail(error);
    }
  }

  /** @param {IDBDatabase} db */
  #opened(db) {
    if (this.#closed || this.#db) return db.close();
    this.#db = db;
    followPage(this);
    // Another tab upgrades or deletes the database: this one lets go, and opens anew when it is asked again.
    db.onversionchange = () => this.#drop(db);
    db.onclose = () => this.#lose(db);
    this.#opening?.resolve(db);
  }

  /** @param {IDBDatabase} db */
  #lose(db) {
    if (this.#db === db) this.#log?.distrust();
    this.#drop(db);
  }

  /** @param {IDBDatabase} db */
  #drop(db) {
    if (this.#db === db) this.#db = undefined;
    db.close();
  }
}

/** @param {IDBDatabase} db */
function isWhole(db) {
  return STORES.every(([store]) => db.objectStoreNames.contains(store));
}
