/** @import { Envelope } from 'slimta-queue-dict' */
/** @import { History, Settings } from './history.js' */
/** @import { MessageState } from './message-state.js' */
/** @import { Record } from './record.js' */
import { Actions } from './actions.js';
import { lockOf } from './history.js';
import { originOf } from './mail.js';
import { stateOf, tabOf } from './message-state.js';
import { OtherSide } from './other-side.js';
import { isOpen, newRecord } from './record.js';
import { Records } from './records.js';
import { whyClosed, whyUnread } from './trouble.js';

/**
 * A record, and what the queue says of it now.
 *
 * @typedef {Record & { state: MessageState, letters: string[] }} Message
 *   `letters` are the ids under which those are kept who were given up
 *
 * @typedef {object} Listed what a list of the queue says
 * @property {string} state
 * @property {number} due
 * @property {number} attempts
 * @property {string} id
 */

/** How long to wait before everything is listed again while others send, or it could not be, in milliseconds. */
const AGAIN = 2_000;
/** The least time from the end of a list to the beginning of the next one, in milliseconds. */
const REST = 250;

/**
 * All that the page knows: what the queue lists, what its history says, what has arrived, and what the browser allows.
 * Views read it and draw it anew after each `change`. `settings` says that these are others; `abandoned`, that messages are
 * claimed by whoever has ended.
 */
export class Store extends EventTarget {
  #outbox;
  #history;
  #records = new Records();
  /** @type {Map<string, Listed[]>} by key: one that was retried may be in the queue twice, for different people */
  #listed = new Map();
  /** @type {Map<string, string[]>} ids of dead letters by key */
  #letters = new Map();
  /** @type {Set<string>} */
  #alive = new Set();
  /** When the last list began. */
  #listedAt = 0;
  #listEnded = 0;
  #listing = false;
  #listAgain = false;
  /** @type {Map<string, Message>} */
  #merged = new Map();
  /** @type {Message[] | undefined} */
  #sorted;
  #timer = 0;

  /** @type {Settings} */
  settings = { sending: true };
  otherSide = new OtherSide();
  actions;
  ready = false;
  online = navigator.onLine;
  /** @type {{ usage?: number, quota?: number, persisted: boolean } | undefined} */
  space;
  /** What the browser said when it was asked to keep the data. @type {boolean | undefined} */
  persistAnswer;
  /** What goes wrong, in words for people. */
  trouble = '';
  /** Whether nothing works before the page is loaded anew. */
  unusable = false;

