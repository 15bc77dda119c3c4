/** @import { Batch, DictHost, DictName, Write } from '../types.js' */
/** @import { EncodedCommit, Values } from './shared/encoded-commit.js' */
/** @import { Pending } from './shared/pending-commits.js' */
import { QueueError } from '../errors.js';
import { decodeEnvelope, decodeMeta, encodeEnvelope, encodeMeta, sameBytes } from './shared/codec.js';
import { checkedKeys, encodedCommit, holding } from './shared/encoded-commit.js';
import { closed, nothingWritten, unknownOutcome } from './shared/failures.js';
import { pageOf } from './shared/pages.js';
import { PendingCommits, TaskGroup } from './shared/pending-commits.js';

const ENCODINGS = { keyEncoding: 'utf8', valueEncoding: 'view' };
const SYNC = { ...ENCODINGS, sync: true };
/** About how many bytes of several commits are written together. */
const GROUP_BYTES = 2 ** 23;

/**
 * What this needs of an abstract-level database.
 *
 * @typedef {object} LevelDatabase
 * @property {string} status
 * @property {{ permanence?: boolean, additionalMethods?: Record<string, boolean>, getSync?: boolean }} supports
 * @property {(options?: any) => Promise<void>} open
 * @property {() => Promise<void>} close
 * @property {(keys: any[], options: any) => Promise<any[]>} getMany
 * @property {(key: any, options: any) => any} [getSync]
 * @property {(operations: any[], options: any) => Promise<void>} batch
 * @property {(options: any) => Listing} iterator
 * @property {(options: any) => Listing} keys
 *
 * @typedef {object} Listing
 * @property {() => Promise<any[]>} all
 * @property {(size: number) => Promise<any[]>} nextv
 * @property {() => Promise<void>} close
 */

/**
 * Both dictionaries in a LevelDB, or in any other database of the abstract-level family, a sublevel of one included.
 * The database is the caller's, who closes it; it opens by itself.
 *
 * Records are at the keys `envelope:<id>`, `meta:<id>` and `message:<id>`, as `codec.js` says. A commit is one batch,
 * all or nothing, acknowledged when LevelDB has synced it to disk; commits that wait together share a batch. Whatever
 * changes these keys must do so through hosts in one process: those on one database object take turns. LevelDB lets no
 * second process in: its calls are `blocked` until the first one is gone.
 *
 * After a batch that failed, of which LevelDB does not know how much is in its log, the database is closed and opened
 * again before anything else is written.
 *
 * @param {LevelDatabase} db
 * @returns {DictHost}
 */
export function levelHost(db) {
  for (const method of /** @type {const} */ (['getMany', 'batch', 'iterator', 'keys', 'open', 'close'])) {
    if (typeof db?.[method] !== 'function') {
      throw new TypeError(`db: expected an abstract-level database, got something without ${method}()`);
    }
  }
  return new LevelHost(Store.of(db));
}

/** @implements {DictHost} */
class LevelHost {
  #store;
  #closed = false;
  supports;

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
    this.supports = store.supports;
  }

  /**
   * @param {DictName} dict
   * @param {string} id
   */
  async read(dict, id) {
    const db = await this.#open();
    const [record, message] = dict === 'meta'
      ? await getSmall(db, [`meta:${id}`])
      : await db.getMany([`envelope:${id}`, `message:${id}`], ENCODINGS).catch(fail);
    if (record === undefined) return undefined;
    const value = dict === 'meta' ? decodeMeta(record) : decodeEnvelope(record, message);
    return { value, version: value };
  }

  /**
   * @param {Batch} batch
   * @returns {Promise<boolean>}
   */
  async commit({ checks, writes }) {
    if (this.#closed) throw closed('database');
    const values = new Map(writes.flatMap(valuesOf));
    return this.#store.commits.add({ host: this, ...encodedCommit(writes[0].id, checks, values) });
  }

  /**
   * @param {DictName} dict
   * @param {any} cursor the last id of the page before
   * @param {number} limit
   */
  async page(dict, cursor, limit) {
    const db = await this.#open();
    const range = { gt: `${dict}:${cursor ?? ''}`, lt: `${dict};`, limit, ...ENCODINGS };
    const idOf = (/** @type {string} */ key) => key.slice(dict.length + 1);
    /** @type {[string, unknown?][]} */
    const entries = dict === 'meta'
      ? (await db.iterator(range).all().catch(fail)).map(([key, record]) => [idOf(key), decodeMeta(record)])
      : (await db.keys(range).all().catch(fail)).map((key) => [idOf(key)]);
    return pageOf(entries, limit);
  }

  async sizes() {
    const db = await this.#open();
    const [size, metaSize] = await Promise.all([count(db, 'envelope'), count(db, 'meta')]).catch(fail);
    return { size, metaSize };
  }

  /** @param {(id: string) => void} notify */
  subscribe(notify) {
    const listener = { host: this, notify };
    this.#store.listeners.add(listener);
    return () => void this.#store.listeners.delete(listener);
  }

  close() {
    this.#closed = true;
  }

  #open() {
    if (this.#closed) throw closed('database');
    return this.#store.open();
  }
}

/** @typedef {EncodedCommit & { host: LevelHost }} Commit */

