/** How long attempts may follow each other before everything else has a turn. */
const TURN = 10;

/**
 * Comes back when everything else had one.
 *
 * @param {() => void} then
 */
function soon(then) {
  if (typeof setImmediate === 'function') setImmediate(then);
  else setTimeout(then, 0);
}

/** When a queue looks for attempts to begin: at a time, and with turns for everything else. */
export class Turns {
  /**
   * While everything else has its turn: until it had it.
   *
   * @type {Promise<void> | undefined}
   */
  others;
  /** What the clock said last. */
  now = 0;
  #pump;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** When it ends. */
  #wakes = 0;
  /** How long attempts have followed each other. */
  #spent = 0;

  /** @param {() => void} pump */
  constructor(pump) {
    this.#pump = pump;
  }

  /** Whether attempts may begin. */
  begin() {
    this.now = performance.now();
    return this.others === undefined;
  }

  /** Whether more of them may. */
  goesOn() {
    const now = performance.now();
    this.#spent += now - this.now;
    this.now = now;
    return this.#spent < TURN;
  }

  /** @param {number} idle for how many milliseconds no other one begins; negative if none does by itself */
  end(idle) {
    if (this.#spent < TURN) return this.#comeBack(idle < 0 ? Infinity : this.now + idle, idle);
    this.others = new Promise((resolve) => soon(() => {
      this.others = undefined;
      this.#spent = 0;
      resolve();
      this.#pump();
    }));
  }

  /**
   * @param {number} at
   * @param {number} milliseconds until then
   */
  #comeBack(at, milliseconds) {
    // One that comes too early finds that.
    if (this.#timer !== undefined && this.#wakes <= at && at < Infinity) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (at === Infinity) return;
    this.#wakes = at;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pump();
    }, milliseconds);
  }
}
