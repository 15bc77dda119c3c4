/** @import { Batch, Check, Write } from '../types.js' */
/** @import { Watch } from './indexeddb-watch.js' */
import { QueueError } from '../errors.js';
import { failure, isLoss } from './indexeddb-connection.js';
import { abort, lost } from './indexeddb-watch.js';
import { sameMeta } from './maps.js';

/**
 * A batch and whoever waits for it.
 *
 * @typedef {object} Waiting
 * @property {Batch} batch
 * @property {boolean} done whether it is written, once the transaction is complete
 * @property {boolean} failed whether its caller has been told already that it is not
 * @property {IDBRequest[]} inserted the requests that insert, if this is an insertion
 * @property {(done: boolean) => void} resolve
 * @property {(error: unknown) => void} reject
 */

/** @type {IDBRequest[]} */
const NONE = [];

/**
 * The batches that share one transaction. Each is checked and written on its own; they are committed together.
 *
 * What costs time is waiting for answers, so a batch is written along with its check wherever it can be taken back, in
 * the same transaction, when the check fails. For the same reason one would call `commit()` early, but where a request
 * fails after that (for want of space, say) Firefox 153 completes the transaction without it.
 */
export class Group {
  /** @type {Map<string, Waiting>} by the message that they are about */
  #members = new Map();
  /** @type {{ envelope: IDBObjectStore, meta: IDBObjectStore } | undefined} while requests can be made */
  #stores;
  /** @type {(error: unknown) => void} makes everybody's writes undone */
  #spoil = () => {};
  #final = false;

