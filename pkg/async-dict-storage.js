/**
 * @import {
 *   AsyncDict, DictHost, Envelope, Expect, Findings, Info, Meta, Next, RepairOptions, StorageOptions,
 * } from './types.js'
 */
import { QueueError, explain } from './errors.js';
import { dictionariesOf, hostOf, milliseconds, optionsOf } from './options.js';
import {
  copyExpect, copyId, copyIndexes, copyNext, copyRepair, copyTimestamp, copyWriteId,
} from './binding/arguments.js';
import { copyEnvelope } from './binding/envelope.js';
import { unexpected } from './binding/errors.js';
import { HostAdapter } from './binding/host.js';
import { dropPromise } from './binding/later.js';
import { WasmHalf } from './binding/wasm-half.js';
import { reachOf } from './binding/owners.js';
import { keepParts } from './binding/storages.js';
import { AsyncMapsHost, endCursor } from './hosts/maps.js';
import { AsyncListing } from './listing.js';
import { Subscription } from './subscription.js';

const MINUTE = 60_000;

/**
 * The same storage over a host or over dictionaries that may take their time: every result is a promise, `load` and
 * `wait` are async iterators.
 *
 * Calls may overlap. Those on one message follow each other in the order in which they were made, and a read shows
 * what was asked for before it. Against other writers a change is made on top of theirs. Every call ends by the
 * deadline: with `timeout` when nothing was handed to the host, with `unknown-outcome` and the id when something was, with
 * `conflict` when others changed the message each time. Calls reject with a `KeyError` for an unknown id, with `corrupt` or
 * `newer-format` for a record that cannot be read, with `closed` after `close`, and with what the host says (`host`, `full`,
 * `too-large`, `blocked`). Unless the code is `unknown-outcome`, the message is as it was; of two dictionaries one that
 * throws in the middle of a `write` or a `remove` may leave half of it. How durable a change is, once its promise has
 * resolved, is the host's `supports.durable`.
 */
