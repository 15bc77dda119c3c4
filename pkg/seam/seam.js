/** @import { Batch, DictHost } from '../types.js' */
/** @import { SyncMapsHost } from '../hosts/maps.js' */
/** @import { ReadMeta } from './meta.js' */
import { KeyError, QueueError, describe, explain, isQueueError } from '../errors.js';
import { countRecipients, copyStored } from './envelope.js';
import { readMeta } from './meta.js';
import { Slot } from './slot.js';
import {
  ABSENT, AS_READ, DONE, DONE_WITH_MORE, NOTHING, PENDING, STRANGE, THREW, THREW_UNKNOWN,
} from './status.js';

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

/**
 * What the wasm core calls. None of these methods throws, since an exception would skip the core's destructors: one
 * that runs code of a host says how that went with a number and leaves the rest in the frame and in the slot of the
 * call, only when no more of that code will run.
 */
export class Seam {
  /** Of the call that runs now. */
  slot = new Slot();
  /**
   * Of the calls under way, by their numbers.
   *
   * @type {Slot[]}
   */
  slots = [];
  /** @type {import('./frame.js').Frame} */
  frame = /** @type {any} */ (undefined);
  /** @type {unknown} */
  error;
  #host;
  #promises;
  /** Whether the host compares contents, so that the version of what was written is what was written. */
  #comparesContents = false;
  /** @type {unknown} */
  #thrown;
  /** @type {Pending | undefined} */
  #pending;
  /** @type {ReadMeta | undefined} */
  #meta;
  /** @type {any} */
  #record;
  /** @type {Batch} */
  #batch = { checks: [], writes: [] };

  /**
   * @param {DictHost | SyncMapsHost} host
   * @param {boolean} promises whether the host may return promises
   */
  constructor(host, promises) {
    this.#host = /** @type {DictHost} */ (host);
    this.#promises = promises;
  }

  // ---- the host ----

  named() {
    this.slot.id = this.frame.takeId();
  }

  /** @param {boolean} meta */
  read(meta) {
    try {
      const answer = this.#host.read(meta ? 'meta' : 'envelope', /** @type {string} */ (this.slot.id));
      return meta ? this.#readMeta(answer) : this.#readEnvelope(answer);
    } catch (error) {
      return this.#threw(error);
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
    this.slot.version = version;
    return this.#leave(typeof value === 'object' ? readMeta(value) : undefined);
  }

  /** @param {ReadMeta | undefined} meta */
  #leave(meta) {
    const { numbers } = this.frame;
    this.#meta = meta;
    if (!meta) {
      numbers[2] = 0;
      return STRANGE;
    }
    numbers[0] = meta.timestamp;
    numbers[1] = meta.attempts;
    numbers[2] = meta.format;
    numbers[3] = meta.until;
    return meta.status;
  }

  delivered() {
    return Float64Array.from(this.#meta?.delivered ?? []);
  }

  leaseOwner() {
    return this.#meta?.owner;
  }

  /**
   * @param {any} answer
   * @returns {number}
   */
  #readEnvelope(answer) {
    if (answer === undefined || answer === null) return NOTHING;
    if (typeof answer.then === 'function') return this.#await(answer, (settled) => this.#readEnvelope(settled));
    const { value } = answer;
    if (value === undefined || value === null) return NOTHING;
    let count;
    if (this.slot.copies) {
      const copy = copyStored(value);
      this.slot.envelope = copy;
      count = copy ? copy.recipients.length : -1;
    } else {
      count = countRecipients(value);
    }
    this.frame.numbers[0] = count;
    return count < 0 ? STRANGE : DONE;
  }

  /**
   * @param {boolean} meta
   * @param {number} kind
   */
  check(meta, kind) {
    const id = /** @type {string} */ (this.slot.id);
    const version = kind === ABSENT ? null : kind === AS_READ ? this.slot.version : this.#record;
    this.#batch.checks.push({ dict: meta ? 'meta' : 'envelope', id, version });
  }

  /**
   * @param {boolean} meta
   * @param {boolean} put
   */
  write(meta, put) {
    const id = /** @type {string} */ (this.slot.id);
    const dict = meta ? 'meta' : 'envelope';
    this.#batch.writes.push(put ? { dict, id, value: meta ? this.#record : this.slot.envelope } : { dict, id });
  }

  commit() {
    const batch = this.#batch;
    this.#batch = { checks: [], writes: [] };
    try {
      return this.#committed(this.#host.commit(batch));
    } catch (error) {
      return this.#threw(error);
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
      return this.#threw(error);
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
    // Copied: a host may keep what it returned, and a Proxy may run anything.
    const page = Array.from(entries, (entry) => {
      if (!Array.isArray(entry)) throw unexpected('page', 'entries that are arrays', entry);
      return /** @type {[unknown, any, number]} */ ([entry[0], meta ? readEntry(entry[1]) : undefined, 0]);
    });
    const next = answer.next;
    this.slot.page = page;
    this.slot.cursor = next;
    return next === undefined ? DONE : DONE_WITH_MORE;
  }

  pageIds() {
    let ids = '';
    for (const [id] of this.slot.page) ids += typeof id === 'string' && /^[!-~]{32}$/.test(id) ? id : BLANK;
    return ids;
  }

  pageNumbers() {
    const { page } = this.slot;
    const numbers = new Float64Array(page.length * 3);
    for (let i = 0, place = 0; i < page.length; i++) {
      /** @type {ReadMeta | null | undefined} */
      const meta = page[i][1];
      numbers[place++] = meta ? meta.timestamp : 0;
      numbers[place++] = meta ? meta.attempts : 0;
      numbers[place++] = meta ? meta.status : meta === undefined ? NOTHING : STRANGE;
    }
    return numbers;
  }

  /** @param {number} place */
  entry(place) {
    this.#leave(this.slot.page[place][1] ?? undefined);
  }

  /** @param {number} place */
  stranger(place) {
    const [key] = this.slot.page[place];
    return typeof key === 'string' ? key : describe(key);
  }

  sizes() {
    try {
      return this.#counted(this.#host.sizes());
    } catch (error) {
      return this.#threw(error);
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
      return this.#threw(error);
    }
  }

  now() {
    return performance.now();
  }

  /** @param {any} error */
  #threw(error) {
    this.#thrown = error;
    try {
      return error?.code === 'unknown-outcome' ? THREW_UNKNOWN : THREW;
    } catch {
      return THREW;
    }
  }

