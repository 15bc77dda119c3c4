const DIGITS = 32;

/** The memory that both sides use: numbers and an id; see src/js/frame.rs. */
export class Frame {
  #address;
  #memory;
  #count;
  #decoder = new TextDecoder();
  /** All are made when they are needed, anew whenever the memory has grown. */
  #numbers = new Float64Array();
  #digits = new Uint8Array();
  /** The same, four at a time. */
  #words = new Uint32Array();

  /**
   * @param {number} address
   * @param {() => WebAssembly.Memory} memory
   * @param {number} count of the numbers
   */
  constructor(address, memory, count) {
    this.#address = address;
    this.#memory = memory;
    this.#count = count;
  }

  #renew() {
    const { buffer } = this.#memory();
    const place = this.#address + this.#count * 8;
    this.#numbers = new Float64Array(buffer, this.#address, this.#count);
    this.#digits = new Uint8Array(buffer, place, DIGITS);
    this.#words = new Uint32Array(buffer, place, DIGITS / 4);
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
    return this.#decoder.decode(this.#digits);
  }
}
