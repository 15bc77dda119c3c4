/** @import { Batch, Check, DictHost, DictName, Write } from '../types.js' */
import { QueueError, explain } from '../errors.js';
import { decodeEnvelope, decodeMeta, encodeEnvelope, encodeMeta, encodeVersion, sameBytes } from './codec.js';

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

/** @typedef {{ type: 'put', key: string, value: Uint8Array } | { type: 'del', key: string }} Operation */

/**
 * @typedef {object} Waiting
 * @property {LevelHost} host
 * @property {string} id
 * @property {{ key: string, version: Uint8Array | null }[]} checks
 * @property {Operation[]} operations
 * @property {(done: boolean) => void} resolve
 * @property {(error: unknown) => void} reject
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
    if (this.#closed) throw closed();
    const operations = writes.flatMap(operationsOf);
    return this.#store.commit({ host: this, id: writes[0].id, checks: checks.map(checkOf), operations });
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
    return entries.length < limit ? { entries } : { entries, next: entries[entries.length - 1][0] };
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
    if (this.#closed) throw closed();
    return this.#store.open();
  }
}

/** A database and what its hosts share: the turns of their commits, and who hears of them. */
class Store {
  #db;
  #root;
  /** @type {Waiting[]} */
  #waiting = [];
  #committing = false;
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
    if (this.#wasOpen && this.#db.status !== 'opening') throw closed();
    try {
      await this.#root.open();
      await this.#db.open();
    } catch (error) {
      fail(error);
    }
    this.#wasOpen = true;
    return this.#db;
  }

  /**
   * @param {Pick<Waiting, 'host' | 'id' | 'checks' | 'operations'>} encoded
   * @returns {Promise<boolean>}
   */
  commit(encoded) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...encoded, resolve, reject });
      if (!this.#committing) this.#commitAll();
    });
  }

  async #commitAll() {
    this.#committing = true;
    await undefined; // the batches that are handed over together travel together
    while (this.#waiting.length > 0) {
      let length = 0;
      for (let bytes = 0; length < this.#waiting.length && bytes < GROUP_BYTES; length++) {
        for (const each of this.#waiting[length].operations) if (each.type === 'put') bytes += each.value.length;
      }
      await this.#commitGroup(this.#waiting.splice(0, length));
    }
    this.#committing = false;
  }

  /** @param {Waiting[]} group */
  async #commitGroup(group) {
    /** @type {Waiting[]} */
    let done = [];
    try {
      const db = await this.open();
      done = await standing(db, group);
      const operations = done.flatMap((each) => each.operations);
      if (operations.length > 0) {
        await db.batch(operations, SYNC).catch((/** @type {unknown} */ error) => this.#settle(operations, error));
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    const made = new Set(done);
    for (const each of group) each.resolve(made.has(each));
    for (const { host, notify } of this.listeners) {
      for (const each of done) if (each.host !== host) notify(each.id);
    }
  }

  /**
   * Finds out whether a batch that failed is in the database nevertheless, and throws if it is not.
   *
   * @param {Operation[]} operations
   * @param {unknown} cause
   */
  async #settle(operations, cause) {
    if (this.#db.status !== 'open') throw closed(cause);
    try {
      await (this.#reopening = this.#reopen());
      const keys = operations.map(({ key }) => key);
      const found = await this.#db.getMany(keys, ENCODINGS);
      // A later operation on the same key is what shows.
      const last = new Map(operations.map((each) => [each.key, each]));
      if (keys.every((key, i) => shows(last.get(key), found[i]))) return;
    } catch {
      throw new QueueError('unknown-outcome', `unknown-outcome: the batch failed: ${explain(cause)}`, { cause });
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
 * Which of some batches can be made, one after the other.
 *
 * @param {LevelDatabase} db
 * @param {Waiting[]} group
 */
async function standing(db, group) {
  const keys = [...new Set(group.flatMap(({ checks }) => checks.map(({ key }) => key)))];
  const found = await getSmall(db, keys);
  /** @type {Map<string, Uint8Array | undefined>} */
  const now = new Map(keys.map((key, i) => [key, found[i]]));
  return group.filter(({ checks, operations }) => {
    const holds = checks.every(({ key, version }) => {
      const record = now.get(key);
      return version === null ? record === undefined : record !== undefined && sameBytes(record, version);
    });
    if (holds) for (const each of operations) now.set(each.key, each.type === 'put' ? each.value : undefined);
    return holds;
  });
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

/** @param {Check} check */
function checkOf({ dict, id, version }) {
  return { key: `${dict}:${id}`, version: version === null ? null : encodeVersion(version) };
}

/**
 * @param {Write} write
 * @returns {Operation[]}
 */
function operationsOf({ dict, id, value }) {
  const key = `${dict}:${id}`;
  const beside = `message:${id}`;
  if (value === undefined) {
    const keys = dict === 'meta' ? [key] : [key, beside];
    return keys.map((each) => ({ type: 'del', key: each }));
  }
  if (dict === 'meta') return [{ type: 'put', key, value: encodeMeta(value) }];
  const { record, message } = encodeEnvelope(value);
  return [
    { type: 'put', key, value: record },
    message ? { type: 'put', key: beside, value: message } : { type: 'del', key: beside },
  ];
}

/**
 * @param {Operation | undefined} operation
 * @param {Uint8Array | undefined} found
 */
function shows(operation, found) {
  if (operation?.type !== 'put') return found === undefined;
  return found !== undefined && sameBytes(found, operation.value);
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

/** @param {unknown} [cause] */
function closed(cause) {
  return new QueueError('closed', 'closed: the database is closed', cause === undefined ? {} : { cause });
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
  const code = /no space left|quota|ENOSPC/i.test(said) ? 'full' : 'host';
  throw new QueueError(code, `${code}: the database failed; nothing was written: ${explain(cause)}`, { cause });
}
