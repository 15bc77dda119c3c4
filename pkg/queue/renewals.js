const LONGEST_TIMER = 2 ** 31 - 1;

/** Keeps the claims of attempts whose relay takes long, by one timer for all of them. */
export class Renewals {
  #every;
  /** @type {Map<{ renew: () => Promise<void> }, { since: number, renewing: Promise<void> | undefined }>} */
  #attempts = new Map();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /** @param {number} lease */
  constructor(lease) {
    // What is a quarter of the lease old is renewed before it is half of it.
    this.#every = Math.min(lease / 4, LONGEST_TIMER);
  }

  /** @param {{ renew: () => Promise<void> }} attempt that was claimed just now */
  begin(attempt) {
    this.#attempts.set(attempt, { since: performance.now(), renewing: undefined });
    if (this.#timer === undefined) this.#timer = setInterval(() => this.#renew(), this.#every);
    else if (this.#attempts.size === 1) /** @type {any} */ (this.#timer).ref?.();
  }

  /**
   * A renewal under way ends first.
   *
   * @param {{ renew: () => Promise<void> }} attempt
   */
  end(attempt) {
    const renewing = this.#attempts.get(attempt)?.renewing;
    this.#attempts.delete(attempt);
    if (this.#attempts.size === 0) this.#leave();
    return renewing;
  }

  /** What keeps no program from ending stays for the next attempt. */
  #leave() {
    const timer = /** @type {any} */ (this.#timer);
    if (typeof timer?.unref === 'function') timer.unref();
    else this.#stop();
  }

  #stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #renew() {
    if (this.#attempts.size === 0) return this.#stop();
    const now = performance.now();
    for (const [attempt, about] of this.#attempts) {
      if (about.renewing || now - about.since < this.#every) continue;
      about.since = now;
      about.renewing = attempt.renew().finally(() => {
        about.renewing = undefined;
      });
    }
  }
}
