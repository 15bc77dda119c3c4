/**
 * @import {
 *   AsyncDict, DictHost, Envelope, Expect, Findings, Info, Meta, Next, RepairOptions, StorageOptions, SyncDict,
 * } from './types.js'
 */
import { Core, Method } from './wasm/slimta_queue_dict.js';
import { describe } from './errors.js';
import { AsyncMapsHost, SyncMapsHost } from './hosts/maps.js';
import { Seam } from './seam/seam.js';

const MINUTE = 60_000;

/**
 * A mail queue's storage over two dictionaries that answer at once, for example two Maps: envelopes in one, what
 * changes of a message in the other. After slimta's QueueStorage
 * (https://slimta.org/en/latest/api/slimta.queue.html).
 *
 * When a method returns, its effect is in the dictionaries; when it throws, the message is as it was, unless a
 * dictionary threw in the middle of a `write`, which then leaves at most an envelope that no list shows (see `check`),
 * or of a `remove`. Arguments are copied and results are copies. A wrong type is a `TypeError`, a number out of range a
 * `RangeError`, an unknown id a `KeyError`, and what a dictionary throws the `cause` of a `QueueError`.
 */
export class DictStorage {
  #seam;
  #core;

  /**
   * @param {SyncDict<Envelope> | null} [envelopeDb] where envelopes are kept; a new Map unless given
   * @param {SyncDict<Meta> | null} [metaDb] where meta records are kept; a new Map unless given
   * @throws {TypeError} for what is no dictionary
   */
  constructor(envelopeDb, metaDb) {
    /** @readonly @type {SyncDict<Envelope>} */
    this.envelopeDb = dictionary('envelopeDb', envelopeDb);
    /** @readonly @type {SyncDict<Meta>} */
    this.metaDb = dictionary('metaDb', metaDb);
    this.#seam = new Seam(new SyncMapsHost(this.envelopeDb, this.metaDb), false);
    this.#core = Core.ready(/** @type {any} */ (this.#seam));
  }

  /**
   * Stores a message and returns its id: 32 lower-case hex digits, a version 4 UUID unless `options.id` says
   * otherwise. A message that is there already under the given id stays as it is.
   *
   * @param {Envelope} envelope who gets the message, and the message
   * @param {number | Date} timestamp when the first attempt is due, in the caller's unit; a Date in milliseconds
   * @param {{ id?: string }} [options]
   * @returns {string}
   */
  write(envelope, timestamp, options) {
    return this.#call(Method.Write, envelope, timestamp, options);
  }

  /**
   * Sets the time of the next attempt.
   *
   * @param {string} id
   * @param {number | Date} timestamp
   * @returns {void}
   */
  setTimestamp(id, timestamp) {
    this.#call(Method.SetTimestamp, id, timestamp);
  }

  /**
   * Counts one attempt more and returns how many there are now.
   *
   * @param {string} id
   * @returns {number}
   */
  incrementAttempts(id) {
    return this.#call(Method.IncrementAttempts, id);
  }

  /**
   * Marks recipients as delivered. Positions are those of the original list, as `get` returns them; calls add up,
   * repeats do nothing.
   *
   * @param {string} id
   * @param {Iterable<number>} rcptIndexes
   * @returns {void}
   * @throws {RangeError} for a position that is not in the original list; none is marked then
   */
  setRecipientsDelivered(id, rcptIndexes) {
    this.#call(Method.SetRecipientsDelivered, id, rcptIndexes);
  }

  /**
   * Makes several changes of one meta record together; `false`, and nothing changed, when it is not as expected.
   *
   * @param {string} id
   * @param {Expect | null} expect what the record must say; `null` accepts anything
   * @param {Next} next what it says then; what is not named stays
   * @returns {boolean}
   */
  change(id, expect, next) {
    return this.#call(Method.Change, id, expect, next);
  }

  /**
   * Yields the messages, each with the time of its next attempt, in the order of the dictionary: every one that is
   * there from start to end exactly once. A record that cannot be read is left out; `check` names it.
   *
   * @returns {IterableIterator<[timestamp: number, id: string]>}
   */
  load() {
    return new Listing(this.#core, this.#seam);
  }

  /**
   * Returns a message: its envelope with the recipients still to be delivered to, the number of attempts, and the
   * position of each of these recipients in the original list.
   *
   * @param {string} id
   * @returns {[envelope: Envelope, attempts: number, rcptIndexes: number[]]}
   */
  get(id) {
    return this.#call(Method.Get, id);
  }

  /**
   * Removes a message; one that is not there is no error.
   *
   * @param {string} id
   * @returns {void}
   */
  remove(id) {
    this.#call(Method.Remove, id);
  }

  /**
   * Counts the envelopes and the messages.
   *
   * @returns {Info}
   */
  getInfo() {
    return this.#call(Method.GetInfo);
  }

  /**
   * Reads every record and lists what is not a whole message. Changes nothing.
   *
   * @returns {Findings}
   */
  check() {
    return this.#call(Method.Check);
  }

  /**
   * Clears orphans, gives the messages in `requeue` a fresh meta record due at 0, and returns what it cleared. What is
   * corrupt is never deleted.
   *
   * @param {RepairOptions} [options]
   * @returns {Findings}
   */
  repair(options) {
    return this.#call(Method.Repair, options);
  }

  /**
   * @param {Method} method
   * @param {unknown} [first]
   * @param {unknown} [second]
   * @param {unknown} [third]
   */
  #call(method, first, second, third) {
    const result = this.#core.call(method, first, second, third);
    if (result === null) throw this.#seam.takeError();
    return result;
  }
}

