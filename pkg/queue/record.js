/** @import { Envelope, Expect, Lease, MaybePromise, Next } from '../types.js' */
/** @import { Context } from './context.js' */
/** @import { Numbers } from './module.js' */
import { LOOK } from '../look.js';
import { isPromise } from './promises.js';

/** One message in the storage, as an attempt claims and changes it. */
export class Record {
  #context;
  #id;
  /**
   * The claim of somebody else that was seen last.
   *
   * @type {Lease | null}
   */
  seen = null;
  /** What the last claim has expected. */
  #expected = NaN;

  /**
   * @param {Context} context
   * @param {string} id
   */
  constructor(context, id) {
    this.#context = context;
    this.#id = id;
  }

  /**
   * What the record says; a storage that cannot tell of a lease leaves it out.
   *
   * @returns {MaybePromise<{ timestamp: number, attempts: number, lease?: Lease | null }>}
   */
  look() {
    const { storage } = this.#context;
    if (storage[LOOK]) return this.#call(() => /** @type {any} */ (storage)[LOOK](this.#id));
    // Then a claim counts on its moving the timestamp.
    const got = this.get();
    return isPromise(got) ? got.then((one) => this.#counted(one)) : this.#counted(got);
  }

  /** @param {[envelope: Envelope, attempts: number, indexes: number[]]} got */
  #counted([, attempts]) {
    return { timestamp: this.#expected, attempts };
  }

  /**
   * @param {Numbers} numbers
   * @param {() => number[]} marks
   * @returns {MaybePromise<boolean>}
   */
  change([timestamp, attempts, until, own, nextTimestamp, nextAttempts, nextUntil, count], marks) {
    /** @type {Expect} */
    const expect = {};
    if (timestamp === timestamp) expect.timestamp = this.#expected = timestamp;
    if (attempts === attempts) expect.attempts = attempts;
    if (until === until) expect.lease = own || until === -Infinity ? this.#mine(until) : this.seen;
    /** @type {Next} */
    const next = {};
    if (nextTimestamp === nextTimestamp) next.timestamp = nextTimestamp;
    if (nextAttempts === nextAttempts) next.attempts = nextAttempts;
    if (nextUntil === nextUntil) next.lease = this.#mine(nextUntil);
    if (count > 0) next.delivered = marks();
    return this.#call((storage) => storage.change(this.#id, expect, next));
  }

  /** @param {number} until */
  #mine(until) {
    return until === -Infinity ? null : { until, owner: this.#context.owner };
  }

  get() {
    return this.#call((storage) => storage.get(this.#id));
  }

  remove() {
    return this.#call((storage) => storage.remove(this.#id));
  }

  /**
   * @template T
   * @param {(storage: Context['storage']) => MaybePromise<T>} call
   * @returns {MaybePromise<T>}
   */
  #call(call) {
    const { storage, storePool } = this.#context;
    return storePool ? storePool.run(() => call(storage)) : call(storage);
  }
}
