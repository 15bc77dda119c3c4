/** @import { Batch, DictHost } from './types.js' */
import { KeyError, QueueError, describe, explain, isQueueError } from './errors.js';

// How a call went; the numbers are those of src/js/seam.rs.
const NOTHING = 0;
const DONE = 1;
const THREW = 2;
const PENDING = 3;
const DONE_WITH_MORE = 4;
const STRANGE = 5;

// What a value is; the numbers are those of src/js/envelope.rs.
const OTHER = 0;
const PRIMITIVE = 1;
const TEXT = 2;
const DATE = 3;
const BYTES = 4;
const ARRAY = 5;
const OBJECT = 6;
const MAP = 7;
const SET = 8;
const THROWN = 9;

const KNOWN_FIELDS = new Set(['sender', 'recipients', 'headers', 'message', 'client', 'receiver', 'timestamp']);
const KNOWN_CLIENT_FIELDS = new Set(['ip', 'host', 'name', 'protocol', 'auth']);
const MOST_INDEXES = 1 << 24;
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * What the wasm core calls. None of these methods throws, since an exception would skip the core's destructors: one
 * that runs code of a caller or a host says how that went with a number and leaves the rest here, where the core takes
 * it before anything else runs.
 */
export class Seam {
  #host;
  #promises;
  /** @type {any} */
  #value;
  /** @type {any} */
  #version;
  /** @type {any} */
  #thrown;
  /** @type {any} */
  #error;
  #refusal = { range: false, name: '', expected: '', got: '' };
  /** Whether the host compares contents, so that the version of what was written is what was written. */
  #comparesContents = false;
  /** @type {Batch} */
  #batch = { checks: [], writes: [] };
  /** @type {any} */
  #record;
  /** @type {any} */
  #lease;
  /** @type {any} */
  #delivered;
  /** @type {any[]} */
  #list = [];
  /** @type {[number, string][]} */
  #rows = [];
  first = 0;
  second = 0;
  part = -1;
  format = 0;

  /**
   * @param {DictHost | import('./hosts/maps.js').SyncMapsHost} host
   * @param {boolean} promises whether the host may return promises
   */
  constructor(host, promises) {
    this.#host = /** @type {DictHost} */ (host);
    this.#promises = promises;
  }

  // ---- the host ----

  /**
   * @param {boolean} meta
   * @param {string} id
   */
  read(meta, id) {
    try {
      return this.#readAnswer(meta, this.#host.read(meta ? 'meta' : 'envelope', id));
    } catch (error) {
      return this.#threw(error);
    }
  }

  /**
   * @param {boolean} meta
   * @param {any} answer
   */
  readAnswer(meta, answer) {
    try {
      return this.#readAnswer(meta, answer);
    } catch (error) {
      return this.#threw(error);
    }
  }

