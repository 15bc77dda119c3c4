/** @import { Glue } from '../wasm/glue.js' */
/** @import { PromisingSeam } from './promising.js' */
import { Method } from './names.js';
import { readArguments } from './arguments.js';
import { QueueError } from '../errors.js';
import { enter, entries } from './depth.js';
import { openCore } from './open.js';
import { resultOf } from './results.js';
import { CallSlot } from './slot.js';

const PENDING = Infinity;

/** The calls under way of a storage whose host takes its time. */
export class Calls {
  #seam;
  /** @type {number[]} */
  #free = [];

  /** @param {PromisingSeam} seam */
  constructor(seam) {
    this.#seam = seam;
  }

  /**
   * Begins a call of a method. It has copies of its arguments from here on.
   *
   * @param {number} method
   * @param {unknown} [first]
   * @param {unknown} [second]
   * @param {unknown} [third]
   * @returns {Promise<any>}
   */
  begin(method, first, second, third) {
    return new Promise((resolve, reject) => {
      const slot = new CallSlot();
      const number = readArguments(slot, method, first, second, third);
      const made = method === Method.Write && slot.id !== undefined ? Method.WriteAs : method;
      this.#run(slot, method, resolve, reject, () => {
        if (slot.id !== undefined) this.#seam.frame.putId(slot.id);
        return this.core().begin(slot.number, made, number, slot.envelope?.recipients.length ?? 0);
      });
    });
  }

  /**
   * A page of a listing: its rows, and the cursor of the next one if there is one.
   *
   * @param {unknown} [cursor] of this page; the first one without
   * @returns {Promise<{ rows: [number, string][], cursor: unknown }>}
   */
  async page(cursor) {
    const slot = new CallSlot();
    slot.cursor = cursor;
    const count = cursor === undefined ? 0 : 1;
    const rows = await new Promise((resolve, reject) => {
      this.#run(slot, Method.Load, resolve, reject, () => this.core().begin(slot.number, Method.Load, 0, count));
    });
    return { rows, cursor: slot.cursor };
  }

  /**
   * The next message for one who waits; nothing at the end.
   *
   * @param {Glue.Core} core that it was given by
   * @param {Glue.Waiting} waiting
   * @returns {Promise<[number, string] | undefined>}
   */
  next(core, waiting) {
    const slot = new CallSlot();
    return new Promise((resolve, reject) => {
      if (core !== this.core()) throw lost(slot);
      this.#run(slot, Method.Wait, resolve, reject, () => core.next(slot.number, waiting));
    });
  }

  /**
   * The core. Where it was lost that is a new one, and nothing else ends the calls that the old one was at.
   *
   * @returns {Glue.Core}
   */
  core() {
    const seam = this.#seam;
    if (seam.core) return seam.core;
    const { slots } = seam;
    seam.slots = [];
    this.#free = [];
    const core = openCore(seam);
    for (const slot of slots) slot?.lose?.();
    return core;
  }

  /**
   * @param {CallSlot} slot
   * @param {number} method
   * @param {(result: any) => void} resolve
   * @param {(error: unknown) => void} reject
   * @param {() => number} work
   */
  #run(slot, method, resolve, reject, work) {
    const seam = this.#seam;
    this.core();
    slot.number = this.#free.pop() ?? seam.slots.length;
    slot.calls = this;
    seam.slots[slot.number] = slot;
    slot.lose = () => {
      slot.calls = undefined;
      reject(lost(slot));
    };
    slot.end = (result) => {
      slot.calls = undefined;
      seam.slots[slot.number] = undefined; // it has the whole message
      this.#free.push(slot.number);
      try {
        resolve(resultOf(seam, slot, method, result));
      } catch (error) {
        reject(error);
      }
    };
    this.#step(slot, work);
  }

  /**
   * Goes on with a call whose host has answered, or whose turn may have come.
   *
   * @param {CallSlot} slot
   */
  poll(slot) {
    try {
      this.#step(slot, () => this.core().poll(slot.number));
    } catch {
      this.core(); // this call is lost, too
    }
  }

  /**
   * @param {CallSlot} slot
   * @param {() => number} work
   */
  #step(slot, work) {
    const seam = this.#seam;
    if (!enter()) {
      setTimeout(() => this.#step(slot, work)); // as a microtask it would keep deadlines from passing
      return;
    }
    const outer = seam.slot;
    let result;
    try {
      seam.slot = slot;
      result = work();
    } catch (error) {
      entries.unwound = true;
      seam.core = undefined;
      throw error;
    } finally {
      seam.slot = outer;
      entries.depth--;
    }
    if (result !== PENDING) slot.end?.(result);
  }
}

/** @param {CallSlot} slot */
function lost({ id }) {
  const reason = 'the stack or the memory of the program has ended while calls were under way';
  return new QueueError('unknown-outcome', `unknown-outcome: ${reason}`, { id });
}
