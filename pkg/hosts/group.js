/** @import { Batch, Check, Write } from '../types.js' */
import { QueueError, explain } from '../errors.js';
import { sameMeta } from './maps.js';

/**
 * A batch and whoever waits for it.
 *
 * @typedef {object} Waiting
 * @property {Batch} batch
 * @property {boolean} done
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
  #tx;
  #stores;
  /** @type {Map<string, Waiting>} by the message that they are about */
  #members = new Map();

  /** @param {IDBTransaction} tx that is active and over both stores */
  constructor(tx) {
    this.#tx = tx;
    this.#stores = { envelope: tx.objectStore('envelope'), meta: tx.objectStore('meta') };
    // One handler for all requests: one for each would cost more than what it is for.
    tx.onerror = (event) => this.#failed(event);
  }

  /**
   * Takes a batch while the transaction is active, and makes its first requests at once: they are worked on while the
   * next batch is prepared.
   *
   * @param {Waiting} waiting
   * @returns {boolean} whether it was taken
   */
  take(waiting) {
    const { checks, writes } = waiting.batch;
    const { id } = writes[0];
    // Batches on one message follow each other: the next one has to read what this one wrote.
    if (this.#members.has(id)) return false;
    this.#members.set(id, waiting);
    try {
      if (isInsert(checks, writes)) waiting.inserted = this.#write(waiting, 'add');
      else if (checks.length === 0) this.#write(waiting, 'put');
      else if (isUpdate(checks, writes)) this.#update(waiting);
      else this.#check(waiting);
    } catch (error) {
      waiting.reject(failure(error));
    }
    return true;
  }

  /**
   * The transaction is complete.
   *
   * @returns {string[]} the messages that have changed
   */
  complete() {
    const changed = [];
    for (const [id, { resolve, done }] of this.#members) {
      resolve(done);
      if (done) changed.push(id);
    }
    return changed;
  }

  /** @param {unknown} error why there is no answer, or nothing was written */
  fail(error) {
    for (const { reject } of this.#members.values()) reject(error);
  }

  /**
   * Writes what is put back if the record turns out to be another one than expected.
   *
   * @param {Waiting} waiting
   */
  #update(waiting) {
    const [check] = waiting.batch.checks;
    const { meta } = this.#stores;
    const request = meta.get(check.id);
    this.#write(waiting, 'put');
    request.onsuccess = () => {
      const found = request.result;
      if (stands(check, found)) return;
      waiting.done = false;
      if (found === undefined) meta.delete(check.id);
      else meta.put(found);
    };
  }

  /**
   * Writes only after all checks.
   *
   * @param {Waiting} waiting
   */
  #check(waiting) {
    const { checks } = waiting.batch;
    let left = checks.length;
    let holds = true;
    for (const check of checks) {
      const store = this.#stores[check.dict];
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
      waiting.reject(failure(error));
      if (requests.length > 0) this.#tx.abort(); // half of this batch may be in it already
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
   * A record to insert is there. If it is the first one, that is the answer to this batch, and what else it inserted is
   * taken back; if not, it is replaced.
   *
   * @param {Event} event
   */
  #failed(event) {
    const request = /** @type {IDBRequest} */ (event.target);
    if (request.error?.name !== 'ConstraintError') return;
    for (const waiting of this.#members.values()) {
      const { inserted, batch: { writes } } = waiting;
      const index = inserted.indexOf(request);
      if (index < 0) continue;
      event.preventDefault(); // the transaction goes on
      if (index > 0 && waiting.done) {
        this.#put(writes[index], 'put');
        return;
      }
      waiting.done = false;
      for (let i = 1; i < inserted.length; i++) {
        inserted[i].onsuccess = () => this.#stores[writes[i].dict].delete(writes[i].id);
      }
      return;
    }
  }
}

/**
 * @param {Batch} batch
 * @param {(done: boolean) => void} resolve
 * @param {(error: unknown) => void} reject
 * @returns {Waiting}
 */
export function waitingFor(batch, resolve, reject) {
  return { batch, done: false, inserted: NONE, resolve, reject };
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

/** @param {unknown} cause */
export function failure(cause) {
  if (cause instanceof QueueError) return cause;
  const name = /** @type {any} */ (cause)?.name;
  const code = name === 'QuotaExceededError' ? 'full' : 'host';
  const reason = code === 'full' ? 'there is no space left' : 'the transaction was aborted';
  const why = cause ? explain(cause) : 'the connection was lost';
  return new QueueError(code, `${code}: ${reason}; nothing was written: ${why}`, { cause });
}