  /**
   * @param {boolean} meta
   * @param {any} answer
   */
  #readAnswer(meta, answer) {
    if (answer === undefined || answer === null) return NOTHING;
    if (typeof answer.then === 'function') return this.#pending(answer);
    const { value, version } = answer;
    if (value === undefined || value === null) return NOTHING;
    if (!meta) {
      this.#value = value;
      return DONE;
    }
    const status = this.#readMeta(value);
    this.#comparesContents = version === value;
    this.#version = version;
    return status;
  }

  /** @param {any} record */
  #readMeta(record) {
    if (typeof record !== 'object' || record === null) return STRANGE;
    const { timestamp, attempts, deliveredIndexes, lease, format } = record;
    const more = deliveredIndexes !== undefined || lease !== undefined || format !== undefined;
    if (more) {
      const delivered = Array.isArray(deliveredIndexes) ? deliveredIndexes.slice() : deliveredIndexes;
      const claim = typeof lease === 'object' && lease !== null ? { until: lease.until, owner: lease.owner } : lease;
      this.format = typeof format === 'number' ? format : 0;
      this.#delivered = delivered;
      this.#lease = claim;
    }
    this.first = typeof timestamp === 'number' ? timestamp : NaN;
    this.second = typeof attempts === 'number' ? attempts : NaN;
    return more ? DONE_WITH_MORE : DONE;
  }

  delivered() {
    const delivered = this.#delivered;
    if (delivered === undefined) return [];
    if (!Array.isArray(delivered) || !delivered.every((index) => typeof index === 'number')) return undefined;
    return Float64Array.from(delivered);
  }

  get leaseKind() {
    return this.#lease === undefined ? NOTHING : typeof this.#lease === 'object' && this.#lease ? DONE : STRANGE;
  }

  get leaseUntil() {
    return typeof this.#lease.until === 'number' ? this.#lease.until : NaN;
  }

  get leaseOwner() {
    return typeof this.#lease.owner === 'string' ? this.#lease.owner : undefined;
  }

  /**
   * @param {boolean} meta
   * @param {string} id
   */
  checkAbsent(meta, id) {
    this.#batch.checks.push({ dict: meta ? 'meta' : 'envelope', id, version: null });
  }

  /**
   * @param {string} id
   * @param {any} version
   */
  checkVersion(id, version) {
    this.#batch.checks.push({ dict: 'meta', id, version });
  }

  /**
   * @param {string} id
   * @param {any} value
   */
  putEnvelope(id, value) {
    this.#batch.writes.push({ dict: 'envelope', id, value });
  }

  /** @param {string} id */
  putMeta(id) {
    this.#batch.writes.push({ dict: 'meta', id, value: this.#record });
  }

  /**
   * @param {boolean} meta
   * @param {string} id
   */
  delete(meta, id) {
    this.#batch.writes.push({ dict: meta ? 'meta' : 'envelope', id });
  }

  commit() {
    const batch = this.#batch;
    this.#batch = { checks: [], writes: [] };
    try {
      return this.#commitAnswer(this.#host.commit(batch));
    } catch (error) {
      return this.#threw(error);
    }
  }

  /** @param {any} answer */
  commitAnswer(answer) {
    try {
      return this.#commitAnswer(answer);
    } catch (error) {
      return this.#threw(error);
    }
  }

  /** @param {any} answer */
  #commitAnswer(answer) {
    if (answer === true) return DONE;
    if (answer === false) return NOTHING;
    if (typeof answer?.then === 'function') return this.#pending(answer);
    throw unexpected('commit', 'true or false', answer);
  }

  /**
   * @param {boolean} meta
   * @param {any} cursor
   * @param {number} limit
   */
  page(meta, cursor, limit) {
    try {
      return this.#pageAnswer(this.#host.page(meta ? 'meta' : 'envelope', cursor, limit));
    } catch (error) {
      return this.#threw(error);
    }
  }

  /** @param {any} answer */
  pageAnswer(answer) {
    try {
      return this.#pageAnswer(answer);
    } catch (error) {
      return this.#threw(error);
    }
  }

  /** @param {any} answer */
  #pageAnswer(answer) {
    if (typeof answer?.then === 'function') return this.#pending(answer);
    const entries = answer?.entries;
    if (!Array.isArray(entries)) throw unexpected('page', 'entries', answer);
    // Copied: a host may keep what it returned, and a Proxy may run anything.
    const copy = Array.from(entries, (entry) => {
      if (!Array.isArray(entry)) throw unexpected('page', 'entries that are arrays', entry);
      return [entry[0], entry[1]];
    });
    const next = answer.next;
    this.#value = copy;
    this.#version = next;
    return DONE;
  }

  /** @param {any[]} entries */
  pageIds(entries) {
    const blank = ' '.repeat(32);
    let ids = '';
    for (const [id] of entries) ids += typeof id === 'string' && /^[!-~]{32}$/.test(id) ? id : blank;
    return ids;
  }

  /**
   * @param {any[]} entries
   * @param {number} index
   */
  entryKey(entries, index) {
    const key = entries[index][0];
    return typeof key === 'string' ? key : describe(key);
  }

  /**
   * @param {any[]} entries
   * @param {number} index
   */
  entryMeta(entries, index) {
    try {
      const value = entries[index][1];
      return value === undefined || value === null ? NOTHING : this.#readMeta(value);
    } catch {
      return STRANGE;
    }
  }

  sizes() {
    try {
      return this.#sizesAnswer(this.#host.sizes());
    } catch (error) {
      return this.#threw(error);
    }
  }

  /** @param {any} answer */
  sizesAnswer(answer) {
    try {
      return this.#sizesAnswer(answer);
    } catch (error) {
      return this.#threw(error);
    }
  }

  /** @param {any} answer */
  #sizesAnswer(answer) {
    if (typeof answer?.then === 'function') return this.#pending(answer);
    this.first = size(answer?.size);
    this.second = size(answer?.metaSize);
    return DONE;
  }

  close() {
    try {
      const answer = this.#host.close?.();
      return typeof answer?.then === 'function' ? this.#pending(answer) : DONE;
    } catch (error) {
      return this.#threw(error);
    }
  }

  /** @param {number} milliseconds */
  sleep(milliseconds) {
    let timer;
    this.#value = new Promise((resolve) => {
      timer = setTimeout(resolve, Math.min(milliseconds, LONGEST_TIMER));
    });
    return timer;
  }

  /** @param {any} timer */
  wake(timer) {
    clearTimeout(timer);
  }

  now() {
    return performance.now();
  }

  // ---- what a call has left ----

  /** @param {unknown} error */
  #threw(error) {
    this.#thrown = error;
    return THREW;
  }

  /** @param {PromiseLike<unknown>} promise */
  #pending(promise) {
    if (!this.#promises) {
      promise.then(undefined, () => {});
      throw new QueueError('needs-async', 'a dictionary returned a promise: use AsyncDictStorage for those that do');
    }
    // A thenable may do anything when it is called; a promise calls it later and settles once.
    this.#value = promise instanceof Promise ? promise : Promise.resolve(promise);
    return PENDING;
  }

  takeThrown() {
    const thrown = this.#thrown;
    this.#thrown = undefined;
    return thrown;
  }

  takePromise() {
    return this.takeValue();
  }

  takeValue() {
    const value = this.#value;
    this.#value = undefined;
    return value;
  }

  takeVersion() {
    const version = this.#version;
    this.#version = undefined;
    return version;
  }

  // ---- a meta record to write ----

  /**
   * @param {number} timestamp
   * @param {number} attempts
   */
  meta(timestamp, attempts) {
    this.#record = { timestamp, attempts };
  }

  /** @param {Uint32Array} indexes */
  metaDelivered(indexes) {
    this.#record.deliveredIndexes = Array.from(indexes);
  }

  /**
   * @param {number} until
   * @param {string} owner
   */
  metaLease(until, owner) {
    this.#record.lease = { until, owner };
  }

  metaVersion() {
    return this.#comparesContents ? this.#record : undefined;
  }

  // ---- values of a caller ----

  /** @param {unknown} value */
  idDigits(value) {
    return typeof value === 'string' && value.length === 32 ? value : undefined;
  }

  /** @param {any} value */
  timestamp(value) {
    if (typeof value === 'number') return value;
    try {
      return value instanceof Date ? Date.prototype.getTime.call(value) : NaN;
    } catch {
      return NaN;
    }
  }

  /** @param {any} iterable */
  numbers(iterable) {
    try {
      if (typeof iterable !== 'object' || typeof iterable?.[Symbol.iterator] !== 'function') return NOTHING;
      /** @type {number[]} */
      const numbers = [];
      for (const item of iterable) {
        if (typeof item !== 'number') {
          this.first = numbers.length;
          this.#value = item;
          return STRANGE;
        }
        if (numbers.length === MOST_INDEXES) throw new RangeError(`more than ${MOST_INDEXES} positions`);
        numbers.push(item);
      }
      this.#list = numbers;
      return DONE;
    } catch (error) {
      return this.#threw(error);
    }
  }

  takeNumbers() {
    const numbers = Float64Array.from(this.#list);
    this.#list = [];
    return numbers;
  }

  /** @param {any} iterable */
  items(iterable) {
    try {
      if (typeof iterable !== 'object' || typeof iterable?.[Symbol.iterator] !== 'function') return NOTHING;
      this.#value = Array.from(iterable);
      return DONE;
    } catch (error) {
      return this.#threw(error);
    }
  }

  /**
   * @param {any} object
   * @param {string} name
   */
  property(object, name) {
    try {
      this.#value = object[name];
      return DONE;
    } catch (error) {
      return this.#threw(error);
    }
  }

  /**
   * A fresh plain object with the known fields, and if there are more, those in another one. Each is read once.
   *
   * @param {any} envelope
   */
  unpack(envelope) {
    try {
      if (typeof envelope !== 'object' || envelope === null || Array.isArray(envelope)) return NOTHING;
      const { sender, recipients, headers, message, client, receiver, timestamp } = envelope;
      /** @type {any} */
      const fields = { sender, recipients };
      if (headers !== undefined) fields.headers = headers;
      if (message !== undefined) fields.message = message;
      if (client !== undefined) fields.client = client;
      if (receiver !== undefined) fields.receiver = receiver;
      if (timestamp !== undefined) fields.timestamp = timestamp;
      let more;
      for (const key of Object.keys(envelope)) {
        if (!KNOWN_FIELDS.has(key)) set((more ??= {}), key, envelope[key]);
      }
      this.#value = fields;
      this.#version = more;
      return more ? DONE_WITH_MORE : DONE;
    } catch (error) {
      return this.#threw(error);
    }
  }

  /**
   * How many recipients a stored envelope has; -1 if it is none.
   *
   * @param {any} envelope
   */
  count(envelope) {
    try {
      const recipients = typeof envelope === 'object' ? envelope.recipients : undefined;
      return Array.isArray(recipients) ? recipients.length : -1;
    } catch {
      return -1;
    }
  }

  /**
   * Copies a list of strings. `first` is how many there are, `second` how many are strings; the first that is none is
   * left as the version.
   *
   * @param {any} list
   */
  strings(list) {
    try {
      if (!Array.isArray(list)) return NOTHING;
      const length = list.length;
      const copy = [];
      let wrong;
      for (let i = 0; i < length; i++) {
        wrong = list[i];
        if (typeof wrong !== 'string') break;
        copy.push(wrong);
      }
      return this.#listed(copy, copy, length, wrong, -1);
    } catch (error) {
      return this.#threw(error);
    }
  }

  /**
   * The same for a list of pairs of strings; `part` is which string of a pair is none, -1 if it is no pair.
   *
   * @param {any} list
   */
  pairs(list) {
    try {
      if (!Array.isArray(list)) return NOTHING;
      const length = list.length;
      const copy = [];
      const texts = [];
      let wrong;
      let part = -1;
      for (let i = 0; i < length; i++) {
        wrong = list[i];
        if (!Array.isArray(wrong) || wrong.length !== 2) break;
        const [name, value] = [wrong[0], wrong[1]];
        if (typeof name !== 'string' || typeof value !== 'string') {
          part = typeof name === 'string' ? 1 : 0;
          wrong = part ? value : name;
          break;
        }
        copy.push([name, value]);
        texts.push(name, value);
      }
      return this.#listed(copy, texts, length, wrong, part);
    } catch (error) {
      return this.#threw(error);
    }
  }

  /**
   * Leaves a copied list, now that no more of the caller's code runs.
   *
   * @param {any[]} copy
   * @param {string[]} texts
   * @param {number} length
   * @param {unknown} wrong
   * @param {number} part
   */
  #listed(copy, texts, length, wrong, part) {
    this.first = length;
    this.second = copy.length;
    this.part = part;
    this.#version = wrong;
    this.#value = copy;
    this.#list = texts;
    return DONE;
  }

  /** The listed texts with a NUL between each two, if they are well-formed. */
  joined() {
    const joined = this.#list.join('\0');
    return isWellFormed(joined) ? joined : undefined;
  }

  /** @param {number} index */
  textAt(index) {
    return this.#list[index];
  }

  /** @param {string} text */
  wellFormed(text) {
    return isWellFormed(text);
  }

  /**
   * Copies bytes; those on shared memory too.
   *
   * @param {any} value
   */
  bytes(value) {
    try {
      if (!ArrayBuffer.isView(value) || tagOf(value) !== 'Uint8Array') return NOTHING;
      this.#value = new Uint8Array(/** @type {Uint8Array} */ (value));
      return DONE;
    } catch (error) {
      return this.#threw(error);
    }
  }

  /**
   * Copies what is known of a client; if not all of it is text, the name of a known field that is none is left as the
   * version.
   *
   * @param {any} client
   */
  strand(client) {
    try {
      if (typeof client !== 'object' || client === null || Array.isArray(client)) return NOTHING;
      /** @type {any} */
      const copy = {};
      let status = DONE;
      let wrong;
      for (const key of Object.keys(client)) {
        const value = client[key];
        const known = KNOWN_CLIENT_FIELDS.has(key);
        if (value === undefined && known) continue;
        if (typeof value !== 'string' || !isWellFormed(value)) {
          status = DONE_WITH_MORE;
          if (known && typeof value !== 'string') wrong = key;
        }
        set(copy, key, value);
      }
      this.#value = copy;
      this.#version = wrong;
      return status;
    } catch (error) {
      return this.#threw(error);
    }
  }

  /** @param {any} value */
  kind(value) {
    switch (typeof value) {
      case 'string':
        return TEXT;
      case 'boolean':
      case 'bigint':
        return PRIMITIVE;
      case 'number':
        return Number.isFinite(value) ? PRIMITIVE : OTHER;
      case 'object':
        break;
      default:
        return OTHER;
    }
    if (value === null) return PRIMITIVE;
    try {
      if (Array.isArray(value)) return ARRAY;
      switch (tagOf(value)) {
        case 'Uint8Array':
          return BYTES;
        case 'Date': {
          const time = Date.prototype.getTime.call(value);
          this.#value = new Date(time);
          return Number.isNaN(time) ? OTHER : DATE;
        }
        case 'Object':
          return OBJECT;
        case 'Map':
          return value instanceof Map ? MAP : OTHER;
        case 'Set':
          return value instanceof Set ? SET : OTHER;
        default:
          return OTHER;
      }
    } catch (error) {
      this.#threw(error);
      return THROWN;
    }
  }

  /**
   * Keys and values of a container by turns, each read once.
   *
   * @param {any} container
   * @param {number} kind
   */
  children(container, kind) {
    try {
      const children = [];
      if (kind === OBJECT) {
        for (const key of Object.keys(container)) children.push(key, container[key]);
      } else if (kind === ARRAY) {
        const length = container.length;
        for (let i = 0; i < length; i++) {
          // A hole is no value; the copier refuses the first one, so the rest need not be read.
          const value = container[i];
          children.push(i, value);
          if (value === undefined) break;
        }
      } else if (kind === MAP) {
        for (const [key, value] of Map.prototype.entries.call(container)) children.push(key, value);
      } else {
        for (const value of Set.prototype.values.call(container)) children.push(undefined, value);
      }
      this.#value = children;
      return DONE;
    } catch (error) {
      return this.#threw(error);
    }
  }

  /** @param {number} kind */
  container(kind) {
    return kind === ARRAY ? [] : kind === MAP ? new Map() : kind === SET ? new Set() : {};
  }

  /**
   * @param {any} container
   * @param {number} kind
   * @param {any} key
   * @param {any} value
   */
  insert(container, kind, key, value) {
    if (kind === OBJECT) set(container, key, value);
    else if (kind === ARRAY) container.push(value);
    else if (kind === MAP) container.set(key, value);
    else container.add(value);
  }

  /**
   * The recipients but for those at some positions.
   *
   * @param {string[]} recipients
   * @param {Uint32Array} leftOut
   */
  pick(recipients, leftOut) {
    const gone = new Set(leftOut);
    return recipients.filter((_, index) => !gone.has(index));
  }

  // ---- values for a caller ----

  /** @param {number} index */
  index(index) {
    this.#rows.push(/** @type {any} */ (index));
  }

  /**
   * @param {any} envelope
   * @param {number} attempts
   */
  queued(envelope, attempts) {
    return [envelope, attempts, this.takeRows()];
  }

  /**
   * @param {number} timestamp
   * @param {string} id
   */
  row(timestamp, id) {
    this.#rows.push([timestamp, id]);
  }

  takeRows() {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  /**
   * @param {number} size
   * @param {number} metaSize
   */
  info(size, metaSize) {
    return { size, metaSize };
  }

  /**
   * @param {string[]} orphanEnvelopes
   * @param {string[]} orphanMeta
   * @param {string[]} corrupt
   */
  findings(orphanEnvelopes, orphanMeta, corrupt) {
    return { orphanEnvelopes, orphanMeta, corrupt };
  }

  // ---- errors ----

  /**
   * @param {string} code
   * @param {string} reason
   * @param {string | undefined} id
   * @param {boolean} hasCause
   * @param {unknown} cause
   */
  failure(code, reason, id, hasCause, cause) {
    if (hasCause && isQueueError(cause)) {
      if (id !== undefined && cause.id === undefined && Object.isExtensible(cause)) cause.id = id;
      return cause;
    }
    if (code === 'no-such-message') return new KeyError(/** @type {string} */ (id));
    const about = id === undefined ? '' : ` (${id})`;
    const why = hasCause ? `: ${explain(cause)}` : '';
    return new QueueError(code, `${code}: ${reason}${about}${why}`, hasCause ? { id, cause } : { id });
  }

  /**
   * @param {boolean} range
   * @param {string} name
   * @param {string} expected
   * @param {unknown} value
   */
  refuse(range, name, expected, value) {
    this.#refusal = { range, name, expected, got: describe(value) };
  }

  /**
   * What was refused is an element or a property of something.
   *
   * @param {string | number} key its name there, or the name of that thing
   */
  within(key) {
    const { name } = this.#refusal;
    const inner = name === '' || name.startsWith('[') ? name : `.${name}`;
    this.#refusal.name = (typeof key === 'number' ? `[${key}]` : key) + inner;
  }

  refused() {
    const { range, name, expected, got } = this.#refusal;
    return new (range ? RangeError : TypeError)(`${name}: expected ${expected}, got ${got}`);
  }

  /** @param {unknown} error */
  fail(error) {
    this.#error = error;
  }

  takeError() {
    const error = this.#error;
    this.#error = undefined;
    return error;
  }
}

/**
 * @param {object} object
 * @param {string} key
 * @param {unknown} value
 */
function set(object, key, value) {
  // Assigned, this one key would change the prototype.
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true });
  } else {
    /** @type {any} */ (object)[key] = value;
  }
}

/** @param {unknown} value */
function tagOf(value) {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** @param {string} text */
function isWellFormed(text) {
  return 'isWellFormed' in String.prototype ? /** @type {any} */ (text).isWellFormed() : !/\p{Surrogate}/u.test(text);
}

/** @param {unknown} value */
function size(value) {
  if (Number.isSafeInteger(value) && /** @type {number} */ (value) >= 0) return /** @type {number} */ (value);
  if (typeof (/** @type {any} */ (value)?.then) === 'function') {
    throw new QueueError('needs-async', 'a dictionary returned a promise: use AsyncDictStorage for those that do');
  }
  throw unexpected('size', 'a whole number', value);
}

/**
 * @param {string} method
 * @param {string} expected
 * @param {unknown} value
 */
function unexpected(method, expected, value) {
  return new QueueError('host', `host: ${method}: expected ${expected}, got ${describe(value)}`);
}
