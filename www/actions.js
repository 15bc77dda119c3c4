/** @import { Envelope } from 'slimta-queue-dict' */
/** @import { History } from './history.js' */
/** @import { Origin } from './mail.js' */
/** @import { Record } from './record.js' */
/** @import { Records } from './records.js' */
/** @import { Message } from './store.js' */
import { KeyError } from 'slimta-queue-dict';
import { named } from './mail.js';
import { isOpen } from './record.js';

/** What somebody does with messages, and what is read of one that is opened. */
export class Actions {
  #outbox;
  #history;
  #records;
  #list;

  /**
   * @param {ReturnType<import('./outbox.js').openOutbox>} outbox
   * @param {History} history
   * @param {Records} records
   * @param {() => void} list lists everything again
   */
  constructor(outbox, history, records, list) {
    this.#outbox = outbox;
    this.#history = history;
    this.#records = records;
    this.#list = list;
  }

  /**
   * Queues messages. What was queued is queued whatever happens to this page then.
   *
   * @param {Envelope & { origin: Origin }} given
   * @param {string} [key] a repeat with the same key queues nothing twice
   * @returns {Promise<string>} its key
   */
  async send(given, key) {
    const { id, envelope } = named(given, key);
    const enqueue = () => this.#outbox.queue.enqueue(envelope, { id });
    await enqueue().catch((error) => {
      // The message may be stored, or not: with its id, a repeat stores it only if it is missing.
      if (error?.code !== 'unknown-outcome') throw error;
      return enqueue();
    });
    return id;
  }

  /**
   * Queues a message again for those who were given up.
   *
   * @param {Message} message
   */
  async retry({ key, letters }) {
    const record = this.#records.get(key);
    if (record) await this.#history.did('retried', record, failedOf(record));
    for (const id of letters) await this.#outbox.queue.retry(id);
    await this.#forgetNotices(key);
    this.#list();
  }

  /** Lets a message that waits be due now. @param {Message} message */
  async sendNow({ ids }) {
    for await (const [id] of this.#queued(ids)) await this.#outbox.queue.retry(id);
  }

  /**
   * Takes a message back.
   *
   * @param {Message} message
   * @returns {Promise<boolean>} false: it is being sent, to some at least, or was
   */
  async cancel({ key, ids }) {
    /** @type {string[]} */
    const recipients = [];
    let left = 0;
    for await (const [id, envelope] of this.#queued(ids)) {
      if (await this.#outbox.queue.cancel(id)) recipients.push(...envelope.recipients);
      else left++;
    }
    const record = this.#records.get(key);
    if (record && recipients.length > 0) await this.#history.did('cancelled', record, recipients);
    this.#list();
    return recipients.length > 0 && left === 0;
  }

  /**
   * Lets go of those who were given up, and of the whole message when it is sent to nobody else any more.
   *
   * @param {Message} message
   */
  async discard({ key, letters }) {
    for (const id of letters) await this.#outbox.failed.remove(id);
    await this.#forgetNotices(key);
    const record = this.#records.get(key);
    if (record?.recipients.some(({ state }) => isOpen(state))) await this.#history.did('cancelled', record, failedOf(record));
    else await this.#history.forget([key]);
    this.#list();
  }

  /** Lets go of all that is delivered or was taken back. @param {Message[]} messages */
  async forgetDone(messages) {
    const done = messages.filter(({ state }) => ['delivered', 'cancelled', 'unseen'].includes(state));
    await this.#history.forget(done.map(({ key }) => key));
  }

  /**
   * The envelope of a message that waits or was given up; nothing when everybody has got it.
   *
   * @param {Message} message
   * @returns {Promise<Envelope | undefined>}
   */
  async envelope({ ids, letters }) {
    const [letter] = letters;
    if (letter) return (await this.#outbox.failed.get(letter))[0];
    for await (const [, envelope] of this.#queued(ids)) return envelope;
    return undefined;
  }

  /**
   * Those of a message's ids that are in the queue.
   *
   * @param {string[]} ids
   * @returns {AsyncGenerator<[id: string, Envelope], void, void>}
   */
  async * #queued(ids) {
    for (const id of ids) {
      try {
        yield [id, (await this.#outbox.mails.get(id))[0]];
      } catch (error) {
        if (!(error instanceof KeyError)) throw error;
      }
    }
  }

  /** What would have told the sender. @param {string} key @returns {Promise<Envelope[]>} */
  async notices(key) {
    const found = await this.#noticesOf(key);
    return found.map(([, envelope]) => envelope);
  }

  /** @param {string} key @returns {Promise<[id: string, Envelope][]>} */
  async #noticesOf(key) {
    /** @type {[string, Envelope][]} */
    const found = [];
    for await (const [, id] of this.#outbox.notices.load()) {
      const envelope = await this.#notice(id);
      if (!envelope) continue;
      const { message = '' } = envelope;
      // A notice returns the headers of the message that it is about, the key among them.
      if ((typeof message === 'string' ? message : new TextDecoder().decode(message)).includes(key)) found.push([id, envelope]);
    }
    return found;
  }

  /** @param {string} id @returns {Promise<Envelope | undefined>} nothing for one that another tab has removed meanwhile */
  async #notice(id) {
    try {
      return (await this.#outbox.notices.get(id))[0];
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      return undefined;
    }
  }

  /** @param {string} key */
  async #forgetNotices(key) {
    for (const [id] of await this.#noticesOf(key)) await this.#outbox.notices.remove(id);
  }
}

/** Who was given up. @param {Record} record */
const failedOf = ({ recipients }) => recipients.filter(({ state }) => state === 'failed').map(({ address }) => address);
