import { memory } from '../wasm/slimta_queue_dict.js';

const DIGITS = 32;

/** The memory that both sides use: four numbers and an id; see src/js/frame.rs. */
export class Frame {
  #address;
  /** Both are made when they are needed, anew whenever the memory has grown. */
  #numbers = new Float64Array();
  #digits = new Uint8Array();

  /** @param {number} address */
  constructor(address) {
    this.#address = address;
  }

  #renew() {
    this.#numbers = new Float64Array(memory().buffer, this.#address, 4);
    this.#digits = new Uint8Array(memory().buffer, this.#address + 32, DIGITS);
  }

  /** @returns {Float64Array} */
  get numbers() {
    if (this.#numbers.length === 0) this.#renew();
    return this.#numbers;
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
    return String.fromCharCode.apply(null, /** @type {any} */ (this.#digits));
  }
}
