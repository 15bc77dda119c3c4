import { memory } from '../wasm/queue.js';

const NUMBERS = 8;
const DIGITS = 32;

/**
 * What the core says of a step: of a change, timestamp, attempts and lease that are expected, whether that lease is one
 * of this queue, then timestamp, attempts and lease that are next, and how many marks there are. NaN stands for what is
 * not named, -Infinity for a lease that is not there. Of other steps, one number.
 *
 * @typedef {[
 *   timestamp: number, attempts: number, until: number, own: number,
 *   nextTimestamp: number, nextAttempts: number, nextUntil: number, marks: number,
 * ]} Numbers
 */

/** The memory that both sides use: the numbers of a step and an id; see src/js/frame.rs. */
export class Frame {
  #address;
  #decoder = new TextDecoder();
  /** Both are made when they are needed, anew whenever the memory has grown. */
  #numbers = new Float64Array();
  #digits = new Uint8Array();

  /** @param {number} address */
  constructor(address) {
    this.#address = address;
  }

  #renew() {
    this.#numbers = new Float64Array(memory().buffer, this.#address, NUMBERS);
    this.#digits = new Uint8Array(memory().buffer, this.#address + NUMBERS * 8, DIGITS);
  }

  /** @returns {Numbers} a copy */
  takeNumbers() {
    if (this.#numbers.length === 0) this.#renew();
    const from = this.#numbers;
    return [from[0], from[1], from[2], from[3], from[4], from[5], from[6], from[7]];
  }

  /**
   * What is no id is none for the core either.
   *
   * @param {string} id
   */
  putId(id) {
    if (this.#digits.length === 0) this.#renew();
    const digits = this.#digits;
    const length = id.length === DIGITS ? DIGITS : 0;
    digits[0] = 0;
    for (let i = 0; i < length; i++) {
      const code = id.charCodeAt(i);
      digits[i] = code < 128 ? code : 0;
    }
  }

  /** @returns {string} */
  takeId() {
    if (this.#digits.length === 0) this.#renew();
    return this.#decoder.decode(this.#digits);
  }
}
