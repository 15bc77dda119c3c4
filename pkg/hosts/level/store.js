/** @import { DictHost } from '../../types.js' */
/** @import { EncodedCommit, Values } from '../shared/encoded-commit.js' */
/** @import { Pending } from '../shared/pending-commits.js' */
import { QueueError, isQueueError } from '../../errors.js';
import { sameBytes } from '../shared/codec.js';
import { checkedKeys, holding } from '../shared/encoded-commit.js';
import { closed, nothingWritten, unknownOutcome } from '../shared/failures.js';
import { PendingCommits, TaskGroup } from '../shared/pending-commits.js';
import { callListener } from '../shared/listener.js';

export const ENCODINGS = { keyEncoding: 'utf8', valueEncoding: 'view' };
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

/** @typedef {EncodedCommit & { host: object }} Commit `host` is the one that is not told of it */

/** A database and what its hosts share: the commits, one group after the other, and who hears of them. */
export class Store {
  #db;
  #root;
  /** @type {PendingCommits<Commit>} */
  commits = new PendingCommits(() => new TaskGroup({ bytes: GROUP_BYTES }, (group) => this.#commit(group)));
  #wasOpen = false;
  /** @type {Promise<void> | undefined} */
  #reopening;
  /** @type {Set<{ host: object, notify: (id: string) => void }>} */
  listeners = new Set();
  /** @type {DictHost['supports']} */
  supports;
  /**
   * Who attempts what it cannot claim.
   *
   * @type {string | undefined}
   */
  #alone;

  /**
   * Whether this owner alone attempts what it cannot claim: the first who asks does.
   *
   * @param {string} owner
   */
  attemptAlone(owner) {
    this.#alone ??= owner;
    return this.#alone === owner;
  }

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
      for (const each of made) if (each.host !== host) callListener(notify, each.id);
    }
  }

  /**
   * Finds out whether a batch that failed is in the database nevertheless, and throws if it is not.
   *
   * @param {Values} values
   * @param {unknown} cause
   */
  async #settle(values, cause) {
    if (!this.#reopening && this.#db.status !== 'open') {
      // One that was closed meanwhile may have had the batch in its log.
      const wasRefused = /** @type {any} */ (cause)?.code === 'LEVEL_DATABASE_NOT_OPEN';
      throw wasRefused ? closed('database', cause) : unknownOutcome('the batch failed', cause);
    }
    try {
      if (!this.#reopening) await this.#reopen();
      const db = await this.open();
      const found = await db.getMany([...values.keys()], ENCODINGS);
      if ([...values.values()].every((value, i) => isSame(value, found[i]))) return;
    } catch {
      throw unknownOutcome('the batch failed', cause);
    }
    fail(cause);
  }

  /** Closes the whole database and opens it again: the stores of its other parts, which close with it, wait for that. */
  async #reopen() {
    const parts = [...(Store.#stores.get(this.#root)?.values() ?? [])].filter((part) => part.#db.status === 'open');
    const reopening = this.#root.close().then(() => this.#root.open());
    for (const part of parts) {
      part.#wasOpen = false; // the next call opens it
      part.#reopening = reopening;
    }
    try {
      await reopening;
    } finally {
      for (const part of parts) part.#reopening = undefined;
    }
  }
}

/**
 * Records that are small or not there. To wait for another thread would take longer than to read them.
 *
 * @param {LevelDatabase} db
 * @param {string[]} keys
 * @returns {Promise<any[]>}
 */
export async function getSmall(db, keys) {
  if (keys.length === 0) return [];
  try {
    return db.supports.getSync
      ? keys.map((key) => /** @type {any} */ (db).getSync(key, ENCODINGS)) : await db.getMany(keys, ENCODINGS);
  } catch (error) {
    return fail(error);
  }
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
 * @param {any} cause
 * @returns {never}
 */
export function fail(cause) {
  if (isQueueError(cause)) throw cause;
  const reason = `${cause?.message} ${cause?.cause?.message}`;
  if (cause?.code === 'LEVEL_LOCKED' || cause?.cause?.code === 'LEVEL_LOCKED') {
    throw new QueueError('blocked', 'blocked: another process has the database open', { cause });
  }
  throw nothingWritten(/no space left|quota|ENOSPC/i.test(reason) ? 'full' : 'host', 'the database failed', cause);
}
