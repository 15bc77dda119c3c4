/** @import { Batch, DictHost } from '../types.js' */
/** @import { CallSlot } from './slot.js' */
import { instance } from '../binding/instance.js';
import { count, unexpected } from './failures.js';
import { Seam } from './seam.js';
import { AS_READ, DONE, LAST, META, NOTHING, PENDING, PUT } from './status.js';

const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * An answer that a host takes its time for, or a timer.
 *
 * @typedef {object} Pending
 * @property {boolean} settled
 * @property {any} answer
 * @property {(answer: any) => number} accept
 * @property {any} timer
 */

/** The seam to a host that may take its time. */
export class PromisingSeam extends Seam {
  /**
   * Of the calls under way, by their numbers.
   *
   * @type {(CallSlot | undefined)[]}
   */
  slots = [];
  #host;
  #deadline;
  /** Whether the host compares contents, so that the version of what was written is what was written. */
  #comparesContents = false;
  /** @type {Pending | undefined} */
  #pending = undefined;
  /** @type {Batch} */
  #batch = { checks: [], writes: [] };

  /**
   * @param {DictHost} host
   * @param {number} deadline of a call, in milliseconds
   */
  constructor(host, deadline) {
    super();
    this.#host = host;
    this.#deadline = deadline;
  }

  /** @override */
  makeCore() {
    this.#batch = { checks: [], writes: [] }; // the core that was lost may have been at one
    return instance().glue.Core.promising(this, this.#deadline);
  }

  // ---- the host ----

  /** @param {boolean} meta */
  read(meta) {
    try {
      const answer = this.#host.read(meta ? 'meta' : 'envelope', /** @type {string} */ (this.slot.id));
      return meta ? this.#readMeta(answer) : this.#readEnvelope(answer);
    } catch (error) {
      return this.threw(error);
    }
  }

  /**
   * @param {any} answer
   * @returns {number}
   */
  #readMeta(answer) {
    if (answer === undefined || answer === null) return NOTHING;
    if (typeof answer.then === 'function') return this.#await(answer, (settled) => this.#readMeta(settled));
    const { value, version } = answer;
    if (value === undefined || value === null) return NOTHING;
    this.#comparesContents = version === value;
    return this.leaveMeta(value, version);
  }

