/** @import { Envelope, Lease, MaybePromise, Reply } from '../types.js' */
/** @import { Context } from './context.js' */
import { LOOK } from '../seam/look.js';
import * as Ask from '../wasm/ask.js';
import * as Fate from '../wasm/fate.js';
import * as Result from '../wasm/result.js';
import * as Step from '../wasm/step.js';
import * as Told from '../wasm/told.js';
import { tellAnswer } from './answers.js';
import { bounceOf } from './bounces.js';
import { keep } from './dead-letters.js';

/** Recipients of one fate, each with its position in the original list and the reply of the relay. */
/** @typedef {{ recipients: string[], indexes: number[], replies: (Reply | undefined)[] }} Group */

/** One attempt of one message: makes the steps that the core asks for, and tells of them. */
export class Delivery {
  #context;
  #number;
  #id;
  /** @type {Envelope} */
  #envelope = { sender: null, recipients: [] };
  /** @type {number[]} */
  #indexes = [];
  /**
   * Of somebody else.
   *
   * @type {Lease | null}
   */
  #seen = null;
  /**
   * Ids of bounces that wait until their recipients are marked.
   *
   * @type {string[]}
   */
  #bounces = [];
  /** What the last claim has expected. */
  #expected = NaN;
  /**
   * Of the last step.
   *
   * @type {ArrayLike<number>}
   */
  #numbers = [];

  /**
   * @param {Context} context
   * @param {number} number
   */
  constructor(context, number) {
    this.#context = context;
    this.#number = number;
    this.#id = context.decisions.text(Told.Id, number, 0);
  }

  async run() {
    let step = this.#next(this.#ask(Ask.Begin, Math.random()));
    while (step !== Step.Done) step = await this.#make(step);
    if (this.#bounces.length > 0 && this.#ask(Ask.Recorded)) await this.#context.sendBounces(this.#bounces);
    this.#tell();
    this.#ask(Ask.End);
  }

  /**
   * @param {number} ask
   * @param {number} [x]
   * @param {number} [y]
   */
  #ask(ask, x = 0, y = 0) {
    return this.#context.decisions.tell(ask, this.#number, x, y, '');
  }

