/** @import { Batch } from '../../types.js' */
/** @import { Pending } from '../shared/pending-commits.js' */
/** @import { Connection } from './connection.js' */
/** @import { Stores } from './writer.js' */
/** @import { Watch } from './watch.js' */
import { QueueError } from '../../errors.js';
import { Writer } from './writer.js';
import { abort } from './watch.js';

const STORES = /** @type {const} */ (['envelope', 'meta']);

/**
 * The batches that share one transaction: those that are there when it begins, and those of the microtasks that
 * wait by then. Each is checked and written on its own; they are committed together.
 *
 * To wait for less one would call `commit()` early, but where a request fails after that (for want of space, say)
 * Firefox 153 completes the transaction without it.
 */
export class WriteGroup {
  #connection;
  #options;
  #publish;
  /** @type {Map<string, Writer>} by the message that they are about */
  #writers = new Map();
  #isOpen = true;
  #isFinal = false;
  /** @type {Stores | undefined} while requests can be made */
  #stores;
  /** @type {(error: unknown) => void} */
  #abort = () => {};

  /**
   * @param {Connection} connection
   * @param {IDBTransactionOptions} options
   * @param {(ids: string[]) => void} publish which messages have changed, or may have
   */
  constructor(connection, options, publish) {
    this.#connection = connection;
    this.#options = options;
    this.#publish = publish;
  }

  /**
   * Requests are made at once, if they can be: they are worked on while the next batch is prepared.
   *
   * @param {Pending<Batch>} pending
   */
  take(pending) {
    const { id } = pending.writes[0];
    // Batches on one message follow each other: the next one has to read what this one wrote.
    if (!this.#isOpen || this.#writers.has(id)) return false;
    const writer = new Writer(pending);
    this.#writers.set(id, writer);
    this.#request(writer);
    return true;
  }

  async commit() {
    try {
      await this.#connection.transaction(STORES, 'readwrite', this.#options, (tx, watch) => {
        queueMicrotask(() => (this.#isOpen = false));
        return this.#write(tx, watch);
      });
      for (const writer of this.#writers.values()) writer.resolve();
      this.#publish(this.#changed());
    } catch (error) {
      await this.#fail(/** @type {QueueError} */ (error));
    }
  }

  /**
   * Makes everybody's requests, anew if they were made in another transaction before.
   *
   * @param {IDBTransaction} tx that is active
   * @param {Watch} watch
   * @returns {Promise<void>}
   */
  #write(tx, watch) {
    return new Promise((resolve, reject) => {
      this.#stores = { envelope: tx.objectStore('envelope'), meta: tx.objectStore('meta') };
      // One handler for all requests: one for each would cost more than what it is for.
      const end = watch.over(tx, reject, (event) => this.#onRequestError(event));
      tx.oncomplete = () => {
        end();
        resolve();
      };
      this.#abort = (error) => {
        if (!this.#stores) return;
        this.#stores = undefined;
        if (!abort(tx)) return; // it has ended in another way, and says so itself
        end();
        reject(error);
      };
      for (const writer of this.#writers.values()) this.#request(writer);
    });
  }

  /** @param {Writer} writer */
  #request(writer) {
    if (this.#stores) writer.request(this.#stores, this.#abort);
  }

  /**
   * A record to insert is there.
   *
   * @param {Event} event
   * @returns {boolean} whether the transaction goes on
   */
  #onRequestError(event) {
    const request = /** @type {IDBRequest} */ (event.target);
    if (request.error?.name !== 'ConstraintError') return false;
    for (const writer of this.#writers.values()) {
      if (!writer.onConstraintError(request)) continue;
      event.preventDefault();
      return true;
    }
    return false;
  }

  /**
   * Nothing was written, or that is not known.
   *
   * @param {QueueError} error
   */
  async #fail({ code, message, cause }) {
    this.#isOpen = false;
    const removals = code === 'full' && !this.#isFinal ? this.#deletesAlone() : undefined;
    for (const [id, writer] of this.#writers) writer.reject(new QueueError(code, message, { cause, id }));
    if (code === 'unknown-outcome') this.#publish(this.#changed());
    await removals?.commit();
  }

  /**
   * Takes those out that only remove, after the transaction found no space: removing is to free some, and what the
   * others ask for undoes it. Even by itself it may take space for a moment, so it is tried once more in any case.
   *
   * @returns {WriteGroup | undefined} of these, if there are any
   */
  #deletesAlone() {
    const removals = new WriteGroup(this.#connection, this.#options, this.#publish);
    removals.#isOpen = false;
    removals.#isFinal = true;
    for (const [id, writer] of this.#writers) {
      if (!writer.onlyRemoves) continue;
      removals.#writers.set(id, writer);
      this.#writers.delete(id);
    }
    return removals.#writers.size > 0 ? removals : undefined;
  }

  #changed() {
    return [...this.#writers].filter(([, { made }]) => made).map(([id]) => id);
  }
}
