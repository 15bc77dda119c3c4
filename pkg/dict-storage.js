/** @import { Envelope, Expect, Findings, Info, Meta, Next, RepairOptions, SyncDict } from './types.js' */
import { Core, Method } from './wasm/slimta_queue_dict.js';
import { dictionary } from './arguments.js';
import { SyncMapsHost } from './hosts/maps.js';
import { Seam } from './seam/seam.js';

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
