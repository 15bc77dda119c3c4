/** @import { Envelope, MaybePromise, Reply } from '../types.js' */
/** @import { Context } from './context.js' */
/** @import { Numbers } from './module.js' */
import { Ask, Fate, Result, Saying, Step, Told } from '../seam/names.js';
import { tellAnswer } from './answers.js';
import { bounceOf } from './bounces.js';
import { keep } from './dead-letters.js';
import { groupOf, replyOf } from './groups.js';
import { takeNumbers } from './module.js';
import { isPromise } from './promises.js';
import { Record } from './record.js';

/** One attempt of one message: makes the steps that the core asks for, and tells of them. */
export class Delivery {
  #context;
  #number;
  #id;
  #record;
  /** @type {Envelope} */
  #envelope = NONE;
  /**
   * A relay may change its own.
   *
   * @type {string[]}
   */
  #recipients = NONE.recipients;
  /**
   * Their original positions.
   *
   * @type {number[]}
   */
  #indexes = [];
  /**
   * Ids of bounces that wait until their recipients are marked.
   *
   * @type {string[] | undefined}
   */
  #bounces;
  /**
   * Of the last step.
   *
   * @type {Numbers}
   */
  #numbers;
  /** How often delivery was attempted, this time included. */
  #attempts = 0;

  /**
   * @param {Context} context
   * @param {number} number of an attempt that was taken just now
   */
  constructor(context, number) {
    const { frame } = context;
    this.#context = context;
    this.#number = number;
    this.#id = frame.takeId();
    this.#record = new Record(context, this.#id);
    this.#numbers = takeNumbers(frame);
  }

  /** @returns {void | Promise<void>} nothing if it ended at once, since all that it asked answered at once */
  run() {
    return this.#go(Step.Claim);
  }

  /**
   * @param {number} step
   * @returns {void | Promise<void>}
   */
  #go(step) {
    while (step !== Step.Done) {
      const next = this.#make(step);
      if (typeof next !== 'number') return next.then((step) => this.#go(step));
      step = next;
    }
    this.#tell(); // before its bounces are attempted, which may be at once
    if (this.#bounces && this.#ask(Ask.Recorded)) {
      return this.#context.sendBounces(this.#bounces).then(() => this.#end());
    }
    this.#end();
  }

