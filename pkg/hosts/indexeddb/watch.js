import { QueueError } from '../../errors.js';
import { unknownOutcome } from '../shared/failures.js';
import { lost } from './failures.js';

/** How often, in milliseconds, transactions are looked at. */
const INTERVAL = 1_000;
/** After how many looks a transaction that says nothing is given up: after twenty seconds at least. */
const PATIENCE = 21;
/** The same once its connection is closed. */
const PATIENCE_CLOSED = 2;

/**
 * @typedef {object} Watched
 * @property {number} looks
 * @property {boolean} closed
 * @property {(error: QueueError | DOMException) => void} giveUp
 * @property {() => void} interrupt
 */

/** Waits for the ends of the transactions of a host. One timer serves all: one for each would slow commits down. */
export class Watch {
  /** @type {Set<Watched>} */
  #watched = new Set();
  #looking = false;

  /**
   * Rejects when a transaction is aborted or says nothing: with its error when nothing was written, with
   * `unknown-outcome` when it may have been committed.
   *
   * @param {IDBTransaction} tx
   * @param {(error: unknown) => void} reject
   * @param {(event: Event) => boolean} [goesOn] whether the transaction goes on although a request failed
   * @returns {() => void} ends the watch
   */
  over(tx, reject, goesOn = () => false) {
    const { db } = tx;
    let interrupted = tx.mode === 'readonly';
    /** @param {QueueError | DOMException} error */
    const fail = (error) => {
      end();
      reject(interrupted || error.name === 'QuotaExceededError' ? error : unknownOutcome('the database broke off while committing', error));
    };
    /** @type {Watched} */
    const watched = {
      looks: PATIENCE,
      closed: false,
      giveUp(error) {
        interrupted ||= abort(tx);
        fail(error);
      },
      interrupt() {
        if (!abort(tx)) return; // it is being committed, and ends by itself
        interrupted = true;
        fail(lost());
      },
    };
    // A browser that closes the connection may abort a transaction without ever saying so.
    const onClose = () => {
      watched.looks = Math.min(watched.looks, PATIENCE_CLOSED);
      watched.closed = true;
    };
    const end = () => {
      this.#watched.delete(watched);
      db.removeEventListener('close', onClose);
    };
    db.addEventListener('close', onClose);
    // A transaction begins to commit when all its requests have succeeded, never before.
    tx.onerror = (event) => {
      interrupted ||= !goesOn(event);
    };
    tx.onabort = () => fail(tx.error ?? lost());
    this.#watched.add(watched);
    if (!this.#looking) this.#lookLater();
    return end;
  }

  /** Aborts what has not begun to be committed. Whoever waits for it is told that the connection was lost. */
  interrupt() {
    for (const watched of this.#watched) watched.interrupt();
  }

  #lookLater() {
    this.#looking = true;
    const timer = setTimeout(() => this.#look(), INTERVAL);
    /** @type {any} */ (timer).unref?.(); // what goes on keeps a process of Node alive by itself
  }

  #look() {
    for (const watched of this.#watched) {
      if (--watched.looks > 0) continue;
      watched.giveUp(watched.closed ? lost() : silent());
    }
    this.#looking = false;
    if (this.#watched.size > 0) this.#lookLater();
  }
}

/**
 * Aborts a transaction unless it has been aborted already, or is committing.
 *
 * @param {IDBTransaction} tx
 */
export function abort(tx) {
  try {
    tx.abort();
    return true;
  } catch {
    return false;
  }
}

function silent() {
  return new QueueError('timeout', 'timeout: the database does not answer');
}
