/**
 * @import {
 *   AsyncDict, DictHost, Envelope, Expect, Findings, Info, Meta, Next, RepairOptions, StorageOptions,
 * } from './types.js'
 */
import { Method } from './seam/names.js';
import { dictionary, hostOf, milliseconds, optionsOf } from './arguments.js';
import { AsyncMapsHost } from './hosts/maps.js';
import { Calls } from './seam/calls.js';
import { LOOK } from './seam/look.js';
import { Listing } from './seam/listing.js';
import { openCore } from './seam/open.js';
import { PromisingSeam } from './seam/promising.js';
import { Waiter } from './waiter.js';

const MINUTE = 60_000;

/**
 * The same storage over a host or over dictionaries that may take their time: every result is a promise, `load` and
 * `wait` are async iterators.
 *
 * Calls may overlap. Those on one message follow each other in the order in which they were made, and a read shows
 * what was asked for before it. Against other writers a change is made on top of theirs. Every call ends by the
 * deadline: with `timeout` when nothing was handed to the host, with `unknown-outcome` and the id when something was.
 */
export class AsyncDictStorage {
  #seam;
  #calls;
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
    const options = optionsOf(isHost ? second : third);
    const deadline = milliseconds('options.deadline', options.deadline, 30_000);
    const poll = milliseconds('options.poll', options.poll, 5_000);
    this.#host = isHost
      ? hostOf(/** @type {any} */ (first))
      : new AsyncMapsHost(
          dictionary('envelopeDb', /** @type {AsyncDict<Envelope>} */ (first)), dictionary('metaDb', second), deadline,
        );
    const subscribes = typeof (/** @type {DictHost} */ (this.#host).subscribe) === 'function';
    this.#seam = new PromisingSeam(/** @type {DictHost} */ (this.#host), deadline);
    openCore(this.#seam);
    this.#calls = new Calls(this.#seam);
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
    return this.#calls.begin(Method.Write, envelope, timestamp, options);
  }

  /**
   * Sets the time of the next attempt.
   *
   * @param {string} id
   * @param {number | Date} timestamp
   * @returns {Promise<void>}
   */
  setTimestamp(id, timestamp) {
    return this.#calls.begin(Method.SetTimestamp, id, timestamp);
  }

  /**
   * Counts one attempt more and resolves with how many there are now.
   *
   * @param {string} id
   * @returns {Promise<number>}
   */
  incrementAttempts(id) {
    return this.#calls.begin(Method.IncrementAttempts, id);
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
    return this.#calls.begin(Method.SetRecipientsDelivered, id, rcptIndexes);
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
    return this.#calls.begin(Method.Change, id, expect, next);
  }

  /**
   * Yields the messages, each with the time of its next attempt, a page of the host at a time: every one that is there
   * from start to end exactly once. A record that cannot be read is left out; `check` names it.
   *
   * @returns {AsyncIterableIterator<[timestamp: number, id: string]>}
   */
  load() {
    return new Listing(this.#calls);
  }

  /**
   * Resolves with a message: its envelope with the recipients still to be delivered to, the number of attempts, and
   * the position of each of these recipients in the original list.
   *
   * @param {string} id
   * @returns {Promise<[envelope: Envelope, attempts: number, rcptIndexes: number[]]>}
   */
  get(id) {
    return this.#calls.begin(Method.Get, id);
  }

  /**
   * Removes a message; one that is not there is no error.
   *
   * @param {string} id
   * @returns {Promise<void>}
   */
  remove(id) {
    return this.#calls.begin(Method.Remove, id);
  }

  /**
   * What the meta record of a message says; for a `Queue`.
   *
   * @param {string} id
   * @returns {Promise<import('./types.js').Looked>}
   */
  [LOOK](id) {
    return this.#calls.begin(Method.Look, id);
  }

  /**
   * Counts the envelopes and the messages.
   *
   * @returns {Promise<Info>}
   */
  getInfo() {
    return this.#calls.begin(Method.GetInfo);
  }

  /**
   * Reads every record and lists what is not a whole message. Changes nothing.
   *
   * @returns {Promise<Findings>}
   */
  check() {
    return this.#calls.begin(Method.Check);
  }

  /**
   * Clears orphans, gives the messages in `requeue` a fresh meta record due at 0, and resolves with what it cleared.
   * What is corrupt is never deleted.
   *
   * @param {RepairOptions} [options]
   * @returns {Promise<Findings>}
   */
  repair(options) {
    return this.#calls.begin(Method.Repair, options);
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
    return new Waiter(() => this.#beginToWait());
  }

  /** @returns {import('./waiter.js').Waited} */
  #beginToWait() {
    const core = this.#calls.core();
    const host = /** @type {DictHost} */ (this.#host);
    this.#unsubscribe ??= host.subscribe?.((id) => {
      // A host that has missed some changes does not know which.
      if (id !== undefined && typeof id !== 'string') return;
      if (id !== undefined) this.#seam.frame.putId(id);
      this.#calls.core().notify(id === undefined);
    });
    const waiting = core.wait(this.#every);
    const look = () => document.visibilityState === 'visible' && core.notify(true);
    if (typeof document === 'object') document.addEventListener('visibilitychange', look);
    return {
      next: () => this.#calls.next(core, waiting),
      end: () => waiting.end(),
      free() {
        if (typeof document === 'object') document.removeEventListener('visibilitychange', look);
        waiting.free();
      },
    };
  }

  /**
   * Refuses every later call with `closed`, lets those under way end, and closes the host.
   *
   * @returns {Promise<void>}
   */
  async close() {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    await this.#calls.begin(Method.Close);
  }

  /** @returns {Promise<void>} */
  [Symbol.asyncDispose]() {
    return this.close();
  }
}
