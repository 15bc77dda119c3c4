/** @import { AsyncDictStorage, DictHost, Envelope, Info } from 'slimta-queue-dict' */
import { KeyError, QueueError } from 'slimta-queue-dict';
import { authorOf, namesIn, originOf, subjectOf } from './mail.js';

/**
 * @typedef {object} Recipient
 * @property {number} index its position in the original list
 * @property {string} address empty when nobody remembers it any more
 * @property {string} name
 * @property {boolean} delivered
 */

/**
 * What the list shows of a message.
 *
 * @typedef {object} Letter
 * @property {string} id
 * @property {number} timestamp
 * @property {number} attempts
 * @property {string} subject
 * @property {string} sender the address that bounces go to; empty for the null sender
 * @property {string} author who wrote it, as people read it
 * @property {Recipient[]} recipients
 * @property {number} size in bytes
 * @property {unknown} [problem] why it cannot be read; everything but id and time is empty then
 */

const PAGE = 50;
/** Codes of errors that are about one message, not about the database. */
const UNREADABLE = new Set(['corrupt', 'newer-format']);
/** How long to wait before the queue is followed again after the database has failed, in milliseconds. */
const PAUSE = 5000;

/**
 * The queue as this page sees it: follows what this tab and others do to it. Bodies are not kept, and only of the
 * letters that are shown more than the time is known.
 *
 * Events: `change` when something looks different, `error` (its `detail` is the error) when the database fails, and
 * `recovered` when it does not any more.
 */
export class Outbox extends EventTarget {
  #storage;
  #host;
  /** @type {Map<string, number>} */
  #times = new Map();
  /** @type {Map<string, Letter>} */
  #letters = new Map();
  /**
   * Which letters are being read; `true` asks for one more reading.
   *
   * @type {Map<string, boolean>}
   */
  #reading = new Map();
  #shown = PAGE;
  /** @type {Info} */
  info = { size: 0, metaSize: 0 };
  /** Whether the list has been read once. */
  ready = false;

  /**
   * @param {AsyncDictStorage} storage
   * @param {DictHost} host tells what other tabs do
   */
  constructor(storage, host) {
    super();
    this.#storage = storage;
    this.#host = host;
  }