  takeThrown() {
    const thrown = this.#thrown;
    this.#thrown = undefined;
    return thrown;
  }

  // ---- waiting ----

  /**
   * @param {PromiseLike<unknown>} promise
   * @param {(answer: any) => number} accept
   */
  #await(promise, accept) {
    if (!this.#promises) {
      promise.then(undefined, () => {});
      throw new QueueError('needs-async', 'a dictionary returned a promise: use AsyncDictStorage for those that do');
    }
    const { slot } = this;
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
      return this.#threw(error);
    }
  }

  /**
   * @param {number} milliseconds
   * @returns {Pending}
   */
  sleep(milliseconds) {
    const { slot } = this;
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

  // ---- a meta record to write ----

  comparesContents() {
    return this.#comparesContents;
  }

  /**
   * @param {number} timestamp
   * @param {number} attempts
   */
  meta(timestamp, attempts) {
    this.#record = { timestamp, attempts };
  }

  /** @param {Uint32Array} indexes */
  metaDelivered(indexes) {
    this.#record.deliveredIndexes = Array.from(indexes);
  }

  /**
   * @param {number} until
   * @param {string} owner
   */
  metaLease(until, owner) {
    this.#record.lease = { until, owner };
  }

  // ---- arguments ----

  /** @param {number} index */
  number(index) {
    return this.slot.numbers[index];
  }

  /** @param {number} index */
  owner(index) {
    return this.slot.owners[index];
  }

  indexes() {
    return Uint32Array.from(this.slot.indexes);
  }

  ids() {
    return this.slot.ids.filter((id) => /^[!-~]{32}$/.test(id)).join('');
  }

  // ---- results ----

  /** @param {Uint32Array} places */
  result(places) {
    this.slot.places = Array.from(places);
  }

  /**
   * @param {0 | 1 | 2} list
   * @param {string} id
   */
  finding(list, id) {
    const { orphanEnvelopes, orphanMeta, corrupt } = this.slot.findings;
    [orphanEnvelopes, orphanMeta, corrupt][list].push(id);
  }

  /**
   * @param {string} name
   * @param {number} index negative if it is no element of a list
   * @param {string} expected
   * @param {number} number
   */
  refuse(name, index, expected, number) {
    const path = index < 0 ? name : `${name}[${index}]`;
    this.error = new RangeError(`${path}: expected ${expected}, got ${describe(number)}`);
  }

  /**
   * @param {string} code
   * @param {string} reason
   * @param {boolean} hasId whether it is about the message in the frame
   * @param {boolean} hasCause
   * @param {any} cause
   */
  fail(code, reason, hasId, hasCause, cause) {
    const id = hasId ? this.frame.takeId() : undefined;
    this.error = failure(code, reason, id, hasCause, cause);
  }
}

/**
 * @param {string} code
 * @param {string} reason
 * @param {string | undefined} id
 * @param {boolean} hasCause
 * @param {any} cause
 */
function failure(code, reason, id, hasCause, cause) {
  if (hasCause && isQueueError(cause)) {
    if (id !== undefined && cause.id === undefined && Object.isExtensible(cause)) cause.id = id;
    return cause;
  }
  if (code === 'no-such-message') return new KeyError(/** @type {string} */ (id));
  const about = id === undefined ? '' : ` (${id})`;
  const why = hasCause ? `: ${explain(cause)}` : '';
  return new QueueError(code, `${code}: ${reason}${about}${why}`, hasCause ? { id, cause } : { id });
}

const BLANK = ' '.repeat(32);

/**
 * The record of an entry: `undefined` if there is none, `null` if it is none.
 *
 * @param {any} value
 * @returns {ReadMeta | null | undefined}
 */
function readEntry(value) {
  if (value === undefined || value === null) return undefined;
  try {
    return typeof value === 'object' ? readMeta(value) : null;
  } catch {
    return null;
  }
}

/** @param {unknown} value */
function count(value) {
  if (Number.isSafeInteger(value) && /** @type {number} */ (value) >= 0) return /** @type {number} */ (value);
  if (typeof (/** @type {any} */ (value)?.then) === 'function') {
    throw new QueueError('needs-async', 'a dictionary returned a promise: use AsyncDictStorage for those that do');
  }
  throw unexpected('size', 'a whole number', value);
}

/**
 * @param {string} method
 * @param {string} expected
 * @param {unknown} value
 */
function unexpected(method, expected, value) {
  return new QueueError('host', `host: ${method}: expected ${expected}, got ${describe(value)}`);
}
