/** @import { Batch, Check, DictName, Write } from '../types.js' */
import { QueueError } from '../errors.js';
import { PATIENCE, SILENCE, failure, isLoss } from './indexeddb-connection.js';
import { sameMeta } from './maps.js';

/**
 * A batch, and whoever handed it over.
 *
 * @typedef {object} Waiting
 * @property {Batch} batch
 * @property {boolean} done whether it was written, once the transaction is complete
 * @property {boolean} failed whether its caller has been told already that it is not
 * @property {(done: boolean) => void} resolve
 * @property {(error: unknown) => void} reject
 */

/**
 * What the requests of a transaction that only reads answer.
 *
 * @param {IDBTransaction} tx
 * @param {(store: (name: DictName) => IDBObjectStore) => IDBRequest[]} ask
 * @returns {Promise<any[]>}
 */
export function read(tx, ask) {
  return new Promise((resolve, reject) => {
    const requests = ask((name) => tx.objectStore(name));
    const end = watch(tx, reject);
    // Requests are answered in the order in which they were made.
    requests[requests.length - 1].onsuccess = () => {
      end();
      resolve(requests.map(({ result }) => result));
    };
  });
}

/**
 * Commits batches together. Each holds or fails on its own, unless the transaction as a whole is aborted.
 *
 * @param {IDBTransaction} tx
 * @param {Waiting[]} group
 * @returns {Promise<void>}
 */
export function commit(tx, group) {
  return new Promise((resolve, reject) => {
    const end = watch(tx, reject);
    tx.oncomplete = () => {
      end();
      resolve();
    };
    let spoilt = false;
    /** @param {unknown} error */
    const spoil = (error) => {
      if (spoilt) return;
      spoilt = true;
      if (!abort(tx)) return; // it has ended in another way, and says so itself
      end();
      reject(error);
    };
    for (const waiting of group) if (!spoilt && !waiting.failed) run(tx, waiting, spoil);
  });
}

/**
 * Rejects when a transaction is aborted or says nothing: with its error when nothing was written, with
 * `unknown-outcome` when it may have been committed.
 *
 * @param {IDBTransaction} tx
 * @param {(error: unknown) => void} reject
 * @returns {() => void} ends the watch
 */
function watch(tx, reject) {
  const { db } = tx;
  let interrupted = tx.mode === 'readonly';
  /** @param {DOMException | QueueError} error */
  const fail = (error) => {
    end();
    reject(interrupted || error.name === 'QuotaExceededError' ? error : unknownOutcome(error));
  };
  /** @param {DOMException | QueueError} error */
  const giveUp = (error) => {
    interrupted ||= abort(tx);
    fail(error);
  };
  // A browser that closes the connection may abort a transaction without ever saying so.
  const hurry = () => {
    clearTimeout(silence);
    silence = setTimeout(() => giveUp(lost()), PATIENCE);
  };
  const end = () => {
    clearTimeout(silence);
    db.removeEventListener('close', hurry);
  };
  let silence = setTimeout(() => {
    giveUp(new QueueError('timeout', 'timeout: the database does not answer; nothing was written'));
  }, SILENCE);
  db.addEventListener('close', hurry);
  // A transaction begins to commit when all its requests have succeeded, never before.
  tx.onerror = () => {
    interrupted = true;
  };
  tx.onabort = () => fail(tx.error ?? lost());
  return end;
}

/**
 * Aborts a transaction unless it has been aborted already, or is committing.
 *
 * @param {IDBTransaction} tx
 */
function abort(tx) {
  try {
    tx.abort();
    return true;
  } catch {
    return false;
  }
}

function lost() {
  return new DOMException('the connection was lost', 'AbortError');
}

/** @param {unknown} cause */
function unknownOutcome(cause) {
  return new QueueError('unknown-outcome', 'unknown-outcome: the database broke off while committing', { cause });
}

/**
 * Checks and writes one batch in a transaction that it shares with others.
 *
 * @param {IDBTransaction} tx
 * @param {Waiting} waiting
 * @param {(error: unknown) => void} spoil makes everybody's writes undone
 */
function run(tx, waiting, spoil) {
  const { checks, writes } = waiting.batch;
  const fresh = checks.length === 1 && checks[0].version === null && checks[0].dict === writes[0].dict;
  waiting.done = false;
  try {
    if (fresh) return insert(tx, waiting, spoil);
    let left = checks.length;
    let holds = true;
    if (left === 0) return write(tx, waiting, writes, spoil);
    for (const check of checks) {
      const store = tx.objectStore(check.dict);
      const request = check.version === null ? store.getKey(check.id) : store.get(check.id);
      request.onsuccess = () => {
        holds &&= stands(check, request.result);
        if (--left === 0 && holds) write(tx, waiting, writes, spoil);
      };
    }
  } catch (error) {
    refuse(waiting, error, spoil);
  }
}

/**
 * Inserts what the engine itself refuses to insert twice.
 *
 * @param {IDBTransaction} tx
 * @param {Waiting} waiting
 * @param {(error: unknown) => void} spoil
 */
function insert(tx, waiting, spoil) {
  const [first, ...rest] = waiting.batch.writes;
  const request = tx.objectStore(first.dict).add(first.value, first.id);
  request.onsuccess = () => write(tx, waiting, rest, spoil);
  request.onerror = (event) => {
    if (request.error?.name !== 'ConstraintError') return;
    event.preventDefault(); // it is there: this batch fails, the transaction goes on
    event.stopPropagation();
  };
}

/**
 * @param {Check} check
 * @param {any} found
 */
function stands(check, found) {
  return check.version === null ? found === undefined : found !== undefined && sameMeta(found, check.version);
}

/**
 * @param {IDBTransaction} tx
 * @param {Waiting} waiting
 * @param {Write[]} writes
 * @param {(error: unknown) => void} spoil
 */
function write(tx, waiting, writes, spoil) {
  try {
    for (const { dict, id, value } of writes) {
      const store = tx.objectStore(dict);
      if (value === undefined) store.delete(id);
      else if (dict === 'meta') store.put({ id, .../** @type {object} */ (value) });
      else store.put(value, id);
    }
    waiting.done = true;
  } catch (error) {
    refuse(waiting, error, spoil);
    spoil(lost()); // half of this batch may be in it already; the others are committed without it
  }
}

/**
 * @param {Waiting} waiting
 * @param {unknown} error
 * @param {(error: unknown) => void} spoil
 */
function refuse(waiting, error, spoil) {
  // In Firefox the transaction after one that found no space can only delete, the next one is as any other.
  if (isLoss(error)) return spoil(error);
  waiting.failed = true;
  waiting.reject(failure(error));
}
