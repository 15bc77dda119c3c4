/** @import { Envelope, Expect, Findings, Info, Meta, Next, RepairOptions, SyncDict } from './types.js' */
import { Method } from './seam/names.js';
import { dictionary } from './arguments.js';
import { QueueError } from './errors.js';
import { readArguments } from './seam/arguments.js';
import { enter, entries } from './seam/depth.js';
import { failure } from './seam/failures.js';
import { LOOK } from './seam/look.js';
import { openCore } from './seam/open.js';
import { ReadySeam } from './seam/ready.js';
import { resultOf } from './seam/results.js';
import { Slot } from './seam/slot.js';

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
    this.#seam = new ReadySeam(this.envelopeDb, this.metaDb);
    openCore(this.#seam);
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
    return new Listing(this.#seam);
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
   * What the meta record of a message says; for a `Queue`.
   *
   * @param {string} id
   * @returns {import('./types.js').Looked}
   */
  [LOOK](id) {
    return this.#call(Method.Look, id);
  }

  /**
   * Counts the envelopes and the messages.
   *
   * @returns {Info}
   */
  getInfo() {
    const seam = this.#seam;
    try {
      return seam.info();
    } catch (error) {
      throw failure('host', 'the host failed', undefined, true, error);
    }
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
   * @param {number} method
   * @param {unknown} [first]
   * @param {unknown} [second]
   * @param {unknown} [third]
   */
  #call(method, first, second, third) {
    const slot = new Slot();
    const number = readArguments(slot, method, first, second, third);
    return callNow(this.#seam, slot, method, number);
  }
}

/**
 * @param {ReadySeam} seam
 * @param {Slot} slot
 * @param {number} method
 * @param {number} number
 * @param {number} [count]
 * @returns {any}
 */
function callNow(seam, slot, method, number, count = slot.envelope?.recipients.length ?? 0) {
  const { id } = slot;
  const made = method === Method.Write && id !== undefined ? Method.WriteAs : method;
  if (!enter()) throw new QueueError('conflict', 'conflict: a dictionary calls the storage again and again', { id });
  const outer = seam.slot; // a dictionary may call back
  let result;
  try {
    const core = seam.core ?? openCore(seam);
    if (id !== undefined) seam.frame.putId(id);
    seam.slot = slot;
    result = core.call(made, number, count);
  } catch (error) {
    entries.unwound = true;
    seam.core = undefined;
    if (slot.turn) seam.giveTurn(slot);
    throw error;
  } finally {
    seam.slot = outer;
    entries.depth--;
  }
  return resultOf(seam, slot, method, result);
}

/** @implements {IterableIterator<[number, string]>} */
class Listing {
  #seam;
  /** @type {Slot | undefined} of the page before */
  #slot;
  /** @type {[number, string][] | undefined} */
  #rows = [];
  #next = 0;

  /**
   * @param {ReadySeam} seam
   */
  constructor(seam) {
    this.#seam = seam;
  }

  [Symbol.iterator]() {
    return this;
  }

  /** @returns {IteratorResult<[number, string], undefined>} */
  next() {
    while (this.#rows) {
      if (this.#next < this.#rows.length) return { done: false, value: this.#rows[this.#next++] };
      this.#turn();
    }
    return { done: true, value: undefined };
  }

  /** To the next page, if there is one. */
  #turn() {
    const { cursor } = this.#slot ?? {};
    const first = this.#slot === undefined;
    this.#rows = undefined; // where it stays if this fails
    if (!first && cursor === undefined) return;
    this.#slot = new Slot();
    this.#slot.cursor = cursor;
    this.#rows = callNow(this.#seam, this.#slot, Method.Load, 0, first ? 0 : 1);
    this.#next = 0;
  }

  /** @returns {IteratorResult<[number, string], undefined>} */
  return() {
    this.#rows = undefined;
    return { done: true, value: undefined };
  }
}
