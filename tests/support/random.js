/** Pseudo-random numbers that a seed repeats; mulberry32. */
export class Random {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, but not including, `limit`. */
  below(limit) {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  chance(oneIn) {
    return this.below(oneIn) === 0;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  /** Some of a list, in any order, perhaps one of them twice. */
  some(list) {
    return Array.from({ length: this.below(list.length + 1) }, () => this.pick(list));
  }

  /** Lets a random number of microtasks pass. */
  async pause(most = 4) {
    for (let left = this.below(most + 1); left > 0; left--) await undefined;
  }
}
