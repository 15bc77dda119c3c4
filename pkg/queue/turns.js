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
  #pump;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** When it ends. */
  #wakes = 0;
  /** When this stretch of attempts has begun, and how long those before it took. */
  #start = 0;
  #spent = 0;
  /** Whether everything else has its turn. */
  #yields = false;

  /** @param {() => void} pump */
  constructor(pump) {
    this.#pump = pump;
  }

  /** Whether attempts may begin. */
  begin() {
    this.#start = performance.now();
    return !this.#yields;
  }

  /** Whether more of them may. */
  goesOn() {
    return this.#spent + performance.now() - this.#start < TURN;
  }

  /** @param {number} idle for how many milliseconds no other one begins; negative if none does by itself */
  end(idle) {
    const now = performance.now();
    this.#spent += now - this.#start;
    if (this.#spent < TURN) return this.#comeBack(idle < 0 ? Infinity : now + idle, idle);
    this.#yields = true;
    soon(() => {
      this.#yields = false;
      this.#spent = 0;
      this.#pump();
    });
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