export class AsyncDictStorage {
  #wasm;
  #host;
  #every;
  #isClosed = false;
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
   * @throws {TypeError} for what is neither a host nor a dictionary, a RangeError for an option that is not above 0
   */
  constructor(first, second, third) {
    const isHost = typeof (/** @type {any} */ (first)?.commit) === 'function';
    const options = optionsOf(/** @type {StorageOptions} */ (isHost ? second : third), ['deadline', 'poll']);
    const deadline = milliseconds('options.deadline', options.deadline, 30_000);
    const poll = milliseconds('options.poll', options.poll, 5_000);
    const holders = isHost ? [hostOf(/** @type {any} */ (first))] : dictionariesOf(first, second);
    this.#host = isHost ? holders[0] : new AsyncMapsHost(holders[0], holders[1], deadline);
    const subscribes = typeof (/** @type {DictHost} */ (this.#host).subscribe) === 'function';
    const own = /** @type {DictHost} */ (this.#host);
    this.#wasm = new WasmHalf(({ glue, gate }) => {
      const storage = new glue.Storage(new HostAdapter(own, false, gate), false, deadline);
      if (this.#isClosed) storage.shut();
      return storage;
    });
    this.#every = subscribes ? MINUTE : poll;
    keepParts(this, {
      wasm: this.#wasm, every: this.#every, listen: (hasMissed) => this.#listen(hasMissed),
      // Dictionaries that promise may be anywhere.
      reach: () => (isHost ? reachOf(() => own.supports) : undefined), place: isHost ? own.place : undefined,
      holders,
    });
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
  async write(envelope, timestamp, options) {
    const given = copyWriteId(options);
    const due = copyTimestamp('timestamp', timestamp);
    const copy = copyEnvelope(envelope);
    return this.#wasm.call((storage) => storage.write(copy, due, given), given);
  }

  /**
   * Sets the time of the next attempt.
   *
   * @param {string} id
   * @param {number | Date} timestamp
   * @returns {Promise<void>}
   */
  async setTimestamp(id, timestamp) {
    const due = copyTimestamp('timestamp', timestamp);
    const key = copyId('id', id);
    await this.#wasm.call((storage) => storage.setTimestamp(key, due), key);
  }

  /**
   * Counts one attempt more and resolves with how many there are now.
   *
   * @param {string} id
   * @returns {Promise<number>}
   */
  async incrementAttempts(id) {
    const key = copyId('id', id);
    return this.#wasm.call((storage) => storage.incrementAttempts(key), key);
  }

  /**
   * Marks recipients as delivered. Positions are those of the original list, as `get` returns them; calls add up,
   * repeats do nothing. Rejects with a `RangeError` for a position that is not in the list; none is marked then.
   *
   * @param {string} id
   * @param {Iterable<number>} rcptIndexes
   * @returns {Promise<void>}
   */
  async setRecipientsDelivered(id, rcptIndexes) {
    const indexes = copyIndexes('rcptIndexes', rcptIndexes);
    const key = copyId('id', id);
    await this.#wasm.call((storage) => storage.setRecipientsDelivered(key, indexes), key);
  }

  /**
   * Makes several changes of one meta record in one commit; `false`, and nothing changed, when it is not as expected.
   * Rejects with a `RangeError` for a position that is not in the original list.
   *
   * @param {string} id
   * @param {Expect | null} expect what the record must say; `null` accepts anything
   * @param {Next} next what it says then; what is not named stays
   * @returns {Promise<boolean>}
   */
  async change(id, expect, next) {
    const [expected, changed] = [copyExpect(expect), copyNext(next)];
    const key = copyId('id', id);
    return this.#wasm.call((storage) => storage.change(key, expected, changed), key);
  }

  /**
   * Yields the messages, each with the time of its next attempt, a page of the host at a time: every one that is there
   * from start to end exactly once. A record that cannot be read is left out; `check` names it. After an error it is at its
   * end.
   *
   * @returns {AsyncIterableIterator<[timestamp: number, id: string]>}
   */
  load() {
    const end = this.#host instanceof AsyncMapsHost ? endCursor : undefined; // others' cursors are their own
    return new AsyncListing((cursor) => this.#loadPage(cursor), end);
  }

  /**
   * Resolves with a message: its envelope with the recipients still to be delivered to, the number of attempts, and
   * the position of each of these recipients in the original list.
   *
   * @param {string} id
   * @returns {Promise<[envelope: Envelope, attempts: number, rcptIndexes: number[]]>}
   */
  async get(id) {
    const key = copyId('id', id);
    return this.#wasm.call((storage) => storage.get(key), key);
  }

  /**
   * Removes a message; one that is not there is no error.
   *
   * @param {string} id
   * @returns {Promise<void>}
   */
  async remove(id) {
    const key = copyId('id', id);
    await this.#wasm.call((storage) => storage.remove(key), key);
  }

  /**
   * Counts the envelopes and the messages.
   *
   * @returns {Promise<Info>}
   */
  async getInfo() {
    return this.#wasm.call((storage) => storage.getInfo());
  }

  /**
   * Reads every record and lists what is not a whole message. Changes nothing.
   *
   * @returns {Promise<Findings>}
   */
  async check() {
    return this.#wasm.call((storage) => storage.check());
  }

  /**
   * Clears orphans, gives the messages in `requeue` a fresh meta record due at 0, and resolves with what it cleared, the
   * messages of `requeue` under `corrupt`. What is corrupt is never deleted. An orphan envelope goes only if this object
   * knew it `minAge` milliseconds ago (3,600,000). Each message is a commit of its own: after an error, what was cleared
   * stays cleared.
   *
   * @param {RepairOptions} [options]
   * @returns {Promise<Findings>}
   */
  async repair(options) {
    const { minAge, requeue } = copyRepair(options);
    return this.#wasm.call((storage) => storage.repair(minAge, requeue));
  }

  /**
   * Yields every message and every changed timestamp at least once, beginning with what is there, until the storage is
   * closed: what this object does, what the host says that others do, and what looking through everything finds, every
   * `poll` milliseconds or, where the host has `subscribe`, every minute and when the page becomes visible. `return`
   * ends it, what was asked for before as well, and leaves no timer behind.
   *
   * @returns {AsyncIterableIterator<[timestamp: number, id: string]>}
   */
  wait() {
    return new Subscription(() => this.#subscribe());
  }

  /** @param {unknown} cursor */
  async #loadPage(cursor) {
    return this.#wasm.call((storage) => storage.loadPage(cursor));
  }

  /**
   * Hears of what others change, where the host tells of it.
   *
   * @param {boolean} [hasMissed] whether that may have been missed lately
   */
  #listen(hasMissed) {
    if (hasMissed) this.#notify();
    const host = /** @type {DictHost} */ (this.#host);
    if (this.#unsubscribe || this.#isClosed || !host.subscribe) return;
    /** @type {unknown} */
    const unsubscribe = attributed('subscribe', () => host.subscribe?.((id) => this.#notify(id)));
    if (unsubscribe === undefined) return;
    if (typeof unsubscribe !== 'function') {
      dropPromise(unsubscribe);
      throw unexpected('subscribe', 'a function that ends it', unsubscribe);
    }
    this.#unsubscribe = /** @type {() => void} */ (unsubscribe);
  }

  /** @param {string} [id] none where the host has missed some changes and does not know which */
  #notify(id = '') {
    if (typeof id === 'string') this.#wasm.call((storage) => storage.notify(id));
  }

  /** @returns {import('./subscription.js').Source} */
  #subscribe() {
    this.#listen();
    const subscription = new WasmHalf(() => this.#wasm.call((storage) => storage.wait(this.#every)));
    const rescan = () => document.visibilityState === 'visible' && this.#notify();
    if (typeof document === 'object') document.addEventListener('visibilitychange', rescan);
    return {
      next: async () => subscription.call((half) => half.next()),
      end: () => subscription.call((half) => half.end()),
      free() {
        if (typeof document === 'object') document.removeEventListener('visibilitychange', rescan);
        subscription.free();
      },
    };
  }

  /**
   * Refuses every later call with `closed`, lets those under way end, and closes the host.
   *
   * @returns {Promise<void>}
   */
  async close() {
    const unsubscribe = this.#unsubscribe;
    this.#unsubscribe = undefined;
    const closing = this.#wasm.call((storage) => storage.close());
    this.#isClosed = true;
    await Promise.all([closing, unsubscribe && (async () => attributed('unsubscribe', unsubscribe))()]);
  }

  /** @returns {Promise<void>} */
  [Symbol.asyncDispose]() {
    return this.close();
  }
}

/**
 * What a host answers to a call that is no business of the core.
 *
 * @template T
 * @param {string} method
 * @param {() => T} ask
 * @returns {T}
 */
function attributed(method, ask) {
  try {
    return ask();
  } catch (error) {
    throw new QueueError('host', `host: ${method}: ${explain(error)}`, { cause: error });
  }
}