  /**
   * Takes a batch until the transaction begins and as long as it is active. Its first requests are made at once: they
   * are worked on while the next batch is prepared.
   *
   * @param {Waiting} waiting
   * @returns {boolean} whether it was taken
   */
  take(waiting) {
    const { id } = waiting.batch.writes[0];
    // Batches on one message follow each other: the next one has to read what this one wrote.
    if (this.#members.has(id)) return false;
    this.#members.set(id, waiting);
    this.#request(waiting);
    return true;
  }

  /**
   * Commits everybody's writes in a transaction over both stores, anew if it was tried in another one before.
   *
   * @param {IDBTransaction} tx that is active
   * @param {Watch} watch
   * @returns {Promise<void>}
   */
  commit(tx, watch) {
    return new Promise((resolve, reject) => {
      this.#stores = { envelope: tx.objectStore('envelope'), meta: tx.objectStore('meta') };
      // One handler for all requests: one for each would cost more than what it is for.
      const end = watch.over(tx, reject, (event) => this.#excuse(event));
      tx.oncomplete = () => {
        end();
        resolve();
      };
      this.#spoil = (error) => {
        if (!this.#stores) return;
        this.#stores = undefined;
        if (!abort(tx)) return; // it has ended in another way, and says so itself
        end();
        reject(error);
      };
      for (const waiting of this.#members.values()) this.#request(waiting);
    });
  }

  /**
   * The transaction is complete.
   *
   * @returns {string[]} the messages that have changed
   */
  complete() {
    for (const { resolve, done } of this.#members.values()) resolve(done);
    return this.#changed();
  }

  /**
   * Takes those out that only remove, after the transaction found no space: removing is to free some, and what the
   * others ask for undoes it. Even by itself it may take space for a moment, so it is tried once more in any case.
   *
   * @returns {Group | undefined} of these, if there are any that were not taken out before
   */
  withdrawRemovals() {
    if (this.#final) return undefined;
    const removals = new Group();
    removals.#final = true;
    for (const [id, waiting] of this.#members) {
      if (waiting.batch.writes.every(({ value }) => value === undefined) && removals.take(waiting)) {
        this.#members.delete(id);
      }
    }
    return removals.#members.size > 0 ? removals : undefined;
  }

  /**
   * Nothing was written, or that is not known.
   *
   * @param {QueueError} error
   * @returns {string[]} the messages that may have changed
   */
  fail({ code, message, cause }) {
    for (const [id, { reject }] of this.#members) reject(new QueueError(code, message, { cause, id }));
    return code === 'unknown-outcome' ? this.#changed() : [];
  }

  #changed() {
    const ids = [];
    for (const [id, { done }] of this.#members) if (done) ids.push(id);
    return ids;
  }

  /** @param {Waiting} waiting */
  #request(waiting) {
    if (!this.#stores || waiting.failed) return;
    const { checks, writes } = waiting.batch;
    waiting.done = false;
    waiting.inserted = NONE;
    try {
      if (isInsert(checks, writes)) waiting.inserted = this.#write(waiting, 'add');
      else if (checks.length === 0) this.#write(waiting, 'put');
      else if (isUpdate(checks, writes)) this.#update(waiting, this.#stores.meta);
      else this.#check(waiting, this.#stores);
    } catch (error) {
      this.#refuse(waiting, error);
    }
  }

  /**
   * Writes what is put back if the record turns out to be another one than expected.
   *
   * @param {Waiting} waiting
   * @param {IDBObjectStore} meta
   */
  #update(waiting, meta) {
    const [check] = waiting.batch.checks;
    const request = meta.get(check.id);
    this.#write(waiting, 'put');
    request.onsuccess = () => {
      const found = request.result;
      if (waiting.failed || stands(check, found)) return;
      waiting.done = false;
      this.#repair(() => (found === undefined ? meta.delete(check.id) : meta.put(found)));
    };
  }

  /**
   * Writes only after all checks.
   *
   * @param {Waiting} waiting
   * @param {{ envelope: IDBObjectStore, meta: IDBObjectStore }} stores
   */
  #check(waiting, stores) {
    const { checks } = waiting.batch;
    let left = checks.length;
    let holds = true;
    for (const check of checks) {
      const store = stores[check.dict];
      const request = check.version === null ? store.getKey(check.id) : store.get(check.id);
      request.onsuccess = () => {
        holds &&= stands(check, request.result);
        if (--left === 0 && holds) this.#write(waiting, 'put');
      };
    }
  }

  /**
   * @param {Waiting} waiting
   * @param {'add' | 'put'} method
   */
  #write(waiting, method) {
    const requests = [];
    try {
      for (const write of waiting.batch.writes) requests.push(this.#put(write, method));
      waiting.done = true;
    } catch (error) {
      this.#refuse(waiting, error);
      // Half of this batch may be in it already; the others are committed without it.
      if (requests.length > 0) this.#spoil(lost());
    }
    return requests;
  }

  /**
   * @param {Write} write
   * @param {'add' | 'put'} method
   */
  #put({ dict, id, value }, method) {
    if (!this.#stores) throw lost();
    const store = this.#stores[dict];
    if (value === undefined) return store.delete(id);
    return dict === 'meta' ? store[method]({ id, .../** @type {object} */ (value) }) : store[method](value, id);
  }

  /**
   * A record to insert is there. If it is the first one, that is the answer to this batch, and what else it inserted is
   * taken back; if not, it is replaced.
   *
   * @param {Event} event
   * @returns {boolean} whether the transaction goes on
   */
  #excuse(event) {
    const request = /** @type {IDBRequest} */ (event.target);
    if (request.error?.name !== 'ConstraintError') return false;
    for (const waiting of this.#members.values()) {
      const { inserted, batch: { writes } } = waiting;
      const index = inserted.indexOf(request);
      if (index < 0) continue;
      event.preventDefault();
      if (index > 0 && waiting.done) {
        this.#repair(() => this.#put(writes[index], 'put'));
        return true;
      }
      waiting.done = false;
      for (let i = 1; i < inserted.length; i++) {
        const { dict, id } = writes[i];
        inserted[i].onsuccess = () => this.#repair(() => this.#put({ dict, id, value: undefined }, 'put'));
      }
      return true;
    }
    return false;
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
      this.#spoil(error);
    }
  }

  /**
   * @param {Waiting} waiting
   * @param {unknown} error
   */
  #refuse(waiting, error) {
    // In Firefox the transaction after one that found no space can only delete, the next one is as any other.
    if (isLoss(error)) return this.#spoil(error);
    waiting.failed = true;
    waiting.reject(failure(error));
  }
}

/**
 * @param {Batch} batch
 * @param {(done: boolean) => void} resolve
 * @param {(error: unknown) => void} reject
 * @returns {Waiting}
 */
export function waitingFor(batch, resolve, reject) {
  return { batch, done: false, failed: false, inserted: NONE, resolve, reject };
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
function stands(check, found) {
  return check.version === null ? found === undefined : found !== undefined && sameMeta(found, check.version);
}