/** A database and what its hosts share: the commits, one group after the other, and who hears of them. */
class Store {
  #db;
  #root;
  /** @type {PendingCommits<Commit>} */
  commits = new PendingCommits(() => new TaskGroup({ bytes: GROUP_BYTES }, (group) => this.#commit(group)));
  #wasOpen = false;
  /** @type {Promise<void> | undefined} */
  #reopening;
  /** @type {Set<{ host: LevelHost, notify: (id: string) => void }>} */
  listeners = new Set();
  /** @type {DictHost['supports']} */
  supports;

  /** @type {WeakMap<object, Map<string, Store>>} */
  static #stores = new WeakMap();

  /**
   * The one store of a database, or of a part of one, which several objects may stand for.
   *
   * @param {LevelDatabase & { db?: LevelDatabase, prefix?: string }} db
   */
  static of(db) {
    const root = db.db ?? db;
    let stores = Store.#stores.get(root);
    if (!stores) Store.#stores.set(root, (stores = new Map()));
    const prefix = db.prefix ?? '';
    let store = stores.get(prefix);
    if (!store) stores.set(prefix, (store = new Store(db, root)));
    return store;
  }

  /**
   * @param {LevelDatabase} db
   * @param {LevelDatabase} root
   */
  constructor(db, root) {
    this.#db = db;
    this.#root = root;
    // Only LevelDB itself, which can compact, is known to sync when it is told to.
    const strict = root.supports?.additionalMethods?.compactRange;
    const durable = root.supports?.permanence === false ? 'none' : strict ? 'disk' : 'os';
    this.supports = { atomic: true, writers: 'one', exactlyOnceLoad: true, durable };
  }

  async open() {
    await this.#reopening?.catch(() => {}); // it is told where it was asked for
    if (this.#db.status === 'open') return this.#db;
    if (this.#wasOpen && this.#db.status !== 'opening') throw closed('database');
    try {
      await this.#root.open();
      await this.#db.open();
    } catch (error) {
      fail(error);
    }
    this.#wasOpen = true;
    return this.#db;
  }

  /** @param {Pending<Commit>[]} group */
  async #commit(group) {
    /** @type {Set<Commit>} */
    let made;
    try {
      const db = await this.open();
      const keys = checkedKeys(group);
      const found = await getSmall(db, keys);
      made = new Set(holding(group, new Map(keys.map((key, i) => [key, found[i]]))));
      // A later value of the same key is what stays.
      const values = new Map([...made].flatMap((each) => [...each.values]));
      if (values.size > 0) await db.batch(operationsOf(values), SYNC).catch((error) => this.#settle(values, error));
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    for (const each of group) each.resolve(made.has(each));
    for (const { host, notify } of this.listeners) {
      for (const each of made) if (each.host !== host) notify(each.id);
    }
  }

  /**
   * Finds out whether a batch that failed is in the database nevertheless, and throws if it is not.
   *
   * @param {Values} values
   * @param {unknown} cause
   */
  async #settle(values, cause) {
    if (this.#db.status !== 'open') throw closed('database', cause);
    try {
      await (this.#reopening = this.#reopen());
      const found = await this.#db.getMany([...values.keys()], ENCODINGS);
      if ([...values.values()].every((value, i) => isSame(value, found[i]))) return;
    } catch {
      throw unknownOutcome('the batch failed', cause);
    } finally {
      this.#reopening = undefined;
    }
    fail(cause);
  }

  async #reopen() {
    this.#wasOpen = false; // if it does not open now, the next call tries again
    await this.#root.close();
    await this.#root.open();
    await this.#db.open();
  }
}

/**
 * Records that are small or not there. To wait for another thread would take longer than to read them.
 *
 * @param {LevelDatabase} db
 * @param {string[]} keys
 * @returns {Promise<any[]>}
 */
async function getSmall(db, keys) {
  if (keys.length === 0) return [];
  try {
    return db.supports.getSync
      ? keys.map((key) => /** @type {any} */ (db).getSync(key, ENCODINGS)) : await db.getMany(keys, ENCODINGS);
  } catch (error) {
    return fail(error);
  }
}

/**
 * @param {Write} write
 * @returns {[key: string, value: Uint8Array | undefined][]}
 */
function valuesOf({ dict, id, value }) {
  const key = `${dict}:${id}`;
  if (dict === 'meta') return [[key, value === undefined ? undefined : encodeMeta(value)]];
  const { record = undefined, message = undefined } = value === undefined ? {} : encodeEnvelope(value);
  return [[key, record], [`message:${id}`, message]];
}

/** @param {Values} values */
function operationsOf(values) {
  return Array.from(values, ([key, value]) => (value ? { type: 'put', key, value } : { type: 'del', key }));
}

/**
 * @param {Uint8Array | undefined} one
 * @param {Uint8Array | undefined} other
 */
function isSame(one, other) {
  return one && other ? sameBytes(one, other) : one === other;
}

/**
 * @param {LevelDatabase} db
 * @param {DictName} dict
 */
async function count(db, dict) {
  const iterator = db.keys({ gt: `${dict}:`, lt: `${dict};`, keyEncoding: 'utf8' });
  try {
    let total = 0;
    for (let keys; (keys = await iterator.nextv(10_000)).length > 0; ) total += keys.length;
    return total;
  } finally {
    await iterator.close();
  }
}

/**
 * @param {any} cause
 * @returns {never}
 */
function fail(cause) {
  if (cause instanceof QueueError) throw cause;
  const said = `${cause?.message} ${cause?.cause?.message}`;
  if (cause?.code === 'LEVEL_LOCKED' || cause?.cause?.code === 'LEVEL_LOCKED') {
    throw new QueueError('blocked', 'blocked: another process has the database open', { cause });
  }
  throw nothingWritten(/no space left|quota|ENOSPC/i.test(said) ? 'full' : 'host', 'the database failed', cause);
}
