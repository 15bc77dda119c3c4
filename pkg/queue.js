/** @import { Envelope, MaybePromise, Policy, QueueInfo, QueueOptions, QueueStorage, Relay } from './types.js' */
import { QueueError } from './errors.js';
import { idToQueue, keptOf } from './queue/dead-letters.js';
import { Delivery } from './queue/delivery.js';
import { Intake } from './queue/intake.js';
import { openDecisions, openFrame } from './queue/module.js';
import { News } from './queue/news.js';
import { having, queueOptionsOf, relayOf, storageOf } from './queue/options.js';
import { Pool } from './queue/pool.js';
import { Renewals } from './queue/renewals.js';
import { Turns } from './queue/turns.js';
import { Ask } from './seam/names.js';

const Target = /** @type {typeof import('./types.js').QueueEventTarget} */ (/** @type {unknown} */ (EventTarget));

/**
 * Attempts the messages of a storage, tries again, gives up and tells the sender. After slimta's Queue
 * (https://slimta.org/en/latest/api/slimta.queue.html).
 *
 * Several queues may work on one storage: an attempt claims its message for `lease` milliseconds, and while a claim
 * holds nobody else attempts it. Timestamps are milliseconds since the epoch. Each transition is an event, a
 * `CustomEvent` whose `detail` has `id`, `envelope` and `attempts`: `queued`, `attempt`, and then for the recipients
 * whom it is about, with their `indexes` in the original list and their `replies`, `delivered`, `deferred` (with the
 * `timestamp` of the next attempt), `failed`; `bounced` with the `bounce` and its `bounceId`; `error` with the `error`.
 */
export class Queue extends Target {
  #decisions;
  #storage;
  #relay;
  #options;
  /** @type {import('./queue/context.js').Context} */
  #context;
  #intake;
  /** @type {Set<string>} */
  #heard = new Set();
  /** @type {Set<Promise<void>>} */
  #underWay = new Set();
  /** @type {Set<() => void>} */
  #rests = new Set();
  /** @type {News | undefined} */
  #news;
  #started = false;
  #paused = false;
  #flushes = 0;
  #turns = new Turns(() => this.#pump());
  #poked = false;
  #ready = Promise.resolve();
  /** @type {((value?: unknown) => void)[]} */
  #pumped = [];
  #pumping = false;

  /**
   * @param {QueueStorage} storage a `DictStorage`, an `AsyncDictStorage`, or an object with their methods
   * @param {Relay | null} [relay] delivers; without one messages are only stored
   * @param {QueueOptions} [options]
   * @throws {TypeError} for what is no storage, relay or option, a RangeError for a number out of range
   */
  constructor(storage, relay, options) {
    super();
    this.#storage = storageOf('storage', storage);
    this.#relay = relayOf(relay);
    this.#options = queueOptionsOf(options);
    const { backoff, bounceFactory, deadLetter, lease, relayPool, storePool } = this.#options;
    const owner = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('-');
    this.#decisions = openDecisions(owner, lease, Math.min(relayPool, 1e6), Boolean(backoff), Boolean(deadLetter));
    this.#context = {
      decisions: this.#decisions, frame: openFrame(this.#decisions),
      storage: this.#storage,
      relay: /** @type {Relay} */ (this.#relay), owner,
      storePool: storePool === Infinity ? undefined : new Pool(storePool),
      backoff, bounceFactory, deadLetter: /** @type {any} */ (deadLetter ?? undefined),
      tick: () => this.#tick(),
      rest: (milliseconds) => this.#rest(milliseconds),
      storeBounce: (bounce, id) => this.#storeBounce(bounce, id),
      sendBounces: (ids) => this.#sendBounces(ids),
      renewals: new Renewals(lease),
      hears: (type) => this.#heard.has(type),
      dispatch: (type, detail) => this.#dispatch(type, detail),
      complain: (error, detail) => this.#dispatch('error', () => ({ ...detail, error })),
      leaseLost: (id) => new QueueError('lease-lost', 'lease-lost: somebody else has claimed the message', { id }),
    };
    this.#intake = new Intake(this.#context, (timestamp, id) => this.#put(timestamp, id));
    this.#tick();
  }

  /**
   * Adds a policy. Before a message is stored, each policy may change a copy of its envelope, or replace it by others.
   *
   * @param {Policy} policy
   * @returns {void}
   */
  addPolicy(policy) {
    this.#intake.addPolicy(having('policy', 'a policy', policy, ['apply']));
  }

