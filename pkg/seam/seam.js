/** @import { Findings, Meta } from '../types.js' */
/** @import { Glue } from '../wasm/glue.js' */
/** @import { Frame } from './frame.js' */
/** @import { ReadMeta } from './meta.js' */
import { describe } from '../errors.js';
import { copyStored, countRecipients } from './envelope.js';
import { failure } from './failures.js';
import { plain, readMeta } from './meta.js';
import { Slot } from './slot.js';
import { DONE, DONE_WITH_MORE, NOTHING, STRANGE, THREW, THREW_UNKNOWN } from './status.js';

const encoder = new TextEncoder();
/** @type {number[]} */
const NONE = [];

/**
 * What the wasm core calls, but for the host. None of these methods throws, since an exception would skip the core's
 * destructors: one that runs code of a host says how that went with a number and leaves the rest in the frame and in
 * the slot of the call, only when no more of that code will run.
 */
export class Seam {
  /**
   * None after an exception of the caller's (its stack may end anywhere) or a trap has passed it: what it was at is
   * left half done there.
   *
   * @type {Glue.Core | undefined}
   */
  core = undefined;
  /** Of the call that runs now. */
  slot = new Slot();
  /** @type {Frame} */
  frame = /** @type {any} */ (undefined);
  /**
   * Of the call that failed last.
   *
   * @type {unknown}
   */
  error = undefined;
  /** @type {unknown} */
  #thrown = undefined;
  /** @type {ReadMeta | undefined} */
  #read = undefined;
  /** Of a record that is not for the caller. */
  #plain = plain();

  /** @returns {Glue.Core} */
  makeCore() {
    throw new TypeError('a seam without a host'); // each of the two hosts has its own
  }

  named() {
    this.slot.id = this.frame.takeId();
  }

  now() {
    return performance.now();
  }

  /** @param {any} error */
  threw(error) {
    this.#thrown = error;
    try {
      return error?.code === 'unknown-outcome' ? THREW_UNKNOWN : THREW;
    } catch {
      return THREW;
    }
  }

  takeThrown() {
    const thrown = this.#thrown;
    this.#thrown = undefined;
    return thrown;
  }

  // ---- what was read ----

  /** @param {any} value */
  leaveEnvelope(value) {
    const { slot } = this;
    let count;
    if (slot.copies) {
      const copy = copyStored(value);
      slot.envelope = copy;
      count = copy ? copy.recipients.length : -1;
    } else {
      count = countRecipients(value);
    }
    this.frame.numbers[0] = count;
    return count < 0 ? STRANGE : DONE;
  }

  /**
   * @param {unknown} record
   * @param {unknown} version
   */
  leaveMeta(record, version) {
    const { slot } = this;
    const meta = readMeta(record, slot.copies ? undefined : this.#plain);
    slot.version = version;
    slot.looked = meta;
    return this.#leave(meta);
  }

  /** @param {ReadMeta} meta */
  #leave(meta) {
    const { numbers } = this.frame;
    if (meta.status === DONE_WITH_MORE) this.#read = meta;
    numbers[0] = meta.timestamp;
    numbers[1] = meta.attempts;
    numbers[2] = meta.format;
    numbers[3] = meta.until;
    return meta.status;
  }

  delivered() {
    return this.#read?.delivered ?? NONE;
  }

  leaseOwner() {
    return this.#read?.owner;
  }

  /**
   * Takes a page over: a host may keep what it returned, and a Proxy may run anything.
   *
   * @param {boolean} meta
   * @param {unknown[]} keys
   * @param {any[]} values
   * @param {unknown} next
   */
  leavePage(meta, keys, values, next) {
    const { slot } = this;
    slot.page = { keys, metas: meta ? values.map(readEntry) : [] };
    slot.cursor = next;
    return next === undefined ? DONE : DONE_WITH_MORE;
  }

