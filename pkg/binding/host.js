/** @import { DictHost, DictName } from '../types.js' */
/** @import { Batch } from './batch.js' */
/** @import { Gate } from './later.js' */
import { describe } from '../errors.js';
import { count, unexpected } from './errors.js';
import { answerOf, laterIfPromise } from './later.js';
import { copyMeta } from './meta.js';

// Hosts as src/wasm/host.rs imports them.

/**
 * A host as the core sees it: every method answers with an inert value, with a `Failed` that keeps what the host threw,
 * or with a `Later` of these. Versions and cursors are the host's own, and go back to it as they came.
 */
export class HostAdapter {
  #host;
  #gate;

  /**
   * @param {DictHost} host
   * @param {boolean} isSync whether it must answer at once
   * @param {Gate} gate
   */
  constructor(host, isSync, gate) {
    this.#host = host;
    this.isSync = isSync;
    this.#gate = gate;
  }

  /** @param {string} id */
  readMeta(id) {
    return this.#answer(() => this.#host.read('meta', id), foundOf);
  }

  /** @param {string} id */
  readEnvelope(id) {
    return this.#answer(() => this.#host.read('envelope', id), valueOf);
  }

  /** @param {Batch} batch */
  commit({ checks, writes }) {
    return this.#answer(() => this.#host.commit({ checks, writes }), committed);
  }

  /**
   * @param {DictName} dict
   * @param {unknown} cursor
   * @param {number} limit
   */
  page(dict, cursor, limit) {
    return this.#answer(() => this.#host.page(dict, cursor, limit), dict === 'meta' ? metaPageOf : envelopePageOf);
  }

  /** @param {string} id */
  cursorAfter(id) {
    try {
      return this.#host.cursorAfter?.(id);
    } catch {
      return undefined; // it is only a shorter way
    }
  }

  sizes() {
    return this.#answer(() => this.#host.sizes(), sizesOf);
  }

  /** @param {string} owner */
  attemptAlone(owner) {
    return this.#answer(() => this.#host.attemptAlone?.(owner), (answer) => answer === true);
  }

  close() {
    return this.#answer(() => this.#host.close?.(), nothing);
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

/** @param {any} answer */
function foundOf(answer) {
  const value = valueOf(answer);
  if (value === undefined) return undefined;
  const { version } = answer;
  return { copy: copyMeta(value), version, isContent: version === value };
}

/** @param {any} answer */
function valueOf(answer) {
  if (answer === undefined || answer === null) return undefined;
  // What is not there is removed, and nobody asks for it again.
  if (typeof answer !== 'object' || !('value' in answer)) throw unexpected('read', 'a value with its version, or undefined', answer);
  return answer.value ?? undefined;
}

/** @param {unknown} answer */
function committed(answer) {
  if (typeof answer === 'boolean') return answer;
  throw unexpected('commit', 'true or false', answer);
}

/** @param {any} answer */
function metaPageOf(answer) {
  return pageOf(answer, (value) => (value === undefined || value === null ? undefined : copyMeta(value)));
}

/** @param {any} answer */
function envelopePageOf(answer) {
  return pageOf(answer, nothing);
}

/**
 * @param {any} answer
 * @param {(value: unknown) => unknown} copy
 */
function pageOf(answer, copy) {
  const entries = answer?.entries;
  if (!Array.isArray(entries)) throw unexpected('page', 'entries', answer);
  return {
    entries: entries.map((entry) => {
      if (!Array.isArray(entry)) throw unexpected('page', 'entries that are arrays', entry);
      const [key, value] = entry;
      return { key: typeof key === 'string' ? key : describe(key), copy: copy(value) };
    }),
    next: answer.next,
  };
}

/** @param {any} answer */
function sizesOf(answer) {
  return { size: count(answer?.size), metaSize: count(answer?.metaSize) };
}

function nothing() {
  return undefined;
}