/** @implements {IterableIterator<[number, string]>} */
class Listing {
  #core;
  #seam;
  #progress;
  /** @type {[number, string][] | null | undefined} */
  #page = [];
  #next = 0;

  /**
   * @param {Core} core
   * @param {Seam} seam
   */
  constructor(core, seam) {
    this.#core = core;
    this.#seam = seam;
    this.#progress = core.load();
  }

  [Symbol.iterator]() {
    return this;
  }

  /** @returns {IteratorResult<[number, string], undefined>} */
  next() {
    while (this.#page) {
      if (this.#next < this.#page.length) return { done: false, value: this.#page[this.#next++] };
      this.#next = 0;
      this.#page = this.#core.next(this.#progress);
      if (this.#page === null) throw this.#seam.takeError();
    }
    return { done: true, value: undefined };
  }

  /** @returns {IteratorResult<[number, string], undefined>} */
  return() {
    this.#page = null;
    return { done: true, value: undefined };
  }
}

/**
 * The same storage over a host or over dictionaries that may take their time: every result is a promise, `load` and
 * `wait` are async iterators.
 *
 * Calls may overlap. Those on one message follow each other in the order in which they were made, and a read shows
 * what was asked for before it. Against other writers a change is made on top of theirs. Every call ends by the
 * deadline: with `timeout` when nothing was handed to the host, with `unknown-outcome` and the id when something was.
 */
export class AsyncDictStorage {
  #core;
  #host;
  #every;
  /** @type {(() => void) | undefined} */
  #unsubscribe;

  /**
   * @overload
   * @param {DictHost} host
   * @param {StorageOptions} [options]
   */
  /**
   * @overload
   * @param {AsyncDict<Envelope> | null} [envelopeDb]
   * @param {AsyncDict<Meta> | null} [metaDb]
   * @param {StorageOptions} [options]
   */
  /**
   * @param {DictHost | AsyncDict<Envelope> | null} [first] a host, or where envelopes are kept (a new Map unless given)
   * @param {any} [second] options, or where meta records are kept (a new Map unless given)
   * @param {StorageOptions} [third] options
   * @throws {TypeError} for what is neither a host nor a dictionary
   */
  constructor(first, second, third) {
    const isHost = typeof (/** @type {any} */ (first)?.commit) === 'function';
    const options = (isHost ? second : third) ?? {};
    if (typeof options !== 'object') throw new TypeError(`options: expected an object, got ${describe(options)}`);
    const deadline = milliseconds('options.deadline', options.deadline, 30_000);
    const poll = milliseconds('options.poll', options.poll, 5_000);
    this.#host = isHost
      ? host(/** @type {any} */ (first))
      : new AsyncMapsHost(
          dictionary('envelopeDb', /** @type {AsyncDict<Envelope>} */ (first)), dictionary('metaDb', second), deadline,
        );
    const subscribes = typeof (/** @type {DictHost} */ (this.#host).subscribe) === 'function';
    const seam = /** @type {any} */ (new Seam(this.#host, true));
    this.#core = Core.promising(seam, deadline);
    this.#every = subscribes ? MINUTE : poll;
  }

  /**
   * Stores a message and resolves with its id: 32 lower-case hex digits, a version 4 UUID unless `options.id` says
   * otherwise. A message that is there already under the given id stays as it is, so a write whose outcome is unknown
   * can be repeated with its id.
   *
   * @param {Envelope} envelope who gets the message, and the message
   * @param {number | Date} timestamp when the first attempt is due, in the caller's unit; a Date in milliseconds
   * @param {{ id?: string }} [options]
   * @returns {Promise<string>}
   */
  write(envelope, timestamp, options) {
    return this.#begin(Method.Write, envelope, timestamp, options);
  }

  /**
   * Sets the time of the next attempt.
   *
   * @param {string} id
   * @param {number | Date} timestamp
   * @returns {Promise<void>}
   */
  setTimestamp(id, timestamp) {
    return this.#begin(Method.SetTimestamp, id, timestamp);
  }

  /**
   * Counts one attempt more and resolves with how many there are now.
   *
   * @param {string} id
   * @returns {Promise<number>}
   */
  incrementAttempts(id) {
    return this.#begin(Method.IncrementAttempts, id);
  }

  /**
   * Marks recipients as delivered. Positions are those of the original list, as `get` returns them; calls add up,
   * repeats do nothing. Rejects with a `RangeError` for a position that is not in the list; none is marked then.
   *
   * @param {string} id
   * @param {Iterable<number>} rcptIndexes
   * @returns {Promise<void>}
   */
  setRecipientsDelivered(id, rcptIndexes) {
    return this.#begin(Method.SetRecipientsDelivered, id, rcptIndexes);
  }

  /**
   * Makes several changes of one meta record in one commit; `false`, and nothing changed, when it is not as expected.
   *
   * @param {string} id
   * @param {Expect | null} expect what the record must say; `null` accepts anything
   * @param {Next} next what it says then; what is not named stays
   * @returns {Promise<boolean>}
   */
  change(id, expect, next) {
    return this.#begin(Method.Change, id, expect, next);
  }

  /**
   * Yields the messages, each with the time of its next attempt, a page of the host at a time: every one that is there
   * from start to end exactly once. A record that cannot be read is left out; `check` names it.
   *
   * @returns {AsyncIterableIterator<[timestamp: number, id: string]>}
   */
  async *load() {
    const progress = this.#core.load();
    try {
      for (let page; (page = await this.#core.nextLater(progress)); ) yield* page;
    } finally {
      progress.free();
    }
  }

  /**
   * Resolves with a message: its envelope with the recipients still to be delivered to, the number of attempts, and
   * the position of each of these recipients in the original list.
   *
   * @param {string} id
   * @returns {Promise<[envelope: Envelope, attempts: number, rcptIndexes: number[]]>}
   */
  get(id) {
    return this.#begin(Method.Get, id);
  }

  /**
   * Removes a message; one that is not there is no error.
   *
   * @param {string} id
   * @returns {Promise<void>}
   */
  remove(id) {
    return this.#begin(Method.Remove, id);
  }

  /**
   * Counts the envelopes and the messages.
   *
   * @returns {Promise<Info>}
   */
  getInfo() {
    return this.#begin(Method.GetInfo);
  }

  /**
   * Reads every record and lists what is not a whole message. Changes nothing.
   *
   * @returns {Promise<Findings>}
   */
  check() {
    return this.#begin(Method.Check);
  }

  /**
   * Clears orphans, gives the messages in `requeue` a fresh meta record due at 0, and resolves with what it cleared.
   * What is corrupt is never deleted.
   *
   * @param {RepairOptions} [options]
   * @returns {Promise<Findings>}
   */
  repair(options) {
    return this.#begin(Method.Repair, options);
  }

  /**
   * Yields every message and every changed timestamp at least once, beginning with what is there, until the storage is
   * closed: what this object does, what the host says that others do, and what looking through everything finds, every
   * `poll` milliseconds or, where the host has `subscribe`, every minute and when the page becomes visible.
   *
   * @returns {AsyncIterableIterator<[timestamp: number, id: string]>}
   */
  async *wait() {
    const core = this.#core;
    const host = /** @type {DictHost} */ (this.#host);
    this.#unsubscribe ??= host.subscribe?.((id) => core.notify(id));
    const progress = core.wait(this.#every);
    const look = () => document.visibilityState === 'visible' && core.notify(undefined);
    if (typeof document === 'object') document.addEventListener('visibilitychange', look);
    try {
      for (let message; (message = await core.nextLater(progress)); ) yield message;
    } finally {
      if (typeof document === 'object') document.removeEventListener('visibilitychange', look);
      progress.free();
    }
  }

  /**
   * Refuses every later call with `closed`, lets those under way end, and closes the host.
   *
   * @returns {Promise<void>}
   */
  async close() {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    await this.#begin(Method.Close);
  }

  /** @returns {Promise<void>} */
  [Symbol.asyncDispose]() {
    return this.close();
  }

  /**
   * @param {Method} method
   * @param {unknown} [first]
   * @param {unknown} [second]
   * @param {unknown} [third]
   */
  #begin(method, first, second, third) {
    return this.#core.begin(method, first, second, third);
  }
}

/**
 * @template {SyncDict<any> | AsyncDict<any>} D
 * @param {string} name
 * @param {D | null | undefined} dict
 * @returns {any}
 */
function dictionary(name, dict) {
  if (dict === undefined || dict === null) return new Map();
  for (const method of ['get', 'set', 'delete', 'keys']) {
    if (typeof dict !== 'object' && typeof dict !== 'function' ||
        typeof (/** @type {any} */ (dict)[method]) !== 'function') {
      throw new TypeError(`${name}: expected a dictionary with a method ${method}, got ${describe(dict)}`);
    }
  }
  return dict;
}

/**
 * @param {DictHost} host
 * @returns {DictHost}
 */
function host(host) {
  for (const method of /** @type {const} */ (['read', 'commit', 'page', 'sizes'])) {
    if (typeof host[method] !== 'function') {
      throw new TypeError(`host: expected a host with a method ${method}, got ${describe(host)}`);
    }
  }
  return host;
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} otherwise
 */
function milliseconds(name, value, otherwise) {
  if (value === undefined) return otherwise;
  if (typeof value !== 'number') {
    throw new TypeError(`${name}: expected a number of milliseconds, got ${describe(value)}`);
  }
  if (!(value > 0)) throw new RangeError(`${name}: expected more than 0 milliseconds, got ${describe(value)}`);
  return value;
}
