/** @import { Queue } from 'slimta-queue-dict' */
/** @import { Happening, Record, Who } from './record.js' */
import { openDB } from 'idb';
import { after, isOpen, keyOf, newRecord, replyText } from './record.js';

const TYPES = /** @type {const} */ (['queued', 'attempt', 'delivered', 'deferred', 'failed', 'removed', 'error']);

/**
 * What the page was told to do. All tabs of this browser share it.
 *
 * @typedef {{ sending: boolean }} Settings
 */

/**
 * What has happened to each message, written from the events of the queue by every tab and worker of this browser. It is
 * for people to look at: no mail depends on it.
 *
 * Events: `change`, whose `detail` has the `keys` of records that somebody has changed, and the `records` where it was this
 * history, or `settings`.
 */
export class History extends EventTarget {
  #db = openDatabase();
  #channel = new BroadcastChannel('outbox-history');
  /** @type {Who} */
  who;
  /** What is yet to be written: a message's key, what makes its record, and what has happened. */
  #pending = /** @type {{ key: string, make: () => Record, happening: Happening }[]} */ ([]);
  /** @type {Promise<void>} */
  #written = Promise.resolve();

  /** @param {Who['kind']} kind */
  constructor(kind) {
    super();
    this.who = { kind, name: crypto.randomUUID() };
    // The lock ends with its tab: so others know whose claims nobody will end.
    void navigator.locks?.request(lockOf(this.who), () => new Promise(() => {}));
    this.#channel.addEventListener('message', ({ data }) => this.#tell(data));
  }

  /** Rejects where the browser opens no database. */
  async open() {
    await this.#db;
  }

  /**
   * Writes down all that this queue does from now on.
   *
   * @param {Queue} queue
   */
  follow(queue) {
    for (const type of TYPES) {
      queue.addEventListener(type, ({ detail }) => {
        const { id, envelope, attempts = 0, recipients = envelope?.recipients ?? [], replies = [], timestamp, error } = detail;
        if (!id) return;
        const happening = this.#happening(type, {
          id, attempts, recipients, replies: replies.map(replyText),
          ...(type === 'deferred' && { due: timestamp }), ...(error instanceof Error && { text: error.message }),
        });
        if (envelope) this.#add(keyOf(id, envelope), () => newRecord(id, envelope, { time: happening.time }), happening);
        else void this.keyFor(id).then((key) => (key ? this.add(key, happening) : undefined));
      });
    }
  }

  /**
   * Writes down what was done by other ways than the queue's events tell.
   *
   * @param {string} key
   * @param {Happening} happening
   */
  add(key, happening) {
    return this.#add(key, undefined, happening);
  }

  /**
   * @param {Happening['type']} type
   * @param {Partial<Happening> & { id: string }} rest
   * @returns {Happening}
   */
  #happening(type, rest) {
    return { type, time: Date.now(), who: this.who, attempts: 0, recipients: [], replies: [], ...rest };
  }

  /**
   * @param {Happening['type']} type
   * @param {Record} record
   * @param {string[]} [recipients]
   */
  did(type, record, recipients = []) {
    const id = /** @type {string} */ (record.ids.at(-1));
    return this.add(record.key, this.#happening(type, { id, attempts: record.attempts, recipients, due: Date.now() }));
  }

  /** @returns {Promise<Record[]>} */
  async all() {
    return (await this.#db).getAll('records');
  }

  /**
   * @param {string} key
   * @returns {Promise<Record | undefined>}
   */
  async get(key) {
    return (await this.#db).get('records', key);
  }

  /**
   * @param {string[]} keys
   * @returns {Promise<(Record | undefined)[]>}
   */
  async some(keys) {
    const { store } = (await this.#db).transaction('records');
    return Promise.all(keys.map((key) => store.get(key)));
  }

  /** @param {string[]} keys */
  async forget(keys) {
    const tx = (await this.#db).transaction('records', 'readwrite');
    await Promise.all([...keys.map((key) => tx.store.delete(key)), tx.done]);
    this.#say({ keys });
  }

  /** @returns {Promise<Settings>} */
  async settings() {
    return { sending: true, ...(await (await this.#db).get('settings', 'settings')) };
  }

  /** @param {Partial<Settings>} changes */
  async set(changes) {
    const db = await this.#db;
    const tx = db.transaction('settings', 'readwrite');
    await tx.store.put({ ...(await tx.store.get('settings')), ...changes }, 'settings');
    await tx.done;
    this.#say({ settings: true });
  }

  /** Which of those who wrote here are still there. @returns {Promise<Set<string>>} */
  async alive() {
    const { held = [] } = (await navigator.locks?.query()) ?? {};
    return new Set(held.flatMap(({ name }) => name ?? []));
  }

  /**
   * @param {string} id
   * @returns {Promise<string | undefined>}
   */
  async keyFor(id) {
    if (await this.get(id)) return id;
    return (await this.all()).find(({ ids }) => ids.includes(id))?.key;
  }

  /**
   * @param {string} key
   * @param {(() => Record) | undefined} make
   * @param {Happening} happening
   */
  #add(key, make, happening) {
    this.#pending.push({ key, make: make ?? (() => { throw new Error(`no record of ${key}`); }), happening });
    // What comes while others are written goes into the next transaction together.
    if (this.#pending.length === 1) this.#written = this.#written.then(() => this.#write());
    return this.#written;
  }

  async #write() {
    const pending = this.#pending.splice(0);
    /** @type {Map<string, Record>} */
    const changed = new Map();
    try {
      const tx = (await this.#db).transaction('records', 'readwrite', { durability: 'relaxed' });
      const keys = [...new Set(pending.map(({ key }) => key))];
      const records = await Promise.all(keys.map((key) => tx.store.get(key)));
      const known = new Map(keys.map((key, place) => [key, records[place]]));
      for (const { key, make, happening } of pending) {
        try {
          const record = /** @type {Record} */ (changed.get(key) ?? known.get(key) ?? make());
          // Whoever takes a message back, or lets go of it, tells of it.
          if (happening.type === 'removed' && !record.recipients.some(({ state }) => isOpen(state))) continue;
          changed.set(key, after(record, happening));
        } catch {
          // Of a message that was forgotten meanwhile nothing is left to tell.
        }
      }
      for (const record of changed.values()) void tx.store.put(record);
      await tx.done;
      this.#say({ keys: [...changed.keys()] }, [...changed.values()]);
    } catch (error) {
      this.dispatchEvent(new CustomEvent('error', { detail: error }));
    }
  }

  /**
   * @param {{ keys?: string[], settings?: boolean }} news
   * @param {Record[]} [records] what is written under the keys now
   */
  #say(news, records) {
    this.#channel.postMessage(news);
    this.#tell({ ...news, records });
  }

  /** @param {{ keys?: string[], records?: Record[], settings?: boolean }} news */
  #tell(news) {
    this.dispatchEvent(new CustomEvent('change', { detail: news }));
  }
}

/** @param {Who} who */
export const lockOf = ({ name }) => `outbox-page:${name}`;

/** Some browsers throw at once where a site may keep nothing: here that is a rejection too. */
async function openDatabase() {
  return openDB('outbox-history', 1, {
    upgrade(db) {
      db.createObjectStore('records', { keyPath: 'key' });
      db.createObjectStore('settings');
    },
  });
}
