import { QueueError, explain } from '../../errors.js';
import { closed, nothingWritten } from '../shared/failures.js';

/** How many keys are read together. */
const READS = 10;
/** How often what another program keeps locked is tried again, a little later each time. */
const TRIES = 200;

/**
 * What this needs of a Deno KV database.
 *
 * @typedef {object} KvDatabase
 * @property {(keys: any) => Promise<any[]>} getMany
 * @property {(selector: any, options?: any) => AsyncIterable<any>} list
 * @property {() => any} atomic
 */

/** @typedef {(string | number | bigint | boolean | Uint8Array)[]} Key */
/** @typedef {{ key: Key, value: any, versionstamp: string | null }} Entry */
/** What stands under a prefix of a Deno KV database, with patience for other programs that keep it locked. */
export class Database {
  #kv;
  #prefix;

  /**
   * @param {KvDatabase} kv
   * @param {Key} prefix
   */
  constructor(kv, prefix) {
    this.#kv = kv;
    this.#prefix = prefix;
  }

  /**
   * Whether the other one is the same part of the same database.
   *
   * @param {Database} other
   */
  isSame(other) {
    const parts = other.#prefix;
    return other.#kv === this.#kv && parts.length === this.#prefix.length &&
      parts.every((part, i) => part === this.#prefix[i]);
  }

  /**
   * The whole of a key, as an operation takes it.
   *
   * @param {Key} key
   */
  key(key) {
    return [...this.#prefix, ...key];
  }

  /**
   * A key as it is said here.
   *
   * @param {Entry} entry
   */
  keyOf({ key }) {
    return key.slice(this.#prefix.length);
  }

  /** A new atomic operation. */
  atomic() {
    return this.#kv.atomic();
  }

  /**
   * @param {any} atomic
   * @returns {Promise<{ ok: boolean, versionstamp: string }>}
   */
  commit(atomic) {
    return patiently(() => atomic.commit());
  }

  /**
   * @param {Key[]} keys
   * @returns {Promise<Entry[]>}
   */
  async get(keys) {
    const groups = [];
    for (let first = 0; first < keys.length; first += READS) {
      const group = keys.slice(first, first + READS).map((key) => this.key(key));
      groups.push(patiently(() => this.#kv.getMany(group)));
    }
    return (await Promise.all(groups)).flat();
  }

  /**
   * @param {Key} key
   * @param {{ limit?: number }} options
   * @param {string} [after] the id after which the list begins
   * @returns {Promise<Entry[]>}
   */
  list(key, options, after) {
    const prefix = this.key(key);
    const selector = after === undefined ? { prefix } : { prefix, start: [...prefix, `${after}\0`] };
    return patiently(async () => {
      const entries = [];
      for await (const entry of this.#kv.list(selector, options)) entries.push(entry);
      return entries;
    });
  }
}

/**
 * Does something again while another program keeps the database locked, which changes nothing.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function patiently(work) {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (cause) {
      const reason = explain(cause);
      if (!/database is locked/.test(reason)) throw failure(cause, reason);
      if (tries === TRIES) {
        throw new QueueError('blocked', 'blocked: another program keeps the database locked', { cause });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(tries * 4, 100)));
  }
}

/**
 * @param {unknown} cause
 * @param {string} reason
 */
function failure(cause, reason) {
  if (/disk is full|quota/i.test(reason)) return nothingWritten('full', 'the database has no space', cause);
  return /\bBadResource\b|database is closed/i.test(reason) ? closed('database', cause) : new QueueError('host', `host: ${reason}`, { cause });
}
