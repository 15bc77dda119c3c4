/** @import { Envelope, Expect, Findings, Info, Meta, Next, RepairOptions, SyncDict } from './types.js' */
import { dictionariesOf } from './options.js';
import {
  copyExpect, copyId, copyIndexes, copyNext, copyRepair, copyTimestamp, copyWriteId,
} from './binding/arguments.js';
import { copyEnvelope } from './binding/envelope.js';
import { HostAdapter } from './binding/host.js';
import { WasmHalf } from './binding/wasm-half.js';
import { keepParts } from './binding/storages.js';
import { SyncMapsHost, endCursor } from './hosts/maps.js';
import { Listing } from './listing.js';

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
  #wasm;

  /**
   * @param {SyncDict<Envelope> | null} [envelopeDb] where envelopes are kept; a new Map unless given
   * @param {SyncDict<Meta> | null} [metaDb] where meta records are kept; a new Map unless given
   * @throws {TypeError} for what is no dictionary
   */
  constructor(envelopeDb, metaDb) {
    const holders = dictionariesOf(envelopeDb, metaDb);
    /** @readonly @type {SyncDict<Envelope>} */
    this.envelopeDb = holders[0];
    /** @readonly @type {SyncDict<Meta>} */
    this.metaDb = holders[1];
    const host = new SyncMapsHost(this.envelopeDb, this.metaDb);
    this.#wasm = new WasmHalf(({ glue, gate }) => new glue.Storage(new HostAdapter(host, true, gate), true, 0));
    // What is like a Map may be in a place that other programs reach, as a page's localStorage.
    const areMaps = holders.every((dict) => dict instanceof Map);
    keepParts(this, {
      wasm: this.#wasm, every: undefined, reach: () => (areMaps ? 'here' : undefined), listen() {}, holders,
    });
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
   * @returns {void}
   */
  setTimestamp(id, timestamp) {
    const due = copyTimestamp('timestamp', timestamp);
    const key = copyId('id', id);
    this.#wasm.call((storage) => storage.setTimestamp(key, due), key);
  }

  /**
   * Counts one attempt more and returns how many there are now.
   *
   * @param {string} id
   * @returns {number}
   */
  incrementAttempts(id) {
    const key = copyId('id', id);
    return this.#wasm.call((storage) => storage.incrementAttempts(key), key);
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
    const indexes = copyIndexes('rcptIndexes', rcptIndexes);
    const key = copyId('id', id);
    this.#wasm.call((storage) => storage.setRecipientsDelivered(key, indexes), key);
  }

  /**
   * Makes several changes of one meta record together; `false`, and nothing changed, when it is not as expected.
   *
   * @param {string} id
   * @param {Expect | null} expect what the record must say; `null` accepts anything
   * @param {Next} next what it says then; what is not named stays
   * @returns {boolean}
   * @throws {RangeError} for a position that is not in the original list
   */
  change(id, expect, next) {
    const [expected, changed] = [copyExpect(expect), copyNext(next)];
    const key = copyId('id', id);
    return this.#wasm.call((storage) => storage.change(key, expected, changed), key);
  }

  /**
   * Yields the messages, each with the time of its next attempt, in the order of the dictionary: every one that is
   * there from start to end exactly once. A record that cannot be read is left out; `check` names it. After an error it is
   * at its end.
   *
   * @returns {IterableIterator<[timestamp: number, id: string]>}
   */
  load() {
    return new Listing(this.#wasm, endCursor);
  }

  /**
   * Returns a message: its envelope with the recipients still to be delivered to, the number of attempts, and the
   * position of each of these recipients in the original list.
   *
   * @param {string} id
   * @returns {[envelope: Envelope, attempts: number, rcptIndexes: number[]]}
   */
  get(id) {
    const key = copyId('id', id);
    return this.#wasm.call((storage) => storage.get(key), key);
  }

  /**
   * Removes a message; one that is not there is no error.
   *
   * @param {string} id
   * @returns {void}
   */
  remove(id) {
    const key = copyId('id', id);
    this.#wasm.call((storage) => storage.remove(key), key);
  }

  /**
   * Counts the envelopes and the messages.
   *
   * @returns {Info}
   */
  getInfo() {
    return this.#wasm.call((storage) => storage.getInfo());
  }

  /**
   * Reads every record and lists what is not a whole message. Changes nothing.
   *
   * @returns {Findings}
   */
  check() {
    return this.#wasm.call((storage) => storage.check());
  }

  /**
   * Clears orphans, gives the messages in `requeue` a fresh meta record due at 0, and returns what it cleared, the messages
   * of `requeue` under `corrupt`. What is corrupt is never deleted. An orphan envelope goes only if this object knew it
   * `minAge` milliseconds ago (3,600,000). Each message is changed on its own: after an error, what was cleared stays
   * cleared.
   *
   * @param {RepairOptions} [options]
   * @returns {Findings}
   */
  repair(options) {
    const { minAge, requeue } = copyRepair(options);
    return this.#wasm.call((storage) => storage.repair(minAge, requeue));
  }
}
