/** @import { Record } from './record.js' */

/** The record of each message, by its key, and the key by each id that the message has had. */
export class Records {
  /** @type {Map<string, Record>} */
  #records = new Map();
  /** @type {Map<string, string>} */
  #keys = new Map();

  /** @returns {Iterable<string>} */
  keys() {
    return this.#records.keys();
  }

  /** @param {string} key */
  get(key) {
    return this.#records.get(key);
  }

  /** @param {string} id */
  keyOf(id) {
    return this.#records.has(id) ? id : this.#keys.get(id);
  }

  /** @param {Record} record */
  set(record) {
    this.#records.set(record.key, record);
    for (const id of record.ids) this.#keys.set(id, record.key);
  }

  /** @param {string} key */
  delete(key) {
    for (const id of this.#records.get(key)?.ids ?? []) this.#keys.delete(id);
    this.#records.delete(key);
  }
}