  /**
   * @param {ReturnType<import('./outbox.js').openOutbox>} outbox
   * @param {History} history
   */
  constructor(outbox, history) {
    super();
    this.#outbox = outbox;
    this.#history = history;
    this.actions = new Actions(outbox, history, this.#records, () => this.list());
  }

  async open() {
    try {
      await this.#open();
    } catch (error) {
      this.unusable = true;
      this.trouble = whyClosed(error);
    }
    this.changed();
  }

  async #open() {
    await this.#history.open();
    this.#history.addEventListener('change', (event) => {
      const { keys = [], records, settings } = /** @type {CustomEvent} */ (event).detail;
      void this.#read(keys, records);
      if (settings) void this.#readSettings();
    });
    // What is changed by programs that write no history, or was while this page slept.
    this.#outbox.host.subscribe?.((id) => {
      if (id === undefined || !this.#records.keyOf(id)) this.list();
    });
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.list();
    });
    for (const type of ['online', 'offline']) {
      addEventListener(type, () => {
        this.online = navigator.onLine;
        this.changed();
      });
    }
    this.otherSide.addEventListener('change', () => this.changed());
    for (const record of await this.#history.all()) this.#records.set(record);
    await this.#readSettings();
    await this.#list();
    this.ready = true;
    this.otherSide.open();
    void this.#readSpace();
  }

  /** Everything, the latest first. @returns {Message[]} */
  get messages() {
    this.#sorted ??= [...this.#merged.values()].sort((a, b) => b.created - a.created || (a.key < b.key ? 1 : -1));
    return this.#sorted;
  }

  /** @param {string} key */
  message(key) {
    return this.#merged.get(key);
  }

  /** How many messages are in each state, and how many people they are for. */
  get counts() {
    const messages = { all: 0, waiting: 0, sending: 0, deferred: 0, failed: 0, delivered: 0 };
    const people = { waiting: 0, trying: 0, deferred: 0, delivered: 0, failed: 0, cancelled: 0, unseen: 0 };
    for (const message of this.#merged.values()) {
      messages.all++;
      const tab = tabOf(message.state);
      if (tab !== 'all') messages[tab]++;
      for (const { state } of message.recipients) people[state]++;
    }
    return { messages, people };
  }

  /** @param {Partial<Settings>} changes */
  set(changes) {
    return this.#history.set(changes);
  }

  async persist() {
    this.persistAnswer = await this.#outbox.host.persist();
    await this.#readSpace();
  }

  /** Lists everything again soon. */
  list() {
    if (this.#listing) this.#listAgain = true;
    else this.#listIn(this.#listEnded + REST - Date.now());
  }

  /** @param {number} pause in milliseconds */
  #listIn(pause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#list(), pause);
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  async #list() {
    if (this.unusable) return;
    this.#listing = true;
    this.#listAgain = false;
    const began = Date.now();
    try {
      /** @type {Map<string, Listed[]>} */
      const listed = new Map();
      for await (const one of this.#outbox.queue.list()) {
        if (one.state === 'failed') continue;
        const key = this.#records.keyOf(one.id) ?? (await this.#adopt(one.id));
        listed.set(key, [...(listed.get(key) ?? []), one]);
      }
      /** @type {Map<string, string[]>} */
      const letters = new Map();
      for await (const { id, envelope } of this.#outbox.queue.list({ state: 'failed', envelopes: true })) {
        const key = (envelope && originOf(envelope)?.key) ?? id;
        letters.set(key, [...(letters.get(key) ?? []), id]);
        if (envelope && !this.#records.get(key)) this.#adoptFailed(id, envelope);
      }
      [this.#listed, this.#letters, this.#listedAt, this.trouble] = [listed, letters, began, ''];
      this.#alive = await this.#history.alive();
      for (const key of new Set([...this.#records.keys(), ...listed.keys()])) this.#merge(key);
    } catch (error) {
      this.trouble = whyUnread(error);
    }
    this.#listing = false;
    this.#listEnded = Date.now();
    this.changed();
    if (this.#listAgain) return this.#listIn(REST);
    // Somebody may look for what a tab or worker held that has ended.
    const abandoned = [...this.#listed].some(([key, all]) => (
      this.#merged.get(key)?.state === 'waiting' && all.some(({ state }) => state === 'sending')));
    if (abandoned) this.dispatchEvent(new Event('abandoned'));
    const others = [...this.#merged.values()].some(({ state }) => state === 'elsewhere' || state === 'unseen');
    if (others || abandoned || this.trouble) this.#listIn(AGAIN);
  }

  /**
   * @param {string[]} keys
   * @param {(Record | undefined)[]} [known] their records
   */
  async #read(keys, known) {
    let unlisted = false;
    const records = known ?? await this.#history.some(keys);
    for (const [place, key] of keys.entries()) {
      const record = records[place];
      if (record) this.#records.set(record);
      else this.#records.delete(key);
      this.#merge(key);
      // Somebody may have kept what another tab, which is gone, had given up.
      const isKept = ['failed', 'bounced', 'removed'].includes(record?.happenings.at(-1)?.type ?? '');
      unlisted ||= isKept || this.#merged.get(key)?.state === 'elsewhere';
    }
    if (unlisted) this.list();
    this.changed();
    void this.otherSide.look();
  }

  /**
   * A message that is queued and that no history knows.
   *
   * @param {string} id
   * @returns {Promise<string>} its key
   */
  async #adopt(id) {
    try {
      const [envelope] = await this.#outbox.mails.get(id);
      const record = newRecord(id, envelope);
      const known = this.#records.get(record.key);
      this.#records.set(known ? { ...known, ids: [...known.ids, id] } : record);
      return record.key;
    } catch {
      return id; // it is gone again, or nobody can read it
    }
  }

  /**
   * @param {string} id
   * @param {Envelope} envelope
   */
  #adoptFailed(id, envelope) {
    const record = newRecord(id, envelope);
    const recipients = record.recipients.map((one) => (one.state === 'waiting' ? { ...one, state: /** @type {const} */ ('failed') } : one));
    this.#records.set({ ...record, recipients });
  }

  /**
   * Joins what the history tells with what the queue lists; the later one counts.
   *
   * @param {string} key
   */
  #merge(key) {
    this.#sorted = undefined;
    const record = this.#records.get(key);
    if (!record) {
      this.#merged.delete(key);
      return;
    }
    const letters = this.#letters.get(key) ?? [];
    const listed = this.#listed.get(key);
    let { recipients, due, attempts, sending } = record;
    if (record.changed < this.#listedAt) {
      if (!listed) recipients = recipients.map((one) => (isOpen(one.state) ? { ...one, state: 'unseen' } : one));
      else {
        // When a claim ends is no time at which somebody is tried again.
        due = Math.min(...listed.map((one) => (one.state === 'sending' ? Date.now() : one.due)));
        attempts = Math.max(attempts, ...listed.map((one) => one.attempts));
        // Whoever holds a claim has told so. One whose holder is gone has ended, and one of which the outcome is told ends.
        const held = sending && this.#alive.has(lockOf(sending)) && listed.some(({ state }) => state === 'sending');
        if (!held) recipients = recipients.map((one) => (one.state === 'trying' ? { ...one, state: 'waiting' } : one));
        if (!held) sending = undefined;
      }
    }
    const state = stateOf(recipients, sending, this.#history.who);
    this.#merged.set(key, { ...record, recipients, due, attempts, sending, letters, state });
  }

  async #readSettings() {
    this.settings = await this.#history.settings();
    this.dispatchEvent(new Event('settings'));
    this.changed();
  }

  async #readSpace() {
    this.space = await this.#outbox.host.estimate();
    this.changed();
  }
}