  /**
   * @param {any} answer
   * @returns {number}
   */
  #readEnvelope(answer) {
    if (answer === undefined || answer === null) return NOTHING;
    if (typeof answer.then === 'function') return this.#await(answer, (settled) => this.#readEnvelope(settled));
    const { value } = answer;
    return value === undefined || value === null ? NOTHING : this.leaveEnvelope(value);
  }

  comparesContents() {
    return this.#comparesContents;
  }

  /**
   * @param {number} what
   * @param {number} timestamp
   * @param {number} attempts
   */
  check(what, timestamp, attempts) {
    this.#check(what, what & PUT ? this.takeMeta(timestamp, attempts) : null);
  }

  /**
   * @param {number} what
   * @param {unknown} version
   */
  #check(what, version) {
    this.#batch.checks.push({ dict: dictOf(what), id: /** @type {string} */ (this.slot.id), version });
  }

  /**
   * @param {number} what
   * @param {number} timestamp
   * @param {number} attempts
   */
  write(what, timestamp, attempts) {
    const { slot } = this;
    const id = /** @type {string} */ (slot.id);
    const dict = dictOf(what);
    if (what & AS_READ) this.#check(META, slot.version);
    const value = what & META ? this.takeMeta(timestamp, attempts) : slot.envelope;
    this.#batch.writes.push(what & PUT ? { dict, id, value } : { dict, id });
    return what & LAST ? this.#commit() : DONE;
  }

  #commit() {
    const batch = this.#batch;
    this.#batch = { checks: [], writes: [] };
    try {
      return this.#committed(this.#host.commit(batch));
    } catch (error) {
      return this.threw(error);
    }
  }

  /**
   * @param {any} answer
   * @returns {number}
   */
  #committed(answer) {
    if (answer === true) return DONE;
    if (answer === false) return NOTHING;
    if (typeof answer?.then === 'function') return this.#await(answer, (settled) => this.#committed(settled));
    throw unexpected('commit', 'true or false', answer);
  }

  /**
   * @param {boolean} meta
   * @param {boolean} first
   * @param {number} limit
   */
  page(meta, first, limit) {
    try {
      const cursor = first ? undefined : this.slot.cursor;
      return this.#paged(meta, this.#host.page(meta ? 'meta' : 'envelope', cursor, limit));
    } catch (error) {
      return this.threw(error);
    }
  }

  /**
   * @param {boolean} meta
   * @param {any} answer
   * @returns {number}
   */
  #paged(meta, answer) {
    if (typeof answer?.then === 'function') return this.#await(answer, (settled) => this.#paged(meta, settled));
    const entries = answer?.entries;
    if (!Array.isArray(entries)) throw unexpected('page', 'entries', answer);
    const keys = [];
    const values = [];
    for (const entry of entries) {
      if (!Array.isArray(entry)) throw unexpected('page', 'entries that are arrays', entry);
      keys.push(entry[0]);
      values.push(entry[1]);
    }
    return this.leavePage(meta, keys, values, answer.next);
  }

  sizes() {
    try {
      return this.#counted(this.#host.sizes());
    } catch (error) {
      return this.threw(error);
    }
  }

  /**
   * @param {any} answer
   * @returns {number}
   */
  #counted(answer) {
    if (typeof answer?.then === 'function') return this.#await(answer, (settled) => this.#counted(settled));
    const [size, metaSize] = [count(answer?.size), count(answer?.metaSize)];
    this.frame.numbers[0] = size;
    this.frame.numbers[1] = metaSize;
    return DONE;
  }

  close() {
    try {
      const answer = this.#host.close?.();
      return typeof answer?.then === 'function' ? this.#await(answer, () => DONE) : DONE;
    } catch (error) {
      return this.threw(error);
    }
  }

  // ---- waiting ----

  /**
   * @param {PromiseLike<unknown>} promise
   * @param {(answer: any) => number} accept
   */
  #await(promise, accept) {
    const slot = /** @type {CallSlot} */ (this.slot);
    /** @type {Pending} */
    const pending = { settled: false, answer: undefined, accept, timer: undefined };
    /** @param {unknown} answer */
    const settle = (answer) => {
      pending.settled = true;
      pending.answer = answer;
      slot.calls?.poll(slot);
    };
    this.#pending = pending;
    // A thenable may do anything when it is called; a promise calls it later and settles once.
    (promise instanceof Promise ? promise : Promise.resolve(promise)).then(settle, (error) => {
      pending.accept = () => {
        throw error;
      };
      settle(undefined);
    });
    return PENDING;
  }

  takePending() {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }

  /** @param {Pending} pending */
  resume(pending) {
    if (!pending.settled) return PENDING;
    try {
      return pending.accept(pending.answer);
    } catch (error) {
      return this.threw(error);
    }
  }

  /**
   * @param {number} milliseconds
   * @returns {Pending}
   */
  sleep(milliseconds) {
    const slot = /** @type {CallSlot} */ (this.slot);
    /** @type {Pending} */
    const pending = { settled: false, answer: undefined, accept: () => DONE, timer: undefined };
    pending.timer = setTimeout(() => {
      pending.settled = true;
      slot.calls?.poll(slot);
    }, Math.min(milliseconds, LONGEST_TIMER));
    return pending;
  }

  /** @param {Pending} pending */
  cancel(pending) {
    clearTimeout(pending.timer);
  }

  /** @param {number} number */
  wake(number) {
    const slot = this.slots[number];
    if (slot) queueMicrotask(() => slot.calls?.poll(slot));
  }
}

/** @param {number} what */
function dictOf(what) {
  return what & META ? 'meta' : 'envelope';
}
