/** Dictionaries that behave otherwise than a Map does, all over a Map that a test can look into. */

/** Lets nothing pass between a question and its answer but one turn of the microtask queue. */
const soon = () => Promise.resolve();

/** Keeps copies and gives out copies, as whatever writes to a disk does. It has only what every dictionary has. */
export class CopyingDict {
  #map;

  /** @param {Map<string, any>} map */
  constructor(map = new Map()) {
    this.#map = map;
  }

  get size() {
    return this.#map.size;
  }

  get(key) {
    return structuredClone(this.#map.get(key));
  }

  has(key) {
    return this.#map.has(key);
  }

  set(key, value) {
    this.#map.set(key, structuredClone(value));
  }

  delete(key) {
    return this.#map.delete(key);
  }

  keys() {
    return this.#map.keys();
  }
}

/** Copies too, says `null` for what is not there, and every one of its answers is a promise. */
export class SlowDict {
  #map;
  #pause;

  /**
   * @param {Map<string, any>} map
   * @param {() => Promise<unknown>} pause awaited before and after what each call does
   */
  constructor(map = new Map(), pause = soon) {
    this.#map = map;
    this.#pause = pause;
  }

  get size() {
    return this.#slowly(() => this.#map.size);
  }

  get(key) {
    return this.#slowly(() => structuredClone(this.#map.get(key)) ?? null);
  }

  has(key) {
    return this.#slowly(() => this.#map.has(key));
  }

  set(key, value) {
    const copy = structuredClone(value);
    return this.#slowly(() => void this.#map.set(key, copy));
  }

  delete(key) {
    return this.#slowly(() => this.#map.delete(key));
  }

  async *keys() {
    for (const key of this.#map.keys()) {
      await this.#pause();
      yield key;
    }
  }

  async *entries() {
    for (const [key, value] of this.#map) {
      await this.#pause();
      yield [key, structuredClone(value)];
    }
  }

  async #slowly(work) {
    await this.#pause();
    const result = work();
    await this.#pause();
    return result;
  }
}
