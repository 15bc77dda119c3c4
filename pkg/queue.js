/** @import { Glue } from './wasm/glue.js' */
/** @import { EnqueueOptions, Envelope, ListOptions, MessageCounts, Policy, QueueEventType, QueueInfo, QueueListener, QueueOptions, QueueStorage, Relay, RunOptions, RunResult } from './types.js' */
import { MessageList } from './message-list.js';
import { having, optionsOf, milliseconds, queueOptionsOf, relayOf } from './options.js';
import { copyEnqueueOptions, copyId, copyListOptions, copyRunOptions } from './binding/arguments.js';
import { Callbacks } from './binding/callbacks.js';
import { copyEnvelope, copyEnvelopes } from './binding/envelope.js';
import { Failed } from './binding/errors.js';
import { restarted } from './binding/instance.js';
import { Owner } from './binding/owners.js';
import { areOne, partsOf } from './binding/storages.js';
import { WasmHalf } from './binding/wasm-half.js';
import { guardian, withCopies } from './listeners.js';

const Target = /** @type {typeof import('./types.js').QueueEventTarget} */ (/** @type {unknown} */ (EventTarget));

/**
 * Attempts the messages of a storage, tries again, gives up and tells the sender. After slimta's Queue
 * (https://slimta.org/en/latest/api/slimta.queue.html).
 *
 * Several queues may work on one storage: an attempt claims its message for `lease` milliseconds, and while a claim
 * holds nobody else attempts it. Timestamps are milliseconds since the epoch. Each transition is an event, a
 * `CustomEvent` whose `detail` has `id`, `attempts` and, but for `removed` and `overdue`, `envelope`: `queued`,
 * `attempt`, and then for the recipients whom it is about, with their `indexes` in the original list and their
 * `replies`, `delivered`, `deferred` (with the `timestamp` of the next attempt), `failed`; `bounced` with the `bounce`
 * and its `bounceId`; `error` with the `error`. `removed` says that a message is gone by another hand; `overdue`, of a
 * started queue, with its `timestamp`, that the oldest one is late.
 */
