import { openDB } from 'idb';

/** @typedef {{ put: (value: any, key?: any) => Promise<unknown> }} Store */

/** The rival of `write`: the same two stores, written with `idb` as its documentation shows. */
export class IdbOutbox {
  #db;
  #durability;

  /**
   * @param {import('idb').IDBPDatabase} db
   * @param {'strict' | 'relaxed'} durability
   */
  constructor(db, durability) {
    this.#db = db;
    this.#durability = durability;
  }

  /**
   * @param {string} name
   * @param {'strict' | 'relaxed'} durability
   */
  static async open(name, durability) {
    const db = await openDB(name, 1, {
      upgrade(db) {
        db.createObjectStore('envelope');
        db.createObjectStore('meta', { keyPath: 'id' });
      },
    });
    return new IdbOutbox(db, durability);
  }

  /**
   * One message in a transaction of its own.
   *
   * @param {object} envelope
   * @param {number} timestamp
   */
  async write(envelope, timestamp) {
    const [id] = await this.writeAll([envelope], timestamp);
    return id;
  }

  /**
   * Several messages in one transaction.
   *
   * @param {object[]} envelopes
   * @param {number} timestamp
   */
  async writeAll(envelopes, timestamp) {
    const tx = this.#db.transaction(['envelope', 'meta'], 'readwrite', { durability: this.#durability });
    const envelopeStore = tx.objectStore('envelope');
    const metaStore = tx.objectStore('meta');
    const ids = envelopes.map(() => crypto.randomUUID().replaceAll('-', ''));
    await Promise.all([
      ...envelopes.flatMap((envelope, i) => [
        envelopeStore.put(envelope, ids[i]), metaStore.put({ id: ids[i], timestamp, attempts: 0 }),
      ]),
      tx.done,
    ]);
    return ids;
  }

  async count() {
    return this.#db.count('meta');
  }

  close() {
    this.#db.close();
  }
}
