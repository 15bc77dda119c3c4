/** @import { Batch, DictHost } from '../types.js' */
/** @import { SyncMapsHost } from '../hosts/maps.js' */
import { QueueError, describe } from '../errors.js';
import { DONE, DONE_WITH_MORE, NOTHING, PENDING, STRANGE } from './status.js';
import { Values } from './values.js';

const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * What the wasm core calls. None of these methods throws, since an exception would skip the core's destructors: one
 * that runs code of a caller or a host says how that went with a number and leaves the rest in the slots, only when no
 * more of that code will run.
 */
export class Seam extends Values {
  #host;
  #promises;
  /** Whether the host compares contents, so that the version of what was written is what was written. */
  #comparesContents = false;
  /** @type {Batch} */
  #batch = { checks: [], writes: [] };
  /** @type {any} */
  #record;
  /** @type {any} */
  #lease;
  /** @type {any} */
  #delivered;

  /**
   * @param {DictHost | SyncMapsHost} host
   * @param {boolean} promises whether the host may return promises
   */
  constructor(host, promises) {
    super();
    this.#host = /** @type {DictHost} */ (host);
    this.#promises = promises;
  }

  // ---- the host ----

  /**
   * @param {boolean} meta
   * @param {string} id
   */
  read(meta, id) {
    try {
      return this.#readAnswer(meta, this.#host.read(meta ? 'meta' : 'envelope', id));
    } catch (error) {
      return this.threw(error);
    }
  }

  /**
   * @param {boolean} meta
   * @param {any} answer
   */
  readAnswer(meta, answer) {
    try {
      return this.#readAnswer(meta, answer);
    } catch (error) {
      return this.threw(error);
    }
  }