  #end() {
    this.#ask(Ask.End);
  }

  /**
   * @param {number} ask
   * @param {number} [x]
   * @param {number} [y]
   */
  #ask(ask, x = 0, y = 0) {
    return this.#context.decisions.ask(ask, this.#number, x, y);
  }

  /**
   * Takes the numbers of a step before other attempts have theirs.
   *
   * @param {number} step
   * @returns {number}
   */
  #next(step) {
    if (isNumbered(step)) this.#numbers = takeNumbers(this.#context.frame);
    return step;
  }

  /**
   * @param {number} step
   * @returns {number | Promise<number>} the next one
   */
  #make(step) {
    switch (step) {
      case Step.Look:
        return this.#call(() => this.#record.look(), (looked) => this.#looked(looked));
      case Step.Claim:
        this.#attempts = this.#numbers[5];
        return this.#change();
      case Step.Change:
        return this.#change();
      case Step.Get:
        return this.#get();
      case Step.Relay:
        return this.#relay();
      case Step.Backoff:
        return this.#backoff();
      case Step.Bounce:
        return this.#bounce();
      case Step.Keep:
        return this.#call(() => {
          const { recipients } = this.#group(Fate.Refused);
          return keep(this.#context, this.#id, { ...this.#envelope, recipients });
        }, () => this.#answer(Result.Stored));
      case Step.Remove:
        return this.#call(() => this.#record.remove(), () => this.#answer(Result.Stored));
      default:
        return this.#pause();
    }
  }

  // ---- the storage ----

  /**
   * Makes a call and goes on with what it came to: at once, if that is no promise.
   *
   * @template T
   * @param {() => MaybePromise<T>} call
   * @param {(result: T) => number} next
   * @returns {number | Promise<number>}
   */
  #call(call, next) {
    try {
      const result = call();
      return isPromise(result) ? this.#wait(result, next) : next(result);
    } catch (error) {
      return this.#answer(this.#failed(error));
    }
  }

  /**
   * @template T
   * @param {PromiseLike<T>} result
   * @param {(result: T) => number} next
   */
  async #wait(result, next) {
    const { tick } = this.#context;
    try {
      const value = await result;
      tick();
      return next(value);
    } catch (error) {
      tick();
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

  /** @param {any} looked */
  #looked({ timestamp, attempts, lease }) {
    this.#record.seen = lease ?? null;
    const until = lease === undefined ? NaN : lease ? lease.until : -Infinity;
    this.#context.decisions.tell(Ask.Lease, this.#number, until, 0, lease?.owner ?? '');
    return this.#next(this.#ask(Ask.Looked, timestamp, attempts));
  }

  #change() {
    return this.#call(() => this.#record.change(this.#numbers, () => this.#marks()), (changed) => (
      this.#answer(changed ? Result.Changed : Result.Unchanged)));
  }

  #marks() {
    this.#ask(Ask.Marks);
    return Array.from(this.#context.decisions.numbers());
  }

  #get() {
    return this.#call(() => this.#record.get(), ([envelope, , indexes]) => {
      this.#envelope = envelope;
      this.#recipients = envelope.recipients.slice();
      this.#indexes = indexes;
      for (const index of indexes) this.#ask(Ask.Index, index);
      return this.#next(this.#ask(Ask.Got, envelope.sender ? 1 : 0));
    });
  }

  // ---- the relay ----

  #relay() {
    const { dispatch, hears, relay } = this.#context;
    if (hears('attempt')) dispatch('attempt', () => this.#detail());
    let answer;
    let thrown = false;
    try {
      answer = relay.attempt(this.#envelope, this.#attempts - 1, { id: this.#id });
      if (isPromise(answer)) return this.#waitForRelay(answer);
    } catch (error) {
      answer = error;
      thrown = true;
    }
    return this.#answered(answer, thrown);
  }

  /** @param {PromiseLike<any>} relayed */
  async #waitForRelay(relayed) {
    const { renewals } = this.#context;
    renewals.begin(this);
    let answer;
    let thrown = false;
    try {
      answer = await relayed;
    } catch (error) {
      answer = error;
      thrown = true;
    }
    await renewals.end(this);
    return this.#answered(answer, thrown);
  }

  /**
   * @param {any} answer
   * @param {boolean} thrown
   */
  #answered(answer, thrown) {
    const { complain, decisions, tick } = this.#context;
    const recipients = this.#recipients;
    if (!thrown && (answer === undefined || answer === null)) {
      this.#ask(Ask.SayAll, Saying.Nothing);
      return this.#next(this.#ask(Ask.Relayed, 1));
    }
    tick();
    const step = this.#next(tellAnswer(decisions, this.#number, recipients, answer, thrown));
    if (this.#ask(Ask.Wrong)) {
      const wrong = decisions.text(Told.Wrong, this.#number, 0);
      complain(thrown ? answer : new TypeError(wrong), this.#detail());
    }
    return step;
  }

  /** Lets the claim last longer, while the relay has the message. */
  async renew() {
    const { frame, tick } = this.#context;
    tick();
    if (!this.#ask(Ask.Renew)) return;
    let result;
    try {
      result = (await this.#record.change(takeNumbers(frame), () => this.#marks())) ? Result.Changed : Result.Unchanged;
    } catch (error) {
      result = this.#failed(error);
    }
    this.#ask(Ask.Renewed, result);
  }

  #backoff() {
    const { backoff } = this.#context;
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
    const gaveUp = wait === null || wait === undefined;
    return this.#next(this.#ask(Ask.Delay, wait ?? 0, gaveUp ? 1 : 0));
  }

  // ---- what is given up ----

  #bounce() {
    return this.#call(async () => {
      const { decisions, dispatch, storeBounce } = this.#context;
      const number = this.#numbers[0];
      const reply = replyOf(decisions, this.#number, number);
      const { recipients, indexes } = this.#group(Fate.Refused, number);
      const bounce = bounceOf(this.#context, this.#number, number, { ...this.#envelope, recipients }, reply);
      if (bounce) {
        const bounceId = decisions.text(Told.BounceId, this.#number, number);
        (this.#bounces ??= []).push(...await storeBounce(bounce, bounceId));
        dispatch('bounced', () => ({ ...this.#detail(), reply, recipients, indexes, bounce, bounceId }));
      }
    }, () => this.#answer(Result.Stored));
  }

  #pause() {
    return this.#call(() => this.#context.rest(this.#numbers[0]), (rested) => (
      this.#answer(rested ? Result.Stored : Result.Failed)));
  }

  // ---- what it came to ----

  #tell() {
    const { complain, dispatch, hears, leaseLost } = this.#context;
    if (this.#ask(Ask.Lost)) complain(leaseLost(this.#id), this.#detail());
    if (!this.#ask(Ask.Recorded)) return;
    for (const [type, fate] of FATES) {
      if (!hears(type)) continue;
      const group = this.#group(fate);
      if (group.recipients.length === 0) continue;
      const reply = group.replies.find((reply) => reply !== undefined);
      const timestamp = fate === Fate.Deferred ? { timestamp: this.#ask(Ask.Next) } : {};
      dispatch(type, () => ({ ...this.#detail(), ...(reply && { reply }), ...timestamp, ...group }));
    }
  }

  #detail() {
    return { id: this.#id, envelope: this.#envelope, attempts: this.#attempts };
  }

  /**
   * @param {number} fate
   * @param {number} [only] the number of a reply
   */
  #group(fate, only) {
    return groupOf(this.#context.decisions, this.#number, fate, this.#recipients, this.#indexes, only);
  }

  /** @param {number} result */
  #answer(result) {
    return this.#next(this.#ask(Ask.Answer, result));
  }
}

/** @type {Envelope} */
const NONE = { sender: null, recipients: [] };
/** @type {[type: string, fate: number][]} */
const FATES = [['delivered', Fate.Delivered], ['deferred', Fate.Deferred], ['failed', Fate.Refused]];

/** @param {number} step */
function isNumbered(step) {
  return step === Step.Change || step === Step.Claim || step === Step.Backoff ||
    step === Step.Bounce || step === Step.Pause;
}
