/** @import { Batch, Check, DictName, Write } from '../../types.js' */
/** @import { Pending } from '../shared/pending-commits.js' */
import { failure, isLoss, lost } from './failures.js';
import { sameMeta } from '../shared/same-meta.js';
import { contentOf } from './record.js';

/** @typedef {Record<DictName, IDBObjectStore>} Stores */

/** @type {IDBRequest[]} */
const NONE = [];

/**
 * A batch in the transaction that it shares with others.
 *
 * What costs time is waiting for answers, so a batch is written along with its check wherever it can be taken back, in
 * the same transaction, when the check fails.
 */
export class Writer {
  #pending;
  /** @type {Stores} */
  #stores = /** @type {any} */ ({});
  /** @type {(error: unknown) => void} makes everybody's writes undone */
  #abort = () => {};
  /** The requests that insert, if this is an insertion. */
  #inserted = NONE;
  /** Whether its caller has been told already that it is not made. */
  #failed = false;
  /** Whether it is made, once the transaction is complete. */
  made = false;

  /** @param {Pending<Batch>} pending */
  constructor(pending) {
    this.#pending = pending;
  }

  /** Whether all that it asks for is to free space. */
  get onlyRemoves() {
    return this.#pending.writes.every(({ value }) => value === undefined);
  }

  /** The transaction is complete. */
  resolve() {
    this.#pending.resolve(this.made);
  }

  /** @param {unknown} error */
  reject(error) {
    this.#pending.reject(error);
  }

  /**
   * Makes its requests in a transaction, anew if it was tried in another one before.
   *
   * @param {Stores} stores
   * @param {(error: unknown) => void} abort
   */
  request(stores, abort) {
    if (this.#failed) return;
    [this.#stores, this.#abort, this.#inserted, this.made] = [stores, abort, NONE, false];
    const { checks, writes } = this.#pending;
    try {
      if (isInsert(checks, writes)) this.#inserted = this.#write('add');
      else if (checks.length === 0) this.#write('put');
      else if (isUpdate(checks, writes)) this.#update(checks[0]);
      else this.#check(checks);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /**
   * Whether it was this one that inserted what is there already. If that is the first record, it is the answer to this
   * batch, and what else it inserted is taken back; if not, the record is replaced.
   *
   * @param {IDBRequest} request
   */
  onConstraintError(request) {
    const { writes } = this.#pending;
    const index = this.#inserted.indexOf(request);
    if (index < 0) return false;
    if (index > 0 && this.made) {
      this.#repair(() => this.#put(writes[index], 'put'));
      return true;
    }
    this.made = false;
    for (let i = 1; i < this.#inserted.length; i++) {
      const { dict, id } = writes[i];
      this.#inserted[i].onsuccess = () => this.#repair(() => this.#put({ dict, id }, 'put'));
    }
    return true;
  }

  /**
   * Writes what is put back if the record turns out to be another one than expected.
   *
   * @param {Check} check
   */
  #update(check) {
    const { meta } = this.#stores;
    const request = meta.get(check.id);
    this.#write('put');
    request.onsuccess = () => {
      const found = request.result;
      if (this.#failed || holds(check, found)) return;
      this.made = false;
      this.#repair(() => (found === undefined ? meta.delete(check.id) : meta.put(found)));
    };
  }

  /**
   * Writes only after all checks.
   *
   * @param {Check[]} checks
   */
  #check(checks) {
    let left = checks.length;
    let all = true;
    for (const check of checks) {
      const store = this.#stores[check.dict];
      const request = check.version === null ? store.getKey(check.id) : store.get(check.id);
      request.onsuccess = () => {
        all &&= holds(check, request.result);
        if (--left === 0 && all) this.#write('put');
      };
    }
  }

  /** @param {'add' | 'put'} method */
  #write(method) {
    const requests = [];
    try {
      for (const write of this.#pending.writes) requests.push(this.#put(write, method));
      this.made = true;
    } catch (error) {
      this.#refuse(error);
      // Half of this batch may be in it already; the others are committed without it.
      if (requests.length > 0) this.#abort(lost());
    }
    return requests;
  }

  /**
   * @param {Write} write
   * @param {'add' | 'put'} method
   */
  #put({ dict, id, value }, method) {
    const store = this.#stores[dict];
    if (value === undefined) return store.delete(id);
    return dict === 'meta' ? store[method]({ id, .../** @type {object} */ (value) }) : store[method](value, id);
  }

  /**
   * Puts right what was written before the answers were there.
   *
   * @param {() => void} request
   */
  #repair(request) {
    try {
      request();
    } catch (error) {
      this.#abort(error);
    }
  }

  /** @param {unknown} error */
  #refuse(error) {
    // In Firefox the transaction after one that found no space can only delete, the next one is as any other.
    if (isLoss(error)) return this.#abort(error);
    this.#failed = true;
    this.reject(failure(error));
  }
}

/**
 * Whether a batch writes only values and checks only that there is none yet where it writes first: the engine itself
 * refuses to insert anything twice.
 *
 * @param {Check[]} checks
 * @param {Write[]} writes
 */
function isInsert(checks, writes) {
  if (checks.length !== 1 || checks[0].version !== null || checks[0].dict !== writes[0].dict) return false;
  for (const { value } of writes) if (value === undefined) return false;
  return true;
}

/**
 * Whether a batch writes one meta record and checks only what that one was.
 *
 * @param {Check[]} checks
 * @param {Write[]} writes
 */
function isUpdate([check, ...others], [write, ...more]) {
  return others.length === 0 && more.length === 0 && check.version !== null && check.dict === 'meta' &&
    write.dict === 'meta' && check.id === write.id;
}

/**
 * @param {Check} check
 * @param {any} found
 */
function holds({ version }, found) {
  return version === null ? found === undefined : found !== undefined && sameMeta(contentOf(found), version);
}