  /**
   * @param {boolean} meta
   * @param {any} answer
   */
  #readAnswer(meta, answer) {
    if (answer === undefined || answer === null) return NOTHING;
    if (typeof answer.then === 'function') return this.#pending(answer);
    const { value, version } = answer;
    if (value === undefined || value === null) return NOTHING;
    if (!meta) {
      this.value = value;
      return DONE;
    }
    const status = this.#readMeta(value);
    this.#comparesContents = version === value;
    this.version = version;
    return status;
  }

  /** @param {any} record */
  #readMeta(record) {
    if (typeof record !== 'object' || record === null) return STRANGE;
    const { timestamp, attempts, deliveredIndexes, lease, format } = record;
    const more = deliveredIndexes !== undefined || lease !== undefined || format !== undefined;
    if (more) {
      const delivered = Array.isArray(deliveredIndexes) ? deliveredIndexes.slice() : deliveredIndexes;
      const claim = typeof lease === 'object' && lease !== null ? { until: lease.until, owner: lease.owner } : lease;
      this.format = typeof format === 'number' ? format : 0;
      this.#delivered = delivered;
      this.#lease = claim;
    }
    this.first = typeof timestamp === 'number' ? timestamp : NaN;
    this.second = typeof attempts === 'number' ? attempts : NaN;
    return more ? DONE_WITH_MORE : DONE;
  }

  delivered() {
    const delivered = this.#delivered;
    if (delivered === undefined) return [];
    if (!Array.isArray(delivered) || !delivered.every((index) => typeof index === 'number')) return undefined;
    return Float64Array.from(delivered);
  }

  get leaseKind() {
    return this.#lease === undefined ? NOTHING : typeof this.#lease === 'object' && this.#lease ? DONE : STRANGE;
  }

  get leaseUntil() {
    return typeof this.#lease.until === 'number' ? this.#lease.until : NaN;
  }

  get leaseOwner() {
    return typeof this.#lease.owner === 'string' ? this.#lease.owner : undefined;
  }

  /**
   * @param {boolean} meta
   * @param {string} id
   */
  checkAbsent(meta, id) {
    this.#batch.checks.push({ dict: meta ? 'meta' : 'envelope', id, version: null });
  }

  /**
   * @param {string} id
   * @param {any} version
   */
  checkVersion(id, version) {
    this.#batch.checks.push({ dict: 'meta', id, version });
  }

  /**
   * @param {string} id
   * @param {any} value
   */
  putEnvelope(id, value) {
    this.#batch.writes.push({ dict: 'envelope', id, value });
  }

  /** @param {string} id */
  putMeta(id) {
    this.#batch.writes.push({ dict: 'meta', id, value: this.#record });
  }

  /**
   * @param {boolean} meta
   * @param {string} id
   */
  delete(meta, id) {
    this.#batch.writes.push({ dict: meta ? 'meta' : 'envelope', id });
  }

  commit() {
    const batch = this.#batch;
    this.#batch = { checks: [], writes: [] };
    try {
      return this.#commitAnswer(this.#host.commit(batch));
    } catch (error) {
      return this.threw(error);
    }
  }

  /** @param {any} answer */
  commitAnswer(answer) {
    try {
      return this.#commitAnswer(answer);
    } catch (error) {
      return this.threw(error);
    }
  }

  /** @param {any} answer */
  #commitAnswer(answer) {
    if (answer === true) return DONE;
    if (answer === false) return NOTHING;
    if (typeof answer?.then === 'function') return this.#pending(answer);
    throw unexpected('commit', 'true or false', answer);
  }

  /**
   * @param {boolean} meta
   * @param {any} cursor
   * @param {number} limit
   */
  page(meta, cursor, limit) {
    try {
      return this.#pageAnswer(this.#host.page(meta ? 'meta' : 'envelope', cursor, limit));
    } catch (error) {
      return this.threw(error);
    }
  }

  /** @param {any} answer */
  pageAnswer(answer) {
    try {
      return this.#pageAnswer(answer);
    } catch (error) {
      return this.threw(error);
    }
  }

  /** @param {any} answer */
  #pageAnswer(answer) {
    if (typeof answer?.then === 'function') return this.#pending(answer);
    const entries = answer?.entries;
    if (!Array.isArray(entries)) throw unexpected('page', 'entries', answer);
    // Copied: a host may keep what it returned, and a Proxy may run anything.
    const copy = Array.from(entries, (entry) => {
      if (!Array.isArray(entry)) throw unexpected('page', 'entries that are arrays', entry);
      return [entry[0], entry[1]];
    });
    const next = answer.next;
    this.value = copy;
    this.version = next;
    return DONE;
  }

  /** @param {any[]} entries */
  pageIds(entries) {
    const blank = ' '.repeat(32);
    let ids = '';
    for (const [id] of entries) ids += typeof id === 'string' && /^[!-~]{32}$/.test(id) ? id : blank;
    return ids;
  }

  /**
   * @param {any[]} entries
   * @param {number} index
   */
  entryKey(entries, index) {
    const key = entries[index][0];
    return typeof key === 'string' ? key : describe(key);
  }

  /**
   * @param {any[]} entries
   * @param {number} index
   */
  entryMeta(entries, index) {
    try {
      const value = entries[index][1];
      return value === undefined || value === null ? NOTHING : this.#readMeta(value);
    } catch {
      return STRANGE;
    }
  }

  sizes() {
    try {
      return this.#sizesAnswer(this.#host.sizes());
    } catch (error) {
      return this.threw(error);
    }
  }

  /** @param {any} answer */
  sizesAnswer(answer) {
    try {
      return this.#sizesAnswer(answer);
    } catch (error) {
      return this.threw(error);
    }
  }

  /** @param {any} answer */
  #sizesAnswer(answer) {
    if (typeof answer?.then === 'function') return this.#pending(answer);
    this.first = size(answer?.size);
    this.second = size(answer?.metaSize);
    return DONE;
  }

  close() {
    try {
      const answer = this.#host.close?.();
      return typeof answer?.then === 'function' ? this.#pending(answer) : DONE;
    } catch (error) {
      return this.threw(error);
    }
  }

  /** @param {number} milliseconds */
  sleep(milliseconds) {
    /** @type {{ handle?: any, end: () => void }} */
    const timer = { end: () => {} };
    this.value = new Promise((resolve) => {
      timer.end = () => resolve(undefined);
      timer.handle = setTimeout(timer.end, Math.min(milliseconds, LONGEST_TIMER));
    });
    return timer;
  }

  /**
   * Ends a timer early. What waits for its promise is freed only once that settles.
   *
   * @param {{ handle?: any, end: () => void }} timer
   */
  wake(timer) {
    clearTimeout(timer.handle);
    timer.end();
  }

  now() {
    return performance.now();
  }

  /** @param {PromiseLike<unknown>} promise */
  #pending(promise) {
    if (!this.#promises) {
      promise.then(undefined, () => {});
      throw new QueueError('needs-async', 'a dictionary returned a promise: use AsyncDictStorage for those that do');
    }
    // A thenable may do anything when it is called; a promise calls it later and settles once.
    this.value = promise instanceof Promise ? promise : Promise.resolve(promise);
    return PENDING;
  }

  // ---- a meta record to write ----

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

  metaVersion() {
    return this.#comparesContents ? this.#record : undefined;
  }
}

/** @param {unknown} value */
function size(value) {
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