export class Queue extends Target {
  #wasm;
  #storage;
  #relay;
  /** @type {Policy[]} */
  #policies = [];
  /** @type {Set<string>} */
  #listenedTypes = new Set();
  #guard = guardian((error, { type, detail }) => {
    // What a listener to errors throws, or any if there is none, people may find on the console.
    if (type === 'error' || !this.#listenedTypes.has('error')) return console.error(error);
    const { id, envelope, attempts } = detail ?? {};
    this.#dispatch('error', { id, envelope, attempts, error });
  });
  #owner;
  #started = false;
  /** Whether it was started, and may claim. */
  #works = false;
  /** @type {Map<string, any>} attempts that the relay has, by message */
  #relayed = new Map();
  #runs = 0;
  /** How many runs are under way. */
  #underWay = 0;
  #paused = false;
  /** Whether its page is put aside, and nothing may be claimed. */
  #isAside = false;
  /** The name under which the half claims, and what else it is told. */
  #own;

  /**
   * @param {QueueStorage} storage a `DictStorage` or an `AsyncDictStorage` of this copy of the package
   * @param {Relay | null} [relay] delivers; without one messages are only stored
   * @param {QueueOptions} [options]
   * @throws {TypeError} for what is no storage, relay or option, a RangeError for a number out of range
   */
  constructor(storage, relay, options) {
    super();
    this.#storage = partsOf('storage', storage);
    this.#relay = relayOf(relay);
    const { backoff, bounceFactory, bounceQueue, deadLetter, destinationOf, ...numbers } = queueOptionsOf(options);
    const { wasm, every, reach, place } = this.#storage;
    const kept = deadLetter === undefined || deadLetter === null ? undefined : partsOf('options.deadLetter', deadLetter);
    if (kept && areOne(kept, this.#storage)) {
      throw new TypeError('options.deadLetter: expected another storage, got that of the queue');
    }
    const deadLetters = kept?.wasm;
    // A fresh instance goes on under the same name, so that it has at once what the last one has claimed.
    this.#owner = new Owner(reach(), place);
    const own = this.#own = {
      ...numbers, owner: /** @type {string | undefined} */ (undefined), scan: every,
      hasBackoff: Boolean(backoff), hasBounceFactory: Boolean(bounceFactory),
      hasBounceQueue: Boolean(bounceQueue), hasDestinationOf: Boolean(destinationOf),
    };
    const functions = {
      relay: this.#relay, place, backoff, bounceFactory, destinationOf,
      policies: this.#policies, listenedTypes: this.#listenedTypes, relayed: this.#relayed,
      enqueueBounce: bounceQueue && ((/** @type {[Envelope, string]} */ ...bounce) => Queue.#enqueueBounce(bounceQueue, ...bounce)),
      dispatch: (/** @type {string} */ type, /** @type {object} */ detail) => this.#dispatch(type, detail),
    };
    this.#wasm = new WasmHalf((now) => {
      own.owner ??= this.#owner.name;
      const callbacks = new Callbacks(functions, now.gate);
      // The half of a storage is never a failure.
      const half = /** @type {Glue.Storage} */ (wasm.in(now));
      const kept = /** @type {Glue.Storage | undefined} */ (deadLetters?.in(now))?.share();
      const queue = now.glue.Queue.open(half, kept, callbacks, own);
      if (queue instanceof Failed) return queue;
      this.#policies.forEach((_, number) => queue.addPolicy(number));
      if (this.#paused || this.#isAside) queue.pause();
      if (this.#works) queue.start();
      return queue;
    });
  }

  /**
   * Adds a policy. Before a message is stored, each policy may change a copy of its envelope, or replace it by others.
   *
   * @param {Policy} policy
   * @returns {void}
   */
  addPolicy(policy) {
    // Every function has an `apply`, which would change nothing.
    if (typeof policy === 'function') throw new TypeError('policy: expected an object with a method apply, got a function');
    having('policy', 'a policy', policy, ['apply']);
    if (this.#wasm.isMade) this.#wasm.call((queue) => queue.addPolicy(this.#policies.length));
    this.#policies.push(policy); // last: a half that is made adds those that are here already
  }

  /**
   * Stores a message, or what the policies make of it. Resolves when everything is stored: with each envelope and its
   * id. Envelopes that a policy made of one may share their body.
   *
   * Rejects with what a policy threw, with a RangeError for a message without recipients when the policies are done, and
   * with a TypeError for a header name that RFC 5322 does not allow: nothing was stored then. Rejects with the first
   * error of the storage if anything is not stored. The `results` of this `QueueError` are the pairs of each envelope
   * and its id, with an error in the place of each id that is missing: what has an id is stored and is attempted. Its
   * `key`, given again as `options.key` with the same message, has only what is missing stored.
   *
   * Whoever waits for each message before the next one goes no faster than attempts are made, and lets everything else
   * of the program run in between.
   *
   * @param {Envelope} envelope
   * @param {EnqueueOptions} [options]
   * @returns {Promise<[envelope: Envelope, id: string][]>}
   */
  async enqueue(envelope, options) {
    return this.#enqueue(envelope, copyEnqueueOptions(options));
  }

  /**
   * @param {Envelope} envelope
   * @param {{ id?: string, key?: string, at?: number, expires?: number }} options
   * @returns {Promise<[envelope: Envelope, id: string][]>}
   */
  async #enqueue(envelope, { id, key, at, expires }) {
    const copy = copyEnvelope(envelope);
    /** @type {[missing: string | undefined, stored: [Envelope, string | Failed][]]} */
    const [missing, stored] = await this.#wasm.call((queue) => queue.enqueue(copy, id, at, expires, key), id, key);
    const shown = this.#policies.length === 0 ? [envelope] : copyEnvelopes(stored.map(([made]) => made));
    const results = stored.map(([, id], index) => (
      /** @type {[Envelope, any]} */ ([shown[index], id instanceof Failed ? id.error : id])));
    if (missing === undefined) return results;
    const [, error] = /** @type {[Envelope, any]} */ (results.find(([, id]) => typeof id !== 'string'));
    // Whoever makes JSON of an error must not meet it in its own results.
    Object.defineProperty(error, 'results', { value: results, configurable: true, writable: true });
    throw Object.assign(error, { key: missing });
  }

  /**
   * Begins to attempt what is due: what is stored, and what is written from now on. A queue without a relay does
   * nothing. Throws `closed` where the storage was closed.
   *
   * @returns {void}
   */
  start() {
    if (!this.#relay) return;
    this.#wasm.call((queue) => queue.checkOpen());
    if (this.#started) return;
    this.#storage.listen();
    this.#beginWork();
    this.#started = true;
    const held = this.#owner.hold();
    if (held) held.then(() => this.#work());
    else this.#work();
    globalThis.addEventListener?.('online', this.#online);
    globalThis.document?.addEventListener('visibilitychange', this.#visible);
  }

  #work() {
    if (!this.#started || this.#works) return;
    this.#takeName();
    this.#wasm.call((queue) => queue.start());
    this.#works = true; // last: a half that is made for the call above begins by itself otherwise
  }

  /**
   * Looks through the storage, attempts what is due now, each message once, and resolves with what came of it, also in a
   * queue that was not started. What others have claimed is left to them. A queue without a relay attempts nothing. Rejects
   * with the error of the storage where that cannot be looked through; nothing was attempted then.
   *
   * @param {RunOptions} [options]
   * @returns {Promise<RunResult>}
   */
  async run(options) {
    return this.#run(false, copyRunOptions(options, ['until', 'limit', 'signal']));
  }

  /**
   * The same as `run`, and what was deferred is attempted too, whatever it is due. A message that was never attempted and is
   * planned for later waits.
   *
   * @param {Omit<RunOptions, 'until'>} [options]
   * @returns {Promise<RunResult>}
   */
  async flush(options) {
    return this.#run(true, copyRunOptions(options, ['limit', 'signal']));
  }

  /**
   * @param {boolean | undefined} flush nothing: only the attempts of an instance that is gone are brought to their ends
   * @param {{ until?: number, limit?: number, signal?: AbortSignal }} options
   * @returns {Promise<RunResult>}
   */
  async #run(flush, { until, limit, signal }) {
    const held = this.#owner.hold();
    if (held) await held;
    this.#takeName();
    const number = this.#runs++;
    const most = !this.#relay || signal?.aborted ? 0 : limit;
    const abort = () => this.#wasm.call((queue) => queue.abort(number));
    signal?.addEventListener('abort', abort);
    this.#beginWork();
    this.#underWay++;
    try {
      return await this.#wasm.call((queue) => queue.run(number, flush, until, most));
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#underWay--;
      this.#endWork();
    }
  }

  /**
   * Begins no more attempts, and resolves when those under way have ended. The queue can be started again.
   *
   * @param {{ timeout?: number }} [options] `timeout`: attempts that last longer than so many milliseconds end then,
   *   their relays hear of it by their signal, and their messages are tried again later; 0: all end at once. Rejects with a
   *   RangeError for a negative one
   * @returns {Promise<void>}
   */
  async stop(options) {
    const { timeout } = optionsOf(options, ['timeout']);
    const time = timeout === undefined || timeout === 0 ? timeout : milliseconds('options.timeout', timeout, 0);
    this.#started = this.#works = false;
    globalThis.removeEventListener?.('online', this.#online);
    globalThis.document?.removeEventListener('visibilitychange', this.#visible);
    try {
      await this.#wasm.call((queue) => queue.stop(time));
    } catch (error) {
      if (!this.#isAtWork) throw error;
      // The instance is gone, and not the attempts that the relay has.
      const timer = time === undefined ? undefined : setTimeout(() => this.#wasm.call((queue) => queue.stop(1)), time);
      await this.#run(undefined, {}).finally(() => clearTimeout(timer));
    } finally {
      this.#endWork();
    }
  }

  /**
   * Claims nothing until `resume`; attempts under way end.
   *
   * @returns {void}
   */
  pause() {
    this.#paused = true;
    this.#wasm.call((queue) => queue.pause());
  }

  /** @returns {void} */
  resume() {
    this.#paused = false;
    if (!this.#isAside) this.#wasm.call((queue) => queue.resume());
  }

  /**
   * Queues a message again that was given up, from the dictionaries of `options.deadLetter`, under another id: a `queued`
   * event names it. Several attempts may have kept parts of one message: each is a message then, and after an error some may
   * be queued. A repeat queues only what is missing. Lets a message that waits be due now; one that is being sent stays as it
   * is. Rejects with a `KeyError` for any other id.
   *
   * @param {string} id
   * @returns {Promise<void>}
   */
  async retry(id) {
    const key = copyId('id', id);
    await this.#wasm.call((queue) => queue.retry(key), key);
  }

  /**
   * Removes a message that waits. Resolves with false where it is being sent, by this queue or another one, where it was
   * delivered, where its sender is still to be told of some whom it gave up, and where it is gone. The record is checked and
   * removed in one commit; rejects with the errors of a storage's `change`.
   *
   * @param {string} id
   * @returns {Promise<boolean>}
   */
  async cancel(id) {
    const key = copyId('id', id);
    return this.#wasm.call((queue) => queue.cancel(key), key);
  }

  /**
   * Yields the messages of the storage, in the order of the host, then those in `options.deadLetter`, as their records
   * say: every one that is there from start to end, of those that come or go meanwhile, any. Reads a page of records at
   * a time, and an envelope only if it is asked for, or to tell whether all recipients are marked. Throws a TypeError or a
   * RangeError at once for bad options. The first `next` rejects for a text that is no cursor, and after a failure of the
   * storage.
   *
   * @param {ListOptions} [options]
   * @returns {MessageList}
   */
  list(options) {
    const { state, limit, cursor, envelopes } = copyListOptions(options);
    return new MessageList((now, cursor, listed) => {
      const queue = this.#wasm.in(now);
      return queue instanceof Failed ? queue : queue.list(state, limit === undefined ? limit : limit - listed, cursor, envelopes);
    }, cursor);
  }

  /**
   * Looks through the whole storage and counts the messages, those of others included. Rejects with the error of the storage
   * where that cannot be looked through.
   *
   * @returns {Promise<MessageCounts>}
   */
  async count() {
    return this.#wasm.call((queue) => queue.count());
  }

  /**
   * Tells how many messages this queue knows, when the first of them is due, how many are being attempted, and how many
   * attempts have so far delivered to somebody, left somebody to be tried again, given somebody up. Of what it has stored
   * while it attempts nothing it knows 10,000 at most.
   *
   * @returns {QueueInfo}
   */
  getInfo() {
    return this.#wasm.call((queue) => queue.getInfo());
  }

  /**
   * @template {QueueEventType} T
   * @param {T} type
   * @param {QueueListener<T> | null} listener
   * @param {boolean | object} [options]
   * @override
   */
  addEventListener(type, listener, options) {
    this.#listenedTypes.add(type);
    super.addEventListener(type, this.#guard(listener), options);
  }

  /**
   * @template {QueueEventType} T
   * @param {T} type
   * @param {QueueListener<T> | null} listener
   * @param {boolean | object} [options]
   * @override
   */
  removeEventListener(type, listener, options) {
    super.removeEventListener(type, this.#guard(listener), options);
  }

  /**
   * @param {string} type
   * @param {object} detail
   */
  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail: withCopies(detail) }));
  }

  #online = () => this.#wasm.call((queue) => queue.wake());
  #visible = () => {
    if (document.visibilityState === 'visible') this.#online();
  };
  #returned = () => {
    if (this.#started && !this.#paused) this.#wasm.call((queue) => queue.checkClocks());
    else this.#run(undefined, {}).catch(() => {}); // goes on with the next instance
  };

  #beginWork() {
    restarted.add(this.#returned);
    this.#owner.onAside = this.#aside;
  }

  #endWork() {
    if (this.#isAtWork) return;
    restarted.delete(this.#returned);
    this.#owner.onAside = undefined;
  }

  /** @param {boolean} isAside */
  #aside = (isAside) => {
    if (isAside) {
      this.#isAside = true;
      this.#wasm.call((queue) => queue.pause());
    } else if (this.#isAside) {
      this.#takeName();
      this.#storage.listen(true);
    }
  };

  /** Claims under the name whose lock is held, and may claim. */
  #takeName() {
    const { name } = this.#owner;
    this.#own.owner ??= name;
    if (this.#own.owner === name) return;
    this.#own.owner = name;
    this.#wasm.call((queue) => queue.rename(name));
    this.#isAside = false;
    if (!this.#paused) this.#wasm.call((queue) => queue.resume());
  }

  get #isAtWork() {
    return this.#started || this.#underWay > 0 || this.#relayed.size > 0;
  }

  /**
   * Stores a notice in another queue, under an id if that is one of ours.
   *
   * @param {NonNullable<QueueOptions['bounceQueue']>} queue
   * @param {Envelope} notice
   * @param {string} id
   */
  static async #enqueueBounce(queue, notice, id) {
    const stored = queue instanceof Queue ? await queue.#enqueue(notice, { id }) : await queue.enqueue(notice);
    if (!Array.isArray(stored)) return; // another kind of queue may answer anything
    for (const entry of stored) if (entry?.[1] instanceof Error) throw entry[1];
  }
}