  /**
   * Takes the numbers of a step before other attempts have theirs.
   *
   * @param {number} step
   * @returns {number}
   */
  #next(step) {
    if (NUMBERED.has(step)) this.#numbers = this.#context.decisions.numbers();
    return step;
  }

  /**
   * @param {number} step
   * @returns {MaybePromise<number>} the next one
   */
  #make(step) {
    switch (step) {
      case Step.Look:
        return this.#look();
      case Step.Change:
        return this.#try(async () => {
          const changed = await this.#change(this.#numbers);
          return this.#answer(changed ? Result.Changed : Result.Unchanged);
        });
      case Step.Get:
        return this.#get();
      case Step.Relay:
        return this.#relay();
      case Step.Backoff:
        return this.#backoff();
      case Step.Bounce:
        return this.#bounce();
      case Step.Keep:
        return this.#try(async () => {
          const { recipients } = this.#group(Fate.Refused);
          await keep(this.#context, this.#id, { ...this.#envelope, recipients });
          return this.#answer(Result.Stored);
        });
      case Step.Remove:
        return this.#try(async () => {
          await this.#store((storage) => storage.remove(this.#id));
          return this.#answer(Result.Stored);
        });
      default:
        return this.#pause();
    }
  }

  // ---- the storage ----

  /**
   * @template T
   * @param {(storage: Context['storage']) => T} call
   */
  #store(call) {
    const { storage, storePool } = this.#context;
    return storePool ? storePool.run(() => call(storage)) : call(storage);
  }

  /**
   * @param {() => Promise<number>} work
   * @returns {Promise<number>}
   */
  async #try(work) {
    try {
      return await work();
    } catch (error) {
      return this.#answer(this.#failed(error));
    }
  }

  /**
   * What a call came to that threw.
   *
   * @param {any} error
   */
  #failed(error) {
    const code = error?.code;
    if (code === 'no-such-message') return Result.Gone;
    this.#context.complain(error, { id: this.#id });
    if (code === 'unknown-outcome') return Result.Unknown;
    return code === 'corrupt' || code === 'newer-format' ? Result.Unreadable : Result.Failed;
  }

  #look() {
    return this.#try(async () => {
      const { decisions, tick } = this.#context;
      const looked = await this.#store((storage) => storage[LOOK]?.(this.#id));
      // A storage without it says how often; then a claim counts on its moving the timestamp.
      const { timestamp, attempts, lease } = looked ?? {
        timestamp: this.#expected, attempts: (await this.#store((storage) => storage.get(this.#id)))[1], lease: undefined,
      };
      this.#seen = lease ?? null;
      const until = lease === undefined ? NaN : lease ? lease.until : -Infinity;
      tick();
      decisions.tell(Ask.Lease, this.#number, until, 0, lease?.owner ?? '');
      return this.#next(this.#ask(Ask.Looked, timestamp, attempts));
    });
  }

  /**
   * Makes the change that the core has put in numbers.
   *
   * @param {ArrayLike<number>} numbers
   */
  #change(numbers) {
    const { owner } = this.#context;
    const [timestamp, attempts, until, own, ...next] = Array.from(numbers);
    /** @param {number} until */
    const mine = (until) => (until === -Infinity ? null : { until, owner });
    const expect = {
      ...(timestamp === timestamp && { timestamp }),
      ...(attempts === attempts && { attempts }),
      ...(until === until && { lease: own || until === -Infinity ? mine(until) : this.#seen }),
    };
    if (timestamp === timestamp) this.#expected = timestamp;
    const [nextTimestamp, nextAttempts, nextUntil, ...delivered] = next;
    return this.#store((storage) => storage.change(this.#id, expect, {
      ...(nextTimestamp === nextTimestamp && { timestamp: nextTimestamp }),
      ...(nextAttempts === nextAttempts && { attempts: nextAttempts }),
      ...(nextUntil === nextUntil && { lease: mine(nextUntil) }),
      ...(delivered.length > 0 && { delivered }),
    }));
  }

  #get() {
    return this.#try(async () => {
      const { tick } = this.#context;
      const [envelope, , indexes] = await this.#store((storage) => storage.get(this.#id));
      this.#envelope = envelope;
      this.#indexes = indexes;
      for (const index of indexes) this.#ask(Ask.Index, index);
      tick();
      return this.#next(this.#ask(Ask.Got, envelope.sender ? 1 : 0, Math.random()));
    });
  }

  // ---- the relay ----

  async #relay() {
    const { decisions, dispatch, relay, tick } = this.#context;
    const renewals = this.#renewals();
    dispatch('attempt', () => this.#detail());
    let answer;
    let thrown = false;
    try {
      answer = await relay.attempt(this.#envelope, this.#ask(Ask.Attempts) - 1, { id: this.#id });
    } catch (error) {
      answer = error;
      thrown = true;
    }
    await renewals.end();
    tick();
    const step = this.#next(tellAnswer(decisions, this.#number, this.#envelope.recipients, answer, thrown));
    const wrong = decisions.text(Told.Wrong, this.#number, 0);
    if (wrong) this.#context.complain(thrown ? answer : new TypeError(wrong), this.#detail());
    return step;
  }

  /** Renews the lease as long as the relay takes. */
  #renewals() {
    const { decisions, lease, tick } = this.#context;
    /** @type {Promise<void> | undefined} */
    let renewing;
    const renew = async () => {
      tick();
      if (!this.#ask(Ask.Renew)) return;
      let result;
      try {
        result = (await this.#change(decisions.numbers())) ? Result.Changed : Result.Unchanged;
      } catch (error) {
        result = this.#failed(error);
      }
      this.#ask(Ask.Renewed, result);
    };
    const timer = setInterval(() => {
      renewing ??= renew().finally(() => {
        renewing = undefined;
      });
    }, Math.min(lease / 3, LONGEST_TIMER));
    return {
      async end() {
        clearInterval(timer);
        await renewing;
      },
    };
  }

  async #backoff() {
    const { backoff, tick } = this.#context;
    const attempts = this.#numbers[0];
    const replies = this.#group(Fate.Deferred).replies;
    let wait;
    try {
      wait = backoff?.(this.#envelope, attempts, /** @type {Reply[]} */ (replies));
      if (wait !== null && wait !== undefined && !(Number.isFinite(wait) && wait >= 0)) {
        throw new RangeError(`backoff: expected a number of milliseconds or null, got ${String(wait)}`);
      }
    } catch (error) {
      this.#context.complain(error, this.#detail());
      wait = NaN;
    }
    tick();
    const gaveUp = wait === null || wait === undefined;
    return this.#next(this.#ask(Ask.Delay, wait ?? 0, gaveUp ? 1 : 0));
  }

  // ---- what is given up ----

  #bounce() {
    return this.#try(async () => {
      const { decisions, dispatch, storeBounce } = this.#context;
      const number = this.#numbers[0];
      const reply = this.#reply(number);
      const { recipients, indexes } = this.#group(Fate.Refused, number);
      const bounce = bounceOf(this.#context, this.#number, number, { ...this.#envelope, recipients }, reply);
      if (bounce) {
        const bounceId = decisions.text(Told.BounceId, this.#number, number);
        this.#bounces.push(...await storeBounce(bounce, bounceId));
        dispatch('bounced', () => ({ ...this.#detail(), reply, recipients, indexes, bounce, bounceId }));
      }
      return this.#answer(Result.Stored);
    });
  }

  async #pause() {
    return this.#answer(await this.#context.rest(this.#numbers[0]) ? Result.Stored : Result.Failed);
  }

  // ---- what it came to ----

  #tell() {
    const { complain, dispatch, leaseLost } = this.#context;
    if (this.#ask(Ask.Lost)) complain(leaseLost(this.#id), this.#detail());
    if (!this.#ask(Ask.Recorded)) return;
    for (const [type, fate] of FATES) {
      const group = this.#group(fate);
      if (group.recipients.length === 0) continue;
      const reply = group.replies.find((reply) => reply !== undefined);
      const timestamp = fate === Fate.Deferred ? { timestamp: this.#ask(Ask.Next) } : {};
      dispatch(type, () => ({ ...this.#detail(), ...(reply && { reply }), ...timestamp, ...group }));
    }
  }

  #detail() {
    const attempts = this.#ask(Ask.Attempts);
    return { id: this.#id, envelope: this.#envelope, attempts };
  }

  /**
   * @param {number} fate
   * @param {number} [only] the number of a reply
   * @returns {Group}
   */
  #group(fate, only) {
    const { decisions } = this.#context;
    this.#ask(Ask.Places, fate);
    const numbers = decisions.numbers();
    /** @type {Group} */
    const group = { recipients: [], indexes: [], replies: [] };
    /** @type {Map<number, Reply | undefined>} */
    const replies = new Map([[-1, undefined]]);
    for (let i = 0; i < numbers.length; i += 2) {
      const [place, number] = [numbers[i], numbers[i + 1]];
      if (only !== undefined && number !== only) continue;
      if (!replies.has(number)) replies.set(number, this.#reply(number));
      group.recipients.push(this.#envelope.recipients[place]);
      group.indexes.push(this.#indexes[place]);
      group.replies.push(replies.get(number));
    }
    return group;
  }

  /**
   * @param {number} number
   * @returns {Reply}
   */
  #reply(number) {
    const { decisions } = this.#context;
    const code = this.#ask(Ask.Code, number);
    return { code, message: decisions.text(Told.Reply, this.#number, number) };
  }

  /** @param {number} result */
  #answer(result) {
    this.#context.tick();
    return this.#next(this.#ask(Ask.Answer, result, Math.random()));
  }
}

/** @type {Set<number>} */
const NUMBERED = new Set([Step.Change, Step.Backoff, Step.Bounce, Step.Pause]);
const LONGEST_TIMER = 2 ** 31 - 1;
/** @type {[type: string, fate: number][]} */
const FATES = [['delivered', Fate.Delivered], ['deferred', Fate.Deferred], ['failed', Fate.Refused]];
