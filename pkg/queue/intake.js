/** @import { Envelope, MaybePromise, Policy } from '../types.js' */
/** @import { Context } from './context.js' */
import { QueueError } from '../errors.js';
import { instance } from '../binding/instance.js';
import { applied, queueError } from './policies.js';
import { isPromise } from './promises.js';

/** What came of envelopes: the id of each, or why it was not stored. */
/** @typedef {[envelope: Envelope, id: string | QueueError][]} Accepted */

/** Takes messages over: has the policies change them, and stores them. */
export class Intake {
  #context;
  #put;
  /** @type {Policy[]} */
  #policies = [];

  /**
   * @param {Context} context
   * @param {(timestamp: number, id: string) => void} put is told of each one that was stored
   */
  constructor(context, put) {
    this.#context = context;
    this.#put = put;
  }

  /** @param {Policy} policy */
  addPolicy(policy) {
    this.#policies.push(policy);
  }

  /**
   * @param {Envelope} envelope
   * @param {string} [id] of the first message that it becomes; those of the others follow from it
   * @param {number} [delay]
   * @returns {MaybePromise<Accepted>}
   */
  accept(envelope, id, delay = 0) {
    if (this.#policies.length === 0) return this.#acceptOne(envelope, id, delay);
    const envelopes = this.#policies.reduce(applied, [envelope]);
    if (envelopes.length === 1) return this.#acceptOne(envelopes[0], id, delay);
    return Promise.all(envelopes.map(async (one, i) => {
      const as = id !== undefined && i > 0 ? instance().glue.Decisions.derived(id, String(i)) : id;
      try {
        return /** @type {[Envelope, string]} */ ([one, await this.write(one, as, delay)]);
      } catch (error) {
        return /** @type {[Envelope, QueueError]} */ ([one, queueError(error)]);
      }
    }));
  }

  /**
   * @param {Envelope} envelope
   * @param {string | undefined} id
   * @param {number} delay
   * @returns {MaybePromise<Accepted>}
   */
  #acceptOne(envelope, id, delay) {
    try {
      const written = this.write(envelope, id, delay);
      if (!isPromise(written)) return [[envelope, written]];
      return written.then((id) => [[envelope, id]], (reason) => refused(envelope, reason));
    } catch (error) {
      return refused(envelope, error);
    }
  }

  /**
   * Stores a message as it is.
   *
   * @param {Envelope} envelope
   * @param {string} [as]
   * @param {number} [delay]
   * @returns {MaybePromise<string>}
   */
  write(envelope, as, delay = 0) {
    const { storage, storePool } = this.#context;
    const timestamp = Date.now() + delay;
    const options = as === undefined ? undefined : { id: as };
    const written = storePool ? storePool.run(() => storage.write(envelope, timestamp, options))
      : storage.write(envelope, timestamp, options);
    if (isPromise(written)) return written.then((id) => this.#written(envelope, timestamp, id));
    return this.#written(envelope, timestamp, written);
  }

  /**
   * @param {Envelope} envelope
   * @param {number} timestamp
   * @param {string} id
   */
  #written(envelope, timestamp, id) {
    const { dispatch, hears } = this.#context;
    if (hears('queued')) dispatch('queued', () => ({ id, envelope, attempts: 0 }));
    this.#put(timestamp, id);
    return id;
  }
}

/**
 * @param {Envelope} envelope
 * @param {unknown} reason
 * @returns {Accepted}
 */
function refused(envelope, reason) {
  if (!(reason instanceof QueueError)) throw reason; // the envelope is at fault
  return [[envelope, reason]];
}
