/** @import { Core, Waiting } from '../wasm/slimta_queue_dict.js' */
/** @import { PromisingSeam } from './promising.js' */
import * as Method from '../wasm/method.js';
import { readArguments } from './arguments.js';
import { enter, leave } from './depth.js';
import { resultOf } from './results.js';
import { Slot } from './slot.js';

const PENDING = Infinity;

/** The calls under way of a storage whose host takes its time. */
export class Calls {
  #core;
  #seam;
  /** @type {number[]} */
  #free = [];

  /**
   * @param {Core} core
   * @param {PromisingSeam} seam
   */
  constructor(core, seam) {
    this.#core = core;
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
      const slot = new Slot();
      const number = readArguments(slot, method, first, second, third);
      const made = method === Method.Write && slot.id !== undefined ? Method.WriteAs : method;
      this.#run(slot, method, resolve, reject, () => {
        if (slot.id !== undefined) this.#seam.frame.putId(slot.id);
        return this.#core.begin(slot.number, made, number, slot.envelope?.recipients.length ?? 0);
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
    const slot = new Slot();
    slot.cursor = cursor;
    const count = cursor === undefined ? 0 : 1;
    const rows = await new Promise((resolve, reject) => {
      this.#run(slot, Method.Load, resolve, reject, () => this.#core.begin(slot.number, Method.Load, 0, count));
    });
    return { rows, cursor: slot.cursor };
  }

  /**
   * The next message for one who waits; nothing at the end.
   *
   * @param {Waiting} waiting
   * @returns {Promise<[number, string] | undefined>}
   */
  next(waiting) {
    const slot = new Slot();
    return new Promise((resolve, reject) => {
      this.#run(slot, Method.Wait, resolve, reject, () => this.#core.next(slot.number, waiting));
    });
  }

  /**
   * @param {Slot} slot
   * @param {number} method
   * @param {(result: any) => void} resolve
   * @param {(error: unknown) => void} reject
   * @param {() => number} work
   */
  #run(slot, method, resolve, reject, work) {
    const seam = this.#seam;
    slot.number = this.#free.pop() ?? seam.slots.length;
    slot.calls = this;
    seam.slots[slot.number] = slot;
    slot.end = (result) => {
      slot.calls = undefined;
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
   * @param {Slot} slot
   */
  poll(slot) {
    this.#step(slot, () => this.#core.poll(slot.number));
  }

  /**
   * @param {Slot} slot
   * @param {() => number} work
   */
  #step(slot, work) {
    const seam = this.#seam;
    if (!enter()) {
      setTimeout(() => this.#step(slot, work)); // as a microtask it would keep deadlines from passing
      return;
    }
    const outer = seam.slot;
    seam.slot = slot;
    const result = work();
    seam.slot = outer;
    leave();
    if (result !== PENDING) slot.end?.(result);
  }
}
