/** @import { Instance } from './instance.js' */
import { KeyError, QueueError } from '../errors.js';
import { Failed } from './errors.js';
import { instance, loader, lost } from './instance.js';

// How the classes of this package reach the exported classes of src/wasm.

/**
 * The half of an object that lives in wasm. It is made at the first use, and again in a fresh instance.
 *
 * @template T
 */
export class WasmHalf {
  #make;
  /** @type {T | undefined} */
  #half;
  /** @type {Instance | undefined} */
  #instance;

  /** @param {(instance: Instance) => T | Failed} make */
  constructor(make) {
    loader(); // who forgot to give a module learns of it here
    this.#make = make;
  }

  /**
   * What a method of the half comes to: its result, or a promise of that; throws what it failed with.
   *
   * @param {(half: T) => any} method
   * @param {string} [id] of the message that it speaks of
   * @param {string} [key] that the message was given
   * @returns {any}
   */
  call(method, id, key) {
    const now = instance();
    if (now.isTooDeep) {
      throw new QueueError('conflict', 'conflict: a dictionary calls the storage again and again', { id });
    }
    const half = this.in(now);
    const result = half instanceof Failed ? half : now.enter(() => method(half));
    if (!now.isAlive) throw lost(id, key); // a call within this one has ended the instance
    if (result instanceof Failed) throw result.error;
    if (result === null) throw new KeyError(/** @type {string} */ (id)); // it is no message's
    return result instanceof Promise ? now.track(result, id, key) : result;
  }

  /** Whether there is a half, and an instance for it. */
  get isMade() {
    return this.#half !== undefined && this.#instance?.isAlive === true;
  }

  /**
   * The half in an instance, or why there is none: what is thrown where another half is being made would end the instance.
   *
   * @param {Instance} now
   * @returns {T | Failed}
   */
  in(now) {
    if (this.#half === undefined || this.#instance !== now) {
      const made = now.enter(() => this.#make(now));
      if (made instanceof Failed) return made;
      this.#half = made;
      this.#instance = now;
    }
    return this.#half;
  }

  /** Gives its memory back; the next call makes it again. */
  free() {
    const half = /** @type {{ free(): void } | undefined} */ (this.#half);
    const now = this.#instance;
    this.#half = undefined;
    if (half && now?.isAlive) now.enter(() => half.free());
  }
}
