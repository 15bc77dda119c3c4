/** @import { AsyncDictStorage, Envelope, Outcome, Relay, Reply } from 'slimta-queue-dict' */
import { PermanentRelayError, Queue, TransientRelayError } from 'slimta-queue-dict';
import { httpRelay } from 'slimta-queue-dict/relays';
import { subjectOf } from './mail.js';

/**
 * How messages leave this page: by a relay that only pretends, with the percentage of recipients that it defers and
 * refuses, or by one that posts to a URL.
 *
 * @typedef {{ kind: 'simulated', deferred: number, refused: number } | { kind: 'http', url: string }} Route
 */

/**
 * What happened to a message.
 *
 * @typedef {object} Happening
 * @property {'attempt' | 'delivered' | 'deferred' | 'failed' | 'bounced' | 'error'} type
 * @property {number} time
 * @property {string} id
 * @property {string} subject
 * @property {string} text what the other side answered, or what went wrong
 */

const TYPES = /** @type {const} */ (['attempt', 'delivered', 'deferred', 'failed', 'bounced', 'error']);
/** How many happenings are kept. */
const KEPT = 200;
/** How long the relay that pretends takes, in milliseconds. */
const LATENCY = [400, 1200];
/** Waits before the second, third … attempt, in milliseconds: short for one that pretends, as people watch it. */
const WAITS = {
  simulated: [5_000, 10_000, 20_000, 40_000, 60_000],
  http: [60_000, 300_000, 900_000, 3_600_000, 7_200_000, 14_400_000],
};
/** After how many attempts a message is given up. */
const MOST = { simulated: 8, http: 36 };

/**
 * Sends what is queued while it is switched on. Every tab may do so: no message is attempted by two at once.
 *
 * Events: `change` when something looks different, `touched` (its `detail` is an id) when a message may have changed.
 */
export class Sending extends EventTarget {
  #storage;
  /** @type {Queue | undefined} */
  #queue;
  #isOn = false;
  /** @type {Route} */
  #route = { kind: 'simulated', deferred: 30, refused: 10 };
  /** @type {Relay} */
  #relay = pretend(30, 10);
  /**
   * What happened, the latest last.
   *
   * @type {Happening[]}
   */
  happenings = [];
  /**
   * Messages that are being sent.
   *
   * @type {Set<string>}
   */
  underWay = new Set();
  /** How many attempts delivered to somebody, left somebody waiting, and gave somebody up. */
  counts = { delivered: 0, deferred: 0, failed: 0 };

  /** @param {AsyncDictStorage} storage */
  constructor(storage) {
    super();
    this.#storage = storage;
  }

  get isOn() {
    return this.#isOn;
  }

  /** @param {boolean} on */
  turn(on) {
    this.#isOn = on;
    if (!on) this.#queue?.pause();
    else if (this.#queue) this.#queue.resume();
    else this.#queue = this.#start();
    this.#changed();
  }

  /**
   * @param {Route} route
   * @throws {TypeError} for a URL that is none
   */
  choose(route) {
    this.#relay = route.kind === 'http' ? httpRelay(route.url) : pretend(route.deferred, route.refused);
    this.#route = route;
    this.#changed();
  }

  /** Makes everything that waits due now. */
  async flush() {
    if (!this.#queue) return;
    for await (const { id, state } of this.#queue.list()) if (state === 'waiting') await this.#queue.retry(id);
    await this.#queue.flush();
  }

  #start() {
    const queue = new Queue(this.#storage, {
      attempt: (envelope, attempts, attempt) => this.#relay.attempt(envelope, attempts, attempt),
    }, { backoff: (_envelope, attempts) => this.#wait(attempts), relayPool: 4 });
    for (const type of TYPES) {
      queue.addEventListener(type, (event) => this.#happened(type, /** @type {CustomEvent} */ (event).detail));
    }
    // Who was told of is gone when the notice is sent.
    queue.addEventListener('removed', ({ detail }) => this.dispatchEvent(new CustomEvent('touched', { detail: detail.id })));
    queue.start();
    return queue;
  }

  /** @param {number} attempts */
  #wait(attempts) {
    const { kind } = this.#route;
    if (attempts >= MOST[kind]) return null;
    const wait = WAITS[kind][Math.min(attempts, WAITS[kind].length) - 1];
    return wait * (0.9 + Math.random() / 5);
  }

  /**
   * @param {Happening['type']} type
   * @param {{ id?: string, envelope?: Envelope, attempts?: number, replies?: (Reply | null)[], error?: unknown }} detail
   */
  #happened(type, { id = '', envelope, attempts = 0, replies = [], error }) {
    if (type === 'attempt') this.underWay.add(id);
    else this.underWay.delete(id);
    if (type === 'delivered' || type === 'deferred' || type === 'failed') this.counts[type]++;
    const [reply] = replies;
    const text = type === 'attempt' ? `Attempt ${attempts}`
      : reply ? `${reply.code} ${reply.message}` : error instanceof Error ? error.message : '';
    const subject = envelope ? subjectOf(envelope.headers ?? []) : '';
    this.happenings.push({ type, time: Date.now(), id, subject, text });
    if (this.happenings.length > KEPT) this.happenings.shift();
    this.dispatchEvent(new CustomEvent('touched', { detail: id }));
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/**
 * A relay that sends nothing.
 *
 * @param {number} deferred of a hundred recipients
 * @param {number} refused of a hundred recipients
 * @returns {Relay}
 */
function pretend(deferred, refused) {
  return {
    async attempt({ recipients }) {
      const [least, most] = LATENCY;
      await new Promise((resolve) => setTimeout(resolve, least + Math.random() * (most - least)));
      return recipients.map(() => outcome(Math.random() * 100));
    },
  };

  /**
   * @param {number} drawn
   * @returns {Outcome}
   */
  function outcome(drawn) {
    if (drawn < refused) return new PermanentRelayError('550 5.1.1 Simulated: no such mailbox');
    if (drawn < refused + deferred) return new TransientRelayError('451 4.3.0 Simulated: busy, try again later');
    return { code: 250, message: '2.0.0 Simulated: accepted' };
  }
}