  /** Those that are no ids for sure are blank, so that each has its place. */
  pageIds() {
    const { keys } = this.slot.page;
    const good = keys.every((key) => typeof key === 'string' && key.length === 32);
    const digits = encoder.encode((good ? keys : keys.map(padded)).join(''));
    // One that is not ASCII takes more than its place.
    return digits.length === keys.length * 32 ? digits : encoder.encode(keys.map(padded).join(''));
  }

  pageNumbers() {
    const { metas } = this.slot.page;
    const numbers = new Float64Array(metas.length * 3);
    for (let i = 0, place = 0; i < metas.length; i++) {
      const meta = metas[i];
      numbers[place++] = meta ? meta.timestamp : 0;
      numbers[place++] = meta ? meta.attempts : 0;
      numbers[place++] = meta ? meta.status : NOTHING;
    }
    return numbers;
  }

  /** @param {number} place */
  entry(place) {
    const meta = this.slot.page.metas[place];
    if (meta) this.#leave(meta);
  }

  /** @param {number} place */
  stranger(place) {
    const key = this.slot.page.keys[place];
    return typeof key === 'string' ? key : describe(key);
  }

  // ---- a meta record to write ----

  /**
   * @param {number} until
   * @param {string} owner
   */
  lease(until, owner) {
    this.slot.lease = { until, owner };
  }

  /**
   * The record that has been described: its delivered recipients are in `places`.
   *
   * @param {number} timestamp
   * @param {number} attempts
   */
  takeMeta(timestamp, attempts) {
    const { slot } = this;
    /** @type {Meta} */
    const meta = { timestamp, attempts };
    if (slot.places.length > 0) {
      meta.deliveredIndexes = slot.places;
      slot.places = NONE;
    }
    if (slot.lease) {
      meta.lease = slot.lease;
      slot.lease = undefined;
    }
    return meta;
  }

  // ---- arguments ----

  /** @param {number} index */
  number(index) {
    return this.slot.more.numbers[index];
  }

  /** @param {number} index */
  owner(index) {
    return this.slot.more.owners[index];
  }

  indexes() {
    return this.slot.indexes;
  }

  ids() {
    return this.slot.more.ids.filter((id) => /^[!-~]{32}$/.test(id)).join('');
  }

  // ---- results ----

  /** @param {Uint32Array} places */
  places(places) {
    this.slot.places = listOf(places);
  }

  /**
   * @param {0 | 1 | 2} list
   * @param {string} id
   */
  finding(list, id) {
    const findings = /** @type {Findings} */ (this.slot.findings);
    [findings.orphanEnvelopes, findings.orphanMeta, findings.corrupt][list].push(id);
  }

  /**
   * @param {string} name
   * @param {number} index negative if it is no element of a list
   * @param {string} expected
   * @param {number} number
   */
  refuse(name, index, expected, number) {
    const path = index < 0 ? name : `${name}[${index}]`;
    this.error = new RangeError(`${path}: expected ${expected}, got ${describe(number)}`);
  }

  /**
   * @param {string} code
   * @param {string} reason
   * @param {boolean} hasId whether it is about the message in the frame
   * @param {boolean} hasCause
   * @param {any} cause
   */
  fail(code, reason, hasId, hasCause, cause) {
    const id = hasId ? this.frame.takeId() : undefined;
    this.error = failure(code, reason, id, hasCause, cause);
  }
}

/**
 * Without the iterator that `Array.from` would use.
 *
 * @param {Uint32Array} numbers
 */
function listOf(numbers) {
  /** @type {number[]} */
  const list = new Array(numbers.length);
  for (let i = 0; i < list.length; i++) list[i] = numbers[i];
  return list;
}

/** @param {unknown} key */
function padded(key) {
  return typeof key === 'string' && /^[!-~]{32}$/.test(key) ? key : ' '.repeat(32);
}

/**
 * The record of an entry, if there is one.
 *
 * @param {any} value
 * @returns {ReadMeta | undefined}
 */
function readEntry(value) {
  if (value === undefined || value === null) return undefined;
  try {
    return readMeta(value);
  } catch {
    return readMeta(undefined); // as little a record
  }
}
