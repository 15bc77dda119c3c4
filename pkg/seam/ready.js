/** @import { Slot } from './slot.js' */
/** @import { SyncDict } from '../types.js' */
import { instance } from '../binding/instance.js';
import { QueueError } from '../errors.js';
import { iterate, sameMeta, turnsFor } from '../hosts/maps.js';
import { count, refusePromise, unexpected } from './failures.js';
import { Seam } from './seam.js';
import { AS_READ, DONE, LAST, META, NOTHING, PUT } from './status.js';

/**
 * The seam to two dictionaries that answer at once. A commit makes its checks and writes as the core names them;
 * nothing else runs in between, except what the dictionaries themselves run.
 */
export class ReadySeam extends Seam {
  #envelopes;
  #meta;
  #turns;

  /**
   * @param {SyncDict<any>} envelopes
   * @param {SyncDict<any>} meta
   */
  constructor(envelopes, meta) {
    super();
    this.#envelopes = envelopes;
    this.#meta = meta;
    this.#turns = turnsFor(meta);
  }

  /** @override */
  makeCore() {
    return instance().glue.Core.ready(this);
  }

  /** @param {boolean} meta */
  read(meta) {
    const { slot } = this;
    try {
      const value = (meta ? this.#meta : this.#envelopes).get(/** @type {string} */ (slot.id));
      if (value === undefined || value === null) return NOTHING;
      refusePromise(value);
      if (!meta) return this.leaveEnvelope(value);
      return this.leaveMeta(value, value);
    } catch (error) {
      return this.threw(error);
    }
  }

  /** Takes the turn of the message. */
  #begin() {
    const { slot } = this;
    const id = /** @type {string} */ (slot.id);
    if (this.#turns.size > 0 && this.#turns.has(id)) {
      slot.committing = this.threw(
        new QueueError('conflict', 'the message is being changed already, by a call that has not ended', { id }),
      );
      return;
    }
    slot.committing = DONE;
    if (!isMap(this.#meta) || !isMap(this.#envelopes)) {
      // Their code could call back.
      this.#turns.set(id, null);
      slot.turn = true;
    }
  }

  /** @param {number} what */
  check(what) {
    const { slot } = this;
    if (slot.committing === undefined) this.#begin();
    if (slot.committing === DONE) this.#check(slot, what);
  }

  /**
   * @param {Slot} slot
   * @param {number} what
   */
  #check(slot, what) {
    try {
      const dict = what & META ? this.#meta : this.#envelopes;
      const now = refusePromise(dict.get(/** @type {string} */ (slot.id))) ?? null;
      if (what & AS_READ ? !sameMeta(now, slot.version) : now !== null) slot.committing = NOTHING;
    } catch (error) {
      slot.committing = this.threw(error);
    }
  }

  /**
   * @param {number} what
   * @param {number} timestamp
   * @param {number} attempts
   */
  write(what, timestamp, attempts) {
    const { slot } = this;
    const value = what & META ? this.takeMeta(timestamp, attempts) : slot.envelope;
    if (slot.committing === undefined) this.#begin();
    if (what & AS_READ && slot.committing === DONE) this.#check(slot, what | META);
    if (slot.committing === DONE) this.#write(slot, what, value);
    return what & LAST ? this.#end(slot) : DONE;
  }

  /**
   * @param {Slot} slot
   * @param {number} what
   * @param {unknown} value
   */
  #write(slot, what, value) {
    const id = /** @type {string} */ (slot.id);
    const dict = what & META ? this.#meta : this.#envelopes;
    try {
      refusePromise(what & PUT ? dict.set(id, value) : dict.delete(id));
    } catch (error) {
      slot.committing = this.threw(error);
    }
  }

  /** @param {Slot} slot */
  #end(slot) {
    const status = slot.committing;
    slot.committing = undefined;
    if (slot.turn) this.giveTurn(slot);
    return status;
  }

  /** @param {Slot} slot that has it */
  giveTurn(slot) {
    this.#turns.delete(/** @type {string} */ (slot.id));
    slot.turn = false;
  }

  /**
   * @param {boolean} meta
   * @param {boolean} first
   * @param {number} limit
   */
  page(meta, first, limit) {
    try {
      const dict = meta ? this.#meta : this.#envelopes;
      const pairs = meta && typeof dict.entries === 'function';
      const iterator = first ? iterate(refusePromise(pairs ? dict.entries?.() : dict.keys())) : this.slot.cursor;
      /** @type {unknown[]} */
      const keys = [];
      const values = [];
      while (keys.length < limit) {
        const { done, value } = refusePromise(iterator.next());
        if (done) return this.leavePage(meta, keys, values, undefined);
        if (pairs && !Array.isArray(value)) throw unexpected('page', 'entries that are arrays', value);
        keys.push(pairs ? value[0] : value);
        if (meta) values.push(pairs ? value[1] : refusePromise(dict.get(value)));
      }
      return this.leavePage(meta, keys, values, iterator);
    } catch (error) {
      return this.threw(error);
    }
  }

  /** What no rule of the core has a part in. */
  info() {
    return { size: count(this.#envelopes.size), metaSize: count(this.#meta.size) };
  }

  comparesContents() {
    return true;
  }
}

const { get, set, delete: remove } = Map.prototype;

/** @param {any} dict */
function isMap(dict) {
  return dict.get === get && dict.set === set && dict.delete === remove;
}
