/** @import { Envelope, Meta, SyncDict } from '../types.js' */
/** @import { Numbers } from '../queue/module.js' */
import { turnsFor } from '../hosts/maps.js';
import { copyStored } from './envelope.js';
import { isMap } from './ready.js';

/**
 * Two Maps, on which a `Queue` makes the steps of an attempt in one go: it knows what the whole record says and what it
 * shall say, so that there is nothing to decide, only to check and to write. What is not as plain as that is left to
 * the storage.
 */
export class Maps {
  #envelopes;
  #meta;
  #methods;
  #turns;

  /**
   * @param {SyncDict<Envelope>} envelopes
   * @param {SyncDict<Meta>} meta
   * @param {{ change: unknown, get: unknown, remove: unknown }} methods the storage's own: somebody may replace them
   */
  constructor(envelopes, meta, methods) {
    this.#envelopes = envelopes;
    this.#meta = meta;
    this.#methods = methods;
    this.#turns = turnsFor(meta);
  }

  /**
   * Whether a storage would do the same as is done here.
   *
   * @param {any} storage
   */
  areOf({ change, get, remove }) {
    const own = this.#methods;
    return change === own.change && get === own.get && remove === own.remove && isMap(this.#envelopes) &&
      isMap(this.#meta);
  }

  /**
   * Changes a record as the numbers say, and returns the message.
   *
   * @param {string} id
   * @param {Numbers} numbers
   * @param {string} owner
   * @returns {Envelope | undefined}
   */
  claim(id, numbers, owner) {
    try {
      const record = this.#find(id, numbers, owner);
      if (!record) return undefined;
      const envelope = copyStored(this.#envelopes.get(id));
      // Reading it may run code of whoever put it there.
      if (!envelope || this.#meta.get(id) !== record) return undefined;
      this.#put(id, record, numbers, owner);
      return envelope;
    } catch {
      return undefined; // nothing was written
    }
  }

  /**
   * Changes a record as the numbers say.
   *
   * @param {string} id
   * @param {Numbers} numbers
   * @param {string} owner
   * @returns {boolean} false if that is left to the storage
   */
  change(id, numbers, owner) {
    try {
      const record = numbers[7] === 0 ? this.#find(id, numbers, owner) : undefined;
      if (record) this.#put(id, record, numbers, owner);
      return record !== undefined;
    } catch {
      return false;
    }
  }

  /**
   * Removes a message whose record is as the numbers say; what would be marked is gone with it.
   *
   * @param {string} id
   * @param {Numbers} numbers
   * @param {string} owner
   * @returns {boolean} false if that is left to the storage
   */
  finish(id, numbers, owner) {
    try {
      if (!this.#find(id, numbers, owner)) return false;
      this.#meta.delete(id); // first, as ever: it is what lists show
      this.#envelopes.delete(id);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * A plain record that is as expected.
   *
   * @param {string} id
   * @param {Numbers} numbers
   * @param {string} owner
   */
  #find(id, numbers, owner) {
    if (this.#turns.size > 0 && this.#turns.has(id)) return undefined;
    const record = this.#meta.get(id);
    if (typeof record !== 'object' || record === null) return undefined;
    const { timestamp, attempts, deliveredIndexes, lease, format } = /** @type {Meta & { format?: unknown }} */ (record);
    if (deliveredIndexes !== undefined || format !== undefined || typeof timestamp !== 'number') return undefined;
    if (attempts !== numbers[1] || (numbers[0] === numbers[0] && timestamp !== numbers[0])) return undefined;
    const until = numbers[2];
    if (until === -Infinity) return lease === undefined ? record : undefined;
    const own = numbers[3] === 1 && typeof lease === 'object';
    return own && lease.until === until && lease.owner === owner ? record : undefined;
  }

  /**
   * @param {string} id
   * @param {Meta} record
   * @param {Numbers} numbers
   * @param {string} owner
   */
  #put(id, record, numbers, owner) {
    const attempts = numbers[5];
    const until = numbers[6];
    /** @type {Meta} */
    const next = { timestamp: numbers[4], attempts: attempts === attempts ? attempts : record.attempts };
    if (until !== -Infinity) next.lease = { until, owner };
    this.#meta.set(id, next);
  }
}
