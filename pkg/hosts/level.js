/** @import { Batch, DictHost, DictName, Write } from '../types.js' */
/** @import { LevelDatabase } from './level/store.js' */
import { ENCODINGS, Store, fail, getSmall } from './level/store.js';
import { decodeEnvelope, decodeMeta, encodeEnvelope, encodeMeta } from './shared/codec.js';
import { encodedCommit } from './shared/encoded-commit.js';
import { closed } from './shared/failures.js';
import { pageOf } from './shared/pages.js';

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
 * @returns {DictHost} whose calls fail with `full` (the disk), `blocked` (another process has the database), `unknown-outcome`,
 *   `closed` (the caller has closed it) or `host`
 * @throws {TypeError} for what is no such database
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

  /** @param {DictHost} other */
  isSamePlace(other) {
    return other instanceof LevelHost && other.#store === this.#store;
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

  /** @param {string} owner */
  attemptAlone(owner) {
    return this.#store.attemptAlone(owner);
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
