import { Failed } from './errors.js';

// Answers of foreign code on their way into wasm: values, or promises of them.

/**
 * Makes a function of a module's instance one that can be called when that instance may be gone.
 *
 * @typedef {<A extends any[]>(f: (...args: A) => unknown) => (...args: A) => unknown} Gate
 */

/**
 * An answer that is not there yet. It never rejects, and it calls back only to the instance that waits for it.
 *
 * @template T
 */
export class Later {
  #answer;
  #gate;

  /**
   * @param {Promise<T>} answer
   * @param {Gate} gate
   */
  constructor(answer, gate) {
    this.#answer = answer;
    this.#gate = gate;
  }

  /** @param {(answer: T) => unknown} resolve */
  then(resolve) {
    return this.#answer.then(this.#gate(resolve));
  }
}

/**
 * What foreign code answers: an inert value, a promise of one, or a `Failed` with what it threw.
 *
 * @template T
 * @param {() => any} ask
 * @param {(answer: any) => T} read makes the answer inert
 * @returns {T | Failed | Promise<T | Failed>}
 */
export function answerOf(ask, read) {
  try {
    const answer = ask();
    if (typeof answer?.then !== 'function') return read(answer);
    return Promise.resolve(answer).then(read).catch((error) => new Failed(error));
  } catch (error) {
    return new Failed(error);
  }
}

/**
 * Nobody waits for a promise where none belongs. What it comes to is heard all the same: an unhandled rejection ends a
 * process.
 *
 * @param {any} value
 * @returns {boolean} whether it was a promise
 */
export function dropPromise(value) {
  if (typeof value?.then !== 'function') return false;
  Promise.resolve(value).catch(() => {});
  return true;
}

/**
 * An answer as the core takes it.
 *
 * @template T
 * @param {T | Promise<T>} answer
 * @param {Gate} gate
 * @returns {T | Later<T>}
 */
export function laterIfPromise(answer, gate) {
  return answer instanceof Promise ? new Later(answer, gate) : answer;
}
