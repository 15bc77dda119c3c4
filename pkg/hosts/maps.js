/** @import { AsyncDict, Batch, DictHost, DictName, SyncDict } from '../types.js' */
import { now } from '../binding/host.js';
import { QueueError } from '../errors.js';

/**
 * Who is changing a message.
 *
 * @typedef {object} Turn
 * @property {boolean} isOver
 * @property {Promise<unknown>} [end]
 */

/**
 * By meta dictionary: two storages over the same dictionaries share the turns.
 *
 * @type {WeakMap<object, Map<string, Turn>>}
 */
const turnsOf = new WeakMap();

/** @param {object} dict */
function turnsFor(dict) {
  let turns = turnsOf.get(dict);
  if (!turns) turnsOf.set(dict, (turns = new Map()));
  return turns;
}

/**
 * Whether a meta record says what another one said, whatever else a host keeps in it.
 *
 * @param {any} one
 * @param {any} other
 * @returns {boolean}
 */
export function sameMeta(one, other) {
  if (one === other) return true;
  if (!isObject(one) || !isObject(other)) return Object.is(one, other);
  return same(one.timestamp, other.timestamp) && same(one.attempts, other.attempts) &&
    same(one.deliveredIndexes, other.deliveredIndexes) && same(one.lease, other.lease) &&
    same(one.format, other.format);
}

/**
 * Garbage is compared too, so that it can be replaced by a commit that has seen it.
 *
 * @param {any} one
 * @param {any} other
 * @param {number} [depth]
 * @returns {boolean}
 */
function same(one, other, depth = 0) {
  if (Object.is(one, other)) return true;
  if (!isObject(one) || !isObject(other) || depth > 3) return false;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => same(one[key], other[key], depth + 1));
}

/** @param {any} value */
function isObject(value) {
  return typeof value === 'object' && value !== null;
}

/**
 * What a record says now: the dictionary's own object may be changed by its owner.
 *
 * @param {any} record
 */
function snapshot(record) {
  if (typeof record !== 'object' || !record) return record;
  const { timestamp, attempts, format, deliveredIndexes, lease } = record;
  return {
    ...record, timestamp, attempts, format,
    deliveredIndexes: Array.isArray(deliveredIndexes) ? deliveredIndexes.slice() : deliveredIndexes,
    lease: typeof lease === 'object' && lease ? { until: lease.until, owner: lease.owner } : lease,
  };
}

/** @type {DictHost['supports']} */
const supports = { atomic: false, writers: 'one', exactlyOnceLoad: true, durable: 'none' };

/** @param {any} iterable */
function iterate(iterable) {
  return iterable[Symbol.asyncIterator]?.() ?? iterable[Symbol.iterator]();
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
  #turns;
  supports = supports;

  /**
   * @param {SyncDict<any>} envelopeDb
   * @param {SyncDict<any>} metaDb
   */
  constructor(envelopeDb, metaDb) {
    this.#envelopes = envelopeDb;
    this.#meta = metaDb;
    this.#turns = turnsFor(metaDb);
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
    if (this.#turns.get(id)?.isOver === false) {
      const reason = 'the message is being changed already, by a call that has not ended';
      throw new QueueError('conflict', `conflict: ${reason}`, { id });
    }
    /** @type {Turn} */
    const turn = { isOver: false };
    this.#turns.set(id, turn);
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
      turn.isOver = true; // where the stack of the program has ended, no call can be made
      this.#turns.delete(id);
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
    while (entries.length < limit) {
      const { done, value } = now(iterator.next());
      if (done) return { entries };
      if (pairs) entries.push(value);
      else entries.push(dict === 'meta' ? [value, now(db.get(value))] : [value]);
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
  #turns;
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
    this.#turns = turnsFor(metaDb);
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
    const turns = this.#turns;
    for (let other; (other = turns.get(id)) && !other.isOver;) await other.end;
    // A commit that was given up writes nothing more: somebody else may have the turn.
    const own = () => {
      if (!turn.isOver) return;
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
    /** @type {Turn} */
    const turn = { isOver: false, end: new Promise((resolve) => (end = () => resolve(undefined))) };
    const leave = () => {
      turn.isOver = true;
      if (turns.get(id) === turn) turns.delete(id);
      end();
    };
    turns.set(id, turn);
    const timer = setTimeout(leave, this.#deadline);
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
    while (entries.length < limit) {
      const { done, value } = await iterator.next();
      if (done) return { entries };
      if (pairs || dict === 'envelope') entries.push(pairs ? value : [value]);
      else entries.push([value, (await db.get(value)) ?? undefined]);
    }
    return { entries, next: iterator };
  }

  async sizes() {
    return { size: await this.#envelopes.size, metaSize: await this.#meta.size };
  }
}
