/** @import { Check, DictName, Version, Write } from '../types.js' */

/** A batch in the making: the core says what is checked and written of one message. */
export class Batch {
  /** @type {Check[]} */
  checks = [];
  /** @type {Write[]} */
  writes = [];
  #id;

  /** @param {string} id */
  constructor(id) {
    this.#id = id;
  }

  /** @param {DictName} dict */
  absent(dict) {
    this.checks.push({ dict, id: this.#id, version: null });
  }

  /** @param {Version} version of the meta record */
  unchanged(version) {
    this.checks.push({ dict: 'meta', id: this.#id, version });
  }

  /** @param {unknown} value */
  putEnvelope(value) {
    this.writes.push({ dict: 'envelope', id: this.#id, value });
  }

  /** @param {unknown} value */
  putMeta(value) {
    this.writes.push({ dict: 'meta', id: this.#id, value });
  }

  /** @param {DictName} dict */
  delete(dict) {
    this.writes.push({ dict, id: this.#id });
  }
}