  /** Reads the list and follows it from then on. */
  async open() {
    // `wait` tells of new messages and times, the host of every change, a removal included.
    this.#host.subscribe?.((id) => {
      if (id === undefined) void this.load();
      else if (this.#times.has(id)) void this.#read(id);
    });
    await this.load();
    this.ready = true;
    this.#changed();
    void this.#follow();
  }

  /** Reads the whole list again; what is not in it any more disappears. */
  async load() {
    const times = new Map();
    for await (const [timestamp, id] of this.#storage.load()) times.set(id, timestamp);
    for (const id of this.#letters.keys()) {
      if (!times.has(id)) this.#letters.delete(id);
    }
    this.#times = times;
    this.#changed();
    await this.#readAll(this.#window());
  }

  /**
   * The letters that are shown, the next one to be attempted first.
   *
   * @returns {Letter[]}
   */
  get letters() {
    return this.#window().flatMap((id) => {
      const letter = this.#letters.get(id);
      return letter ? [{ ...letter, timestamp: this.#times.get(id) ?? letter.timestamp }] : [];
    });
  }

  /** How many letters are not shown. */
  get hidden() {
    return Math.max(0, this.#times.size - this.#shown);
  }

  /** @param {number} now */
  due(now) {
    return [...this.#times.values()].filter((time) => time <= now).length;
  }

  /** @param {string} id */
  timeOf(id) {
    return this.#times.get(id);
  }

  async showMore() {
    this.#shown += PAGE;
    this.#changed();
    await this.#readMissing();
  }

  /**
   * @param {Envelope} envelope
   * @param {number} timestamp
   */
  async write(envelope, timestamp) {
    const id = await this.#storage.write(envelope, timestamp);
    this.#times.set(id, timestamp);
    await this.#read(id);
    return id;
  }

  /**
   * Reads a message anew that this tab has changed by other ways than this.
   *
   * @param {string} id
   */
  async refresh(id) {
    await this.#read(id);
  }

  /**
   * A message whole, and how the list shows it.
   *
   * @param {string} id
   * @returns {Promise<{ envelope: Envelope, letter: Letter }>}
   */
  async get(id) {
    const [envelope, attempts, indexes] = await this.#storage.get(id);
    return { envelope, letter: this.#summarise(id, envelope, attempts, indexes) };
  }

  /**
   * @param {string} id
   * @param {number} timestamp
   */
  async setTimestamp(id, timestamp) {
    await this.#storage.setTimestamp(id, timestamp);
    this.#times.set(id, timestamp);
    await this.#read(id);
  }

  /** @param {string} id */
  async incrementAttempts(id) {
    const attempts = await this.#storage.incrementAttempts(id);
    await this.#read(id);
    return attempts;
  }

  /**
   * @param {string} id
   * @param {number[]} indexes
   */
  async setRecipientsDelivered(id, indexes) {
    await this.#storage.setRecipientsDelivered(id, indexes);
    await this.#read(id);
  }

  /** @param {string} id */
  async remove(id) {
    await this.#storage.remove(id);
    this.#forget(id);
  }

  check() {
    return this.#storage.check();
  }

  /** @param {{ minAge?: number, requeue?: string[] }} options */
  async repair(options) {
    const cleared = await this.#storage.repair(options);
    await this.load();
    return cleared;
  }

  /** Counts again what is stored. */
  async count() {
    this.info = await this.#storage.getInfo();
    return this.info;
  }

  async #follow() {
    for (let failed = false; ; failed = true) {
      try {
        for await (const [timestamp, id] of this.#storage.wait()) {
          if (failed) this.dispatchEvent(new Event('recovered'));
          failed = false;
          const known = this.#times.get(id);
          this.#times.set(id, timestamp);
          if (known !== timestamp) this.#changed();
          if (known === undefined) await this.#readMissing();
        }
        return;
      } catch (error) {
        this.#failed(error);
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    }
  }

  /** @returns {string[]} */
  #window() {
    return [...this.#times]
      .sort(([oneId, one], [otherId, other]) => one - other || (oneId < otherId ? -1 : 1))
      .slice(0, this.#shown)
      .map(([id]) => id);
  }

  #readMissing() {
    return this.#readAll(this.#window().filter((id) => !this.#letters.has(id)));
  }

  /** @param {string[]} ids */
  async #readAll(ids) {
    // A letter may be large: a few at a time are in memory.
    const left = ids.values();
    const reader = async () => {
      for (const id of left) await this.#read(id);
    };
    await Promise.all([reader(), reader(), reader(), reader()]);
  }

  /**
   * Reads one letter anew; calls that come while it is being read share one more reading.
   *
   * @param {string} id
   */
  async #read(id) {
    if (this.#reading.has(id)) {
      this.#reading.set(id, true);
      return;
    }
    try {
      do {
        this.#reading.set(id, false);
        const { letter } = await this.get(id);
        this.#letters.set(id, letter);
        this.#changed();
      } while (this.#reading.get(id));
    } catch (error) {
      if (error instanceof KeyError) this.#forget(id);
      else if (error instanceof QueueError && UNREADABLE.has(error.code)) this.#keepUnread(id, error);
      else this.#failed(error);
    } finally {
      this.#reading.delete(id);
    }
  }

  /**
   * @param {string} id
   * @param {QueueError} problem
   */
  #keepUnread(id, problem) {
    const timestamp = this.#times.get(id) ?? 0;
    this.#letters.set(id, {
      id, timestamp, attempts: 0, subject: '', sender: '', author: '', recipients: [], size: 0, problem,
    });
    this.#changed();
  }

  /** @param {string} id */
  #forget(id) {
    this.#times.delete(id);
    this.#letters.delete(id);
    this.#changed();
    void this.#readMissing();
  }

  /**
   * @param {string} id
   * @param {Envelope} envelope
   * @param {number} attempts
   * @param {number[]} indexes
   * @returns {Letter}
   */
  #summarise(id, envelope, attempts, indexes) {
    const { headers = [], message = '' } = envelope;
    const origin = originOf(envelope);
    const names = namesIn(headers);
    const remaining = new Map(indexes.map((index, position) => [index, envelope.recipients[position]]));
    const count = origin?.recipients.length ?? Math.max(0, ...indexes.map((index) => index + 1));
    const recipients = Array.from({ length: count }, (_, index) => {
      const address = remaining.get(index) ?? origin?.recipients[index] ?? '';
      return { index, address, name: names.get(address.toLowerCase()) ?? '', delivered: !remaining.has(index) };
    });
    const author = authorOf(headers);
    return {
      id,
      timestamp: this.#times.get(id) ?? 0,
      attempts,
      subject: subjectOf(headers),
      sender: envelope.sender ?? '',
      author: author?.name || author?.address || '',
      recipients,
      size: origin?.size ?? message.length,
    };
  }

  /** @param {unknown} error */
  #failed(error) {
    this.dispatchEvent(new CustomEvent('error', { detail: error }));
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
