/** @import { AsyncDict, Batch, DictHost, DictName, SyncDict } from '../types.js' */
import { QueueError, describe } from '../errors.js';
import { dropPromise } from '../binding/later.js';
import { LONGEST_TIMER } from '../options.js';
import { snapshot } from './maps/record.js';
import { sameMeta } from './shared/same-meta.js';

/**
 * Who is changing a message.
 *
 * @typedef {object} Lock
 * @property {boolean} isReleased
 * @property {Promise<unknown>} [released]
 */

/**
 * By meta dictionary: two storages over the same dictionaries share the locks.
 *
 * @type {WeakMap<object, Map<string, Lock>>}
 */
const locksByDict = new WeakMap();

/** @param {object} dict */
function locksOf(dict) {
  let locks = locksByDict.get(dict);
  if (!locks) locksByDict.set(dict, (locks = new Map()));
  return locks;
}

/** @type {DictHost['supports']} */
const supports = { atomic: false, writers: 'one', exactlyOnceLoad: true, durable: 'none' };

/**
 * What an iterator answers. One that answers with no object would be asked without end.
 *
 * @param {any} step
 * @returns {IteratorResult<any>}
 */
function stepOf(step) {
  if (typeof step === 'object' && step !== null) return step;
  throw new TypeError(`expected the result of an iterator, got ${describe(step)}`);
}

/** @param {any} iterable */
function iterate(iterable) {
  return iterable[Symbol.asyncIterator]?.() ?? iterable[Symbol.iterator]();
}

/**
 * Ends an iteration that is left early. Nobody waits for that, or hears what it throws.
 *
 * @param {any} cursor
 */
export function endCursor(cursor) {
  try {
    dropPromise(cursor?.return?.());
  } catch {
    // It is left all the same.
  }
}

/**
 * What answered at once.
 *
 * @template T
 * @param {T} answer
 * @returns {T}
 */
function now(answer) {
  if (!dropPromise(answer)) return answer;
  throw new QueueError('needs-async', 'a dictionary returned a promise: use AsyncDictStorage for dictionaries that do');
}

/**
 * Two dictionaries that answer at once. Writes are made in the order given; nothing else runs in between, except what
 * the dictionaries themselves run.
 *
 * @implements {DictHost}
 */
export class SyncMapsHost {
  #envelopes;
  #meta;
  #locks;
  supports = supports;

  /**
   * @param {SyncDict<any>} envelopeDb
   * @param {SyncDict<any>} metaDb
   */
  constructor(envelopeDb, metaDb) {
    this.#envelopes = envelopeDb;
    this.#meta = metaDb;
    this.#locks = locksOf(metaDb);
  }

