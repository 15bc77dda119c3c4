import { memory } from '../wasm/slimta_queue_dict.js';

const DIGITS = 32;

/** The memory that both sides use: four numbers and an id; see src/js/frame.rs. */
export class Frame {
  #address;
  /** All are made when they are needed, anew whenever the memory has grown. */
  #numbers = new Float64Array();
  #digits = new Uint8Array();
  /** The same, four at a time. */
  #words = new Uint32Array();

  /** @param {number} address */
  constructor(address) {
    this.#address = address;
  }

  #renew() {
    this.#numbers = new Float64Array(memory().buffer, this.#address, 4);
    this.#digits = new Uint8Array(memory().buffer, this.#address + 32, DIGITS);
    this.#words = new Uint32Array(memory().buffer, this.#address + 32, DIGITS / 4);
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
    if (this.#words.length === 0) this.#renew();
    const words = this.#words;
    words[0] = 0;
    if (id.length !== DIGITS) return;
    let all = 0;
    for (let i = 0, place = 0; i < DIGITS; i += 4) {
      const a = id.charCodeAt(i);
      const b = id.charCodeAt(i + 1);
      const c = id.charCodeAt(i + 2);
      const d = id.charCodeAt(i + 3);
      all |= a | b | c | d;
      words[place++] = a | b << 8 | c << 16 | d << 24;
    }
    if (all > 127) words[0] = 0; // what is not ASCII has spilled into its neighbours
  }

  /** @returns {string} */
  takeId() {
    if (this.#digits.length === 0) this.#renew();
    return String.fromCharCode.apply(null, /** @type {any} */ (this.#digits));
  }
}
