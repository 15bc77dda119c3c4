import { DONE, DONE_WITH_MORE, NOTHING, STRANGE } from './status.js';
import { Slots } from './slots.js';

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

/** What callers pass in, and what they get back. Each value of theirs is read once, since reading may run their code. */
export class Values extends Slots {
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
          this.value = item;
          return STRANGE;
        }
        if (numbers.length === MOST_INDEXES) throw new RangeError(`more than ${MOST_INDEXES} positions`);
        numbers.push(item);
      }
      this.list = numbers;
      return DONE;
    } catch (error) {
      return this.threw(error);
    }
  }

  takeNumbers() {
    const numbers = Float64Array.from(this.list);
    this.list = [];
    return numbers;
  }

  /** @param {any} iterable */
  items(iterable) {
    try {
      if (typeof iterable !== 'object' || typeof iterable?.[Symbol.iterator] !== 'function') return NOTHING;
      this.value = Array.from(iterable);
      return DONE;
    } catch (error) {
      return this.threw(error);
    }
  }

  /**
   * @param {any} object
   * @param {string} name
   */
  property(object, name) {
    try {
      this.value = object[name];
      return DONE;
    } catch (error) {
      return this.threw(error);
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
      this.value = fields;
      this.version = more;
      return more ? DONE_WITH_MORE : DONE;
    } catch (error) {
      return this.threw(error);
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
      return this.threw(error);
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
      return this.threw(error);
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
    this.version = wrong;
    this.value = copy;
    this.list = texts;
    return DONE;
  }

  /** The listed texts with a NUL between each two, if they are well-formed. */
  joined() {
    const joined = this.list.join('\0');
    return isWellFormed(joined) ? joined : undefined;
  }

  /** @param {number} index */
  textAt(index) {
    return this.list[index];
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
      this.value = new Uint8Array(/** @type {Uint8Array} */ (value));
      return DONE;
    } catch (error) {
      return this.threw(error);
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
      /** @type {number} */
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
      this.value = copy;
      this.version = wrong;
      return status;
    } catch (error) {
      return this.threw(error);
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
          this.value = new Date(time);
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
      this.threw(error);
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
      this.value = children;
      return DONE;
    } catch (error) {
      return this.threw(error);
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
    this.rows.push(/** @type {any} */ (index));
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
    this.rows.push([timestamp, id]);
  }

  takeRows() {
    const rows = this.rows;
    this.rows = [];
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