  /**
   * @param {DictName} dict
   * @param {string} id
   */
  read(dict, id) {
    const stored = now(this.#dict(dict).get(id));
    if (stored === undefined || stored === null) return undefined;
    const value = dict === 'meta' ? snapshot(stored) : stored;
    return { value, version: value };
  }

  /** @param {Batch} batch */
  commit({ checks, writes }) {
    const { id } = writes[0];
    if (this.#locks.get(id)?.isReleased === false) {
      const reason = 'the message is being changed already, by a call that has not ended';
      throw new QueueError('conflict', `conflict: ${reason}`, { id });
    }
    /** @type {Lock} */
    const lock = { isReleased: false };
    this.#locks.set(id, lock);
    try {
      for (const { dict, version } of checks) {
        const found = now(this.#dict(dict).get(id)) ?? null;
        if (version === null ? found !== null : !sameMeta(snapshot(found), version)) return false;
      }
      for (const { dict, value } of writes) {
        const db = this.#dict(dict);
        now(value === undefined ? db.delete(id) : db.set(id, value));
      }
      return true;
    } finally {
      lock.isReleased = true; // where the stack of the program has ended, no call can be made
      this.#locks.delete(id);
    }
  }

  /**
   * @param {DictName} dict
   * @param {any} cursor
   * @param {number} limit
   */
  page(dict, cursor, limit) {
    const db = this.#dict(dict);
    const pairs = dict === 'meta' && typeof db.entries === 'function';
    const iterator = cursor ?? iterate(now(pairs ? db.entries?.() : db.keys()));
    /** @type {[string, unknown?][]} */
    const entries = [];
    try {
      while (entries.length < limit) {
        const { done, value } = stepOf(now(iterator.next()));
        if (done) return { entries };
        if (pairs) entries.push(value);
        else entries.push(dict === 'meta' ? [value, now(db.get(value))] : [value]);
      }
    } catch (error) {
      endCursor(iterator);
      throw error;
    }
    return { entries, next: iterator };
  }

  sizes() {
    return { size: now(this.#envelopes.size), metaSize: now(this.#meta.size) };
  }

  /** @param {DictName} dict */
  #dict(dict) {
    return dict === 'meta' ? this.#meta : this.#envelopes;
  }
}

/**
 * Two dictionaries that may take their time. Writes are made in the order given.
 *
 * @implements {DictHost}
 */
export class AsyncMapsHost {
  #envelopes;
  #meta;
  #locks;
  #deadline;
  supports = supports;

  /**
   * @param {AsyncDict<any>} envelopeDb
   * @param {AsyncDict<any>} metaDb
   * @param {number} deadline milliseconds after which a commit that has not ended keeps nobody waiting
   */
  constructor(envelopeDb, metaDb, deadline) {
    this.#envelopes = envelopeDb;
    this.#meta = metaDb;
    this.#locks = locksOf(metaDb);
    this.#deadline = deadline;
  }

  /**
   * @param {DictName} dict
   * @param {string} id
   */
  async read(dict, id) {
    const stored = await (dict === 'meta' ? this.#meta : this.#envelopes).get(id);
    if (stored === undefined || stored === null) return undefined;
    const value = dict === 'meta' ? snapshot(stored) : stored;
    return { value, version: value };
  }

  /** @param {Batch} batch */
  async commit({ checks, writes }) {
    const id = writes[0].id;
    const locks = this.#locks;
    for (let other; (other = locks.get(id)) && !other.isReleased;) await other.released;
    // A commit that was given up writes nothing more: somebody else may have the lock.
    const own = () => {
      if (!lock.isReleased) return;
      throw new QueueError('unknown-outcome', 'unknown-outcome: the dictionaries took too long', { id });
    };
    const work = async () => {
      for (const { dict, version } of checks) {
        const now = (await (dict === 'meta' ? this.#meta : this.#envelopes).get(id)) ?? null;
        if (version === null ? now !== null : !sameMeta(snapshot(now), version)) return false;
      }
      for (const { dict, value } of writes) {
        own();
        const db = dict === 'meta' ? this.#meta : this.#envelopes;
        await (value === undefined ? db.delete(id) : db.set(id, /** @type {any} */ (value)));
      }
      return true;
    };
    /** @type {() => void} */
    let end = () => {};
    /** @type {Lock} */
    const lock = { isReleased: false, released: new Promise((resolve) => (end = () => resolve(undefined))) };
    const leave = () => {
      lock.isReleased = true;
      if (locks.get(id) === lock) locks.delete(id);
      end();
    };
    locks.set(id, lock);
    const timer = setTimeout(leave, Math.min(this.#deadline, LONGEST_TIMER));
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      leave();
    }
  }

  /**
   * @param {DictName} dict
   * @param {any} cursor
   * @param {number} limit
   */
  async page(dict, cursor, limit) {
    const db = dict === 'meta' ? this.#meta : this.#envelopes;
    const pairs = dict === 'meta' && db.entries;
    const iterator = cursor ?? iterate(await (pairs ? pairs.call(db) : db.keys()));
    /** @type {[string, unknown?][]} */
    const entries = [];
    try {
      while (entries.length < limit) {
        const { done, value } = stepOf(await iterator.next());
        if (done) return { entries };
        if (pairs || dict === 'envelope') entries.push(pairs ? value : [value]);
        else entries.push([value, (await db.get(value)) ?? undefined]);
      }
    } catch (error) {
      endCursor(iterator);
      throw error;
    }
    return { entries, next: iterator };
  }

  async sizes() {
    return { size: await this.#envelopes.size, metaSize: await this.#meta.size };
  }
}
