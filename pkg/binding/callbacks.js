/** @import { Envelope, Policy, QueueOptions, Relay, Reply } from '../types.js' */
/** @import { Gate } from './later.js' */
import { refused } from '../errors.js';
import { copyEnvelope, copyEnvelopes, copyForeign } from './envelope.js';
import { Unrecognised } from './errors.js';
import { answerOf, dropPromise, laterIfPromise } from './later.js';
import { whenGone } from './owners.js';
import { RelayedAttempt } from './relayed-attempt.js';

// What a queue calls: relay, policies, backoff, bounce factory, bounce queue and listeners, as src/wasm/relay.rs imports
// them.

/**
 * The functions that a queue calls, and what they have under way. It outlasts an instance of the module.
 *
 * @typedef {object} Functions
 * @property {Relay | undefined} relay
 * @property {object | undefined} place see `DictHost`
 * @property {QueueOptions['backoff']} backoff
 * @property {QueueOptions['bounceFactory']} bounceFactory
 * @property {NonNullable<QueueOptions['destination']>['of']} destinationOf
 * @property {((bounce: Envelope, id: string) => unknown) | undefined} enqueueBounce
 * @property {Policy[]} policies
 * @property {Set<string>} listenedTypes types of events that somebody listens to
 * @property {(type: string, detail: object) => void} dispatch
 * @property {Map<string, RelayedAttempt>} relayed by message, the attempts that have not ended
 */

/**
 * The envelopes that a policy has made; nothing where it has changed the one that it was given.
 *
 * @param {any} made
 * @returns {Iterable<Envelope> | undefined}
 */
function envelopesOf(made) {
  if (made === undefined || made === null) return undefined;
  if (typeof made === 'object' && typeof made[Symbol.iterator] === 'function') return made;
  throw refused('policy.apply', 'a list of envelopes, or nothing, as what it returns', made);
}

/** What is called for a queue that nobody has any more. */
const NOBODY = Object.freeze({
  relay: undefined, place: undefined, backoff: undefined, bounceFactory: undefined, destinationOf: undefined,
  enqueueBounce: undefined, policies: [], listenedTypes: new Set(), dispatch() {}, relayed: new Map(),
});

/** The functions of a queue as the core calls them: none throws, and each answers with inert values. */
export class Callbacks {
  /** @type {{ deref(): Functions | undefined }} */
  #held;
  #gate;

  /**
   * @param {Functions} functions
   * @param {Gate} gate
   */
  constructor(functions, gate) {
    // The core keeps this as long as the queue: were the queue kept by it, neither would ever be let go.
    this.#held = typeof WeakRef === 'undefined' ? { deref: () => functions } : new WeakRef(functions);
    this.#gate = gate;
  }

  get #functions() {
    return this.#held.deref() ?? NOBODY;
  }

  /**
   * @param {Envelope} envelope
   * @param {number} attempts
   * @param {string} id
   */
  attempt(envelope, attempts, id) {
    const { relay, relayed } = this.#functions;
    let attempt = relayed.get(id);
    if (!attempt) relayed.set(id, (attempt = new RelayedAttempt(relay, envelope, attempts, id)));
    return laterIfPromise(attempt.answer, this.#gate);
  }

  /** @param {string} id */
  abort(id) {
    this.#functions.relayed.get(id)?.abort();
  }

  /** @param {string} id */
  has(id) {
    return this.#functions.relayed.has(id);
  }

  /** @param {string} id of a message whose attempt has ended */
  settle(id) {
    this.#functions.relayed.delete(id);
  }

  /**
   * @param {number} number
   * @param {Envelope} envelope
   */
  policy(number, envelope) {
    const copy = copyForeign(envelope);
    return this.#answer(() => this.#functions.policies[number].apply(copy), (made) => (
      copyEnvelopes(envelopesOf(made) ?? [copy])));
  }

  /**
   * @param {Envelope} envelope
   * @param {number} attempts
   * @param {Reply[]} replies
   * @param {{ since: number, scheduled: number }} patience
   */
  backoff(envelope, attempts, replies, patience) {
    return answerOf(() => {
      const delay = this.#functions.backoff?.(copyForeign(envelope), attempts, replies, patience);
      if (delay === undefined || delay === null || typeof delay === 'number') return delay ?? null;
      dropPromise(delay);
      throw refused('backoff', 'a number of milliseconds or null', delay);
    }, (delay) => delay);
  }

  /** @param {string} address */
  destination(address) {
    return answerOf(() => {
      const name = this.#functions.destinationOf?.(address);
      if (typeof name === 'string') return name;
      dropPromise(name);
      throw refused('destination.of', 'a string', name);
    }, (name) => name);
  }

  /**
   * @param {Envelope} envelope
   * @param {Reply[]} replies by recipient
   */
  bounce(envelope, replies) {
    return this.#answer(() => this.#functions.bounceFactory?.(copyForeign(envelope), replies[0], replies), (bounce) => (
      bounce === undefined || bounce === null ? null : copyEnvelope(bounce)));
  }

  /**
   * @param {Envelope} bounce
   * @param {string} id
   */
  enqueueBounce(bounce, id) {
    return this.#answer(() => this.#functions.enqueueBounce?.(copyForeign(bounce), id), () => undefined);
  }

  /** @param {string} owner */
  whenGone(owner) {
    const gone = whenGone(owner, this.#functions.place);
    return gone && this.#answer(() => gone, () => true);
  }

  /** @param {string} type */
  hasListeners(type) {
    return this.#functions.listenedTypes.has(type);
  }

  /**
   * @param {string} type
   * @param {any} detail
   */
  emit(type, { places, replies, failed, ...detail }) {
    const { envelope } = detail;
    if (places) {
      detail.recipients = places.map((/** @type {number} */ place) => envelope.recipients[place]);
      detail.replies = replies.map((/** @type {Reply | null} */ reply) => reply ?? undefined);
      const reply = detail.replies.find((/** @type {Reply | undefined} */ reply) => reply !== undefined);
      if (reply) detail.reply = reply;
    }
    if (failed) detail.error = failed.error;
    if (failed instanceof Unrecognised) detail.error.cause = this.#functions.relayed.get(detail.id)?.returned;
    this.#functions.dispatch(type, detail);
  }

  /**
   * @template T
   * @param {() => any} ask
   * @param {(answer: any) => T} read
   */
  #answer(ask, read) {
    return laterIfPromise(answerOf(ask, read), this.#gate);
  }
}