  /**
   * Stores a message, or what the policies make of it, due now. Resolves when it is stored: with each envelope and its
   * id, or the error that kept it from being stored. Rejects for an envelope that is none.
   *
   * Whoever waits for each message before the next one goes no faster than attempts are made, and lets everything else
   * of the program have its turn in between.
   *
   * @param {Envelope} envelope
   * @returns {Promise<[envelope: Envelope, id: string | QueueError][]>}
   */
  async enqueue(envelope) {
    const accepted = this.#intake.accept(envelope);
    return this.#turns.others ? this.#afterOthers(accepted) : accepted;
  }

  /**
   * Begins to attempt what is due: what is stored, and what is written from now on. A queue without a relay does
   * nothing.
   *
   * @returns {void}
   */
  start() {
    if (this.#started || !this.#relay) return;
    this.#started = true;
    const news = new News(this.#storage, (timestamp, id) => this.#put(timestamp, id), (error) => {
      this.#context.complain(error, {});
    });
    this.#news = news;
    news.listen();
    const { addEventListener: listen, document } = globalThis;
    listen?.call(globalThis, 'online', this.#online);
    document?.addEventListener('visibilitychange', this.#visible);
    this.#openOrClose();
  }

  /**
   * Attempts everything that waits now, whatever it is due, and resolves when it was attempted once. A queue that was
   * not started looks through its storage first. What others have claimed is left to them.
   *
   * @returns {Promise<void>}
   */
  async flush() {
    if (!this.#relay) return;
    if (!this.#started) await new News(this.#storage, (timestamp, id) => this.#put(timestamp, id), () => {}).look();
    this.#flushes++;
    try {
      this.#hurry();
      while (this.#ask(Ask.Hurrying) && this.#isOpen()) await new Promise((resolve) => this.#pumped.push(resolve));
      await Promise.all(this.#underWay);
    } finally {
      this.#flushes--;
      this.#openOrClose();
    }
    // What has begun meanwhile; no other one does, unless the queue was started.
    while (!this.#isOpen() && this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /**
   * Begins no more attempts, and resolves when those under way have ended. The queue can be started again.
   *
   * @returns {Promise<void>}
   */
  async stop() {
    if (this.#started) {
      this.#started = false;
      this.#news?.end();
      const { removeEventListener: leave, document } = globalThis;
      leave?.call(globalThis, 'online', this.#online);
      document?.removeEventListener('visibilitychange', this.#visible);
      this.#openOrClose();
    }
    for (const wake of this.#rests) wake();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /**
   * Claims nothing until `resume`; attempts under way end.
   *
   * @returns {void}
   */
  pause() {
    this.#paused = true;
    this.#openOrClose();
  }

  /** @returns {void} */
  resume() {
    this.#paused = false;
    this.#openOrClose();
  }

  /**
   * Queues a message again that was given up, from the dictionaries of `options.deadLetter`, or lets one that waits be
   * due now. Rejects with a `KeyError` for any other id.
   *
   * @param {string} id
   * @returns {Promise<void>}
   */
  async retry(id) {
    const { deadLetter, storage } = this.#context;
    const ids = [];
    if (deadLetter) {
      const kept = [];
      for await (const one of keptOf(deadLetter, id)) kept.push(one);
      // The first one goes last: by it the others are found.
      for (const { place, envelope } of kept.reverse()) {
        const as = await idToQueue(deadLetter, storage, place);
        // If this ends before it is taken off, a repeat finds it here.
        ids.push(await this.#intake.write(envelope, as, 2 * this.#options.lease));
        await deadLetter.remove(place);
      }
    }
    if (ids.length === 0) ids.push(id);
    const now = Date.now();
    for (const one of ids) {
      await storage.setTimestamp(one, now);
      this.#put(now, one);
    }
  }

  /**
   * Tells how many messages this queue knows, when the first of them is due, how many are being attempted, and how many
   * attempts have so far delivered to somebody, left somebody to be tried again, given somebody up.
   *
   * @returns {QueueInfo}
   */
  getInfo() {
    this.#ask(Ask.Info);
    const [size, inAttempt, delivered, deferred, failed, due] = this.#decisions.numbers();
    return { size, oldestDue: Number.isNaN(due) ? null : due, inAttempt, delivered, deferred, failed };
  }

  /**
   * @param {Parameters<import('./types.js').QueueEventTarget['addEventListener']>} listener
   * @override
   */
  addEventListener(...listener) {
    this.#heard.add(listener[0]);
    super.addEventListener(...listener);
  }

  /**
   * @template T
   * @param {MaybePromise<T>} accepted
   */
  async #afterOthers(accepted) {
    const result = await accepted;
    if (this.#isOpen()) await this.#turns.others;
    return result;
  }

  // ---- bounces ----

  /**
   * Stores a bounce that waits until its message is marked: if this crashes in between, a repeat finds it there.
   *
   * @param {Envelope} bounce
   * @param {string} id
   * @returns {Promise<string[]>} the ids of what it has become
   */
  async #storeBounce(bounce, id) {
    const { bounceQueue = this, lease } = this.#options;
    const accepted = await (bounceQueue instanceof Queue
      ? bounceQueue.#intake.accept(bounce, id, 2 * lease) : bounceQueue.enqueue(bounce));
    return accepted.map(([, id]) => {
      if (typeof id !== 'string') throw id;
      return id;
    });
  }

  /** @param {string[]} ids */
  async #sendBounces(ids) {
    const { bounceQueue = this } = this.#options;
    if (!(bounceQueue instanceof Queue)) return;
    const now = Date.now();
    for (const id of ids) {
      try {
        await bounceQueue.#storage.setTimestamp(id, now);
        bounceQueue.#put(now, id);
      } catch (error) {
        this.#context.complain(error, { id }); // it is sent later
      }
    }
  }

  /**
   * @param {number} timestamp
   * @param {string} id
   */
  #put(timestamp, id) {
    this.#context.frame.putId(id);
    this.#ask(Ask.Put, timestamp);
    if (this.#isOpen()) this.#poke();
  }

  // ---- attempts ----

  #isOpen() {
    return (this.#started || this.#flushes > 0) && !this.#paused;
  }

  #openOrClose() {
    this.#ask(Ask.Open, this.#isOpen() ? 1 : 0);
    this.#pump();
  }

  #hurry() {
    this.#tick();
    this.#ask(Ask.Hurry);
    this.#openOrClose();
  }

  #online = () => this.#hurry();
  #visible = () => this.#pump();
  #unpoke = () => {
    this.#poked = false;
    this.#pump();
  };

  /** Looks for attempts to begin when nothing else runs any more. */
  #poke() {
    if (this.#poked) return;
    this.#poked = true;
    this.#ready.then(this.#unpoke);
  }

  /** Begins the attempts that may begin, and comes back for the next one. */
  #pump() {
    if (this.#pumping || !this.#turns.begin()) return;
    this.#pumping = true;
    this.#ask(Ask.Tick, Date.now(), this.#turns.now);
    try {
      for (let number; (number = this.#ask(Ask.Take)) >= 0; ) {
        this.#begin(number);
        if (!this.#turns.goesOn()) break;
      }
    } finally {
      this.#pumping = false;
      this.#turns.end(this.#ask(Ask.Idle));
    }
    if (this.#pumped.length > 0) for (const resolve of this.#pumped.splice(0)) resolve();
  }

  /** @param {number} number */
  #begin(number) {
    const work = new Delivery(this.#context, number).run();
    if (!work) return;
    const ended = work.finally(() => {
      this.#underWay.delete(ended);
      this.#pump();
    });
    this.#underWay.add(ended);
  }

  /**
   * @param {number} milliseconds
   * @returns {Promise<boolean>} false if the queue does not wait
   */
  async #rest(milliseconds) {
    if (!this.#started && this.#flushes === 0) return false;
    await new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#rests.delete(end);
        resolve(undefined);
      };
      const timer = setTimeout(end, milliseconds);
      this.#rests.add(end);
    });
    return true;
  }

  // ---- what is shared ----

  #tick() {
    this.#ask(Ask.Tick, Date.now(), performance.now());
  }

  /**
   * @param {number} ask
   * @param {number} [x]
   * @param {number} [y]
   */
  #ask(ask, x = 0, y = 0) {
    return this.#decisions.ask(ask, 0, x, y);
  }

  /**
   * @param {string} type
   * @param {() => object} detail
   */
  #dispatch(type, detail) {
    if (this.#heard.has(type)) this.dispatchEvent(new CustomEvent(type, { detail: detail() }));
  }
}
