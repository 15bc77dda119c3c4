/**
 * The rival: the same storage as `DictStorage`, written straightforwardly in JavaScript, with the same promises about
 * copies, checks and failing dictionaries.
 *
 * @typedef {import('../../pkg/index.js').Envelope} Envelope
 * @typedef {import('../../pkg/index.js').Meta} Meta
 */
/**
 * @template V
 * @typedef {import('../../pkg/index.js').SyncDict<V>} SyncDict
 */

const ID = /^[0-9a-f]{32}$/;

// What would end a line, or has no UTF-8. A header value may have line ends where it is folded.
const BAD_ADDRESS = /[\r\n\0\p{Surrogate}]/u;
const BAD_HEADER_NAME = /^$|[:\r\n\0\p{Surrogate}]/u;
const BAD_HEADER_VALUE = /\r(?!\n)|\n(?![ \t])|[\0\p{Surrogate}]/u;

const CLIENT_FIELDS = ['ip', 'host', 'name', 'protocol', 'auth'];

/** Something other than the caller's arguments went wrong; `code` says what. */
export class QueueError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ id?: string, cause?: unknown }} [details]
   */
  constructor(code, message, details = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    if (details.id !== undefined) this.id = details.id;
  }
}

/** There is no message of this id. */
export class KeyError extends QueueError {
  /** @param {string} id */
  constructor(id) {
    super('no-such-message', `there is no such message (${id})`, { id });
  }
}

/** A mail queue storage on two Maps, or anything that behaves like them. */
export class MapsStorage {
  /**
   * @param {SyncDict<Envelope> | null} [envelopeDb]
   * @param {SyncDict<Meta> | null} [metaDb]
   */
  constructor(envelopeDb, metaDb) {
    /** @readonly */
    this.envelopeDb = checkedDict(envelopeDb ?? new Map(), 'envelopeDb');
    /** @readonly */
    this.metaDb = checkedDict(metaDb ?? new Map(), 'metaDb');
  }

  /**
   * @param {Envelope} envelope
   * @param {number | Date} timestamp
   * @param {{ id?: string }} [options]
   * @returns {string}
   */
  write(envelope, timestamp, options) {
    const copy = copyEnvelope(envelope);
    checkText(copy);
    const meta = { timestamp: checkedTimestamp(timestamp), attempts: 0 };
    const given = givenId(options);
    if (given !== undefined && this.#has(this.metaDb, given) && this.#has(this.envelopeDb, given)) return given;
    const id = given ?? this.#freshId();
    // In this order, so that a message that is listed always has an envelope.
    ask(() => this.envelopeDb.set(id, copy), id);
    ask(() => this.metaDb.set(id, meta), id);
    return id;
  }

  /**
   * @param {string} id
   * @param {number | Date} timestamp
   */
  setTimestamp(id, timestamp) {
    const next = checkedTimestamp(timestamp);
    const meta = this.#meta(id);
    meta.timestamp = next;
    ask(() => this.metaDb.set(id, meta), id);
  }

  /**
   * @param {string} id
   * @returns {number}
   */
  incrementAttempts(id) {
    const meta = this.#meta(id);
    meta.attempts += 1;
    ask(() => this.metaDb.set(id, meta), id);
    return meta.attempts;
  }

  /**
   * @param {string} id
   * @param {Iterable<number>} rcptIndexes positions in the original list of recipients
   */
  setRecipientsDelivered(id, rcptIndexes) {
    const indexes = checkedIndexes(rcptIndexes);
    const meta = this.#meta(id);
    const count = this.#envelope(id, countRecipients);
    for (const index of indexes) {
      if (index >= count) throw wrong('rcptIndexes', `indexes of the ${count} recipients`, index, RangeError);
    }
    const before = meta.deliveredIndexes ?? [];
    const delivered = new Set([...before, ...indexes]);
    if (delivered.size === before.length) return;
    meta.deliveredIndexes = [...delivered].sort((a, b) => a - b);
    ask(() => this.metaDb.set(id, meta), id);
  }

  /** @returns {Generator<[timestamp: number, id: string], void, undefined>} */
  *load() {
    const { metaDb } = this;
    const hasEntries = typeof metaDb.entries === 'function';
    const items = ask(() => (hasEntries ? metaDb.entries() : metaDb.keys()));
    if (items?.[Symbol.asyncIterator]) throw needsAsync();
    try {
      for (const item of items) {
        const id = hasEntries ? item?.[0] : item;
        if (typeof id !== 'string') continue;
        const meta = readMeta(hasEntries ? item[1] : ask(() => metaDb.get(id), id));
        // A record that cannot be read must not hide the messages after it.
        if (meta !== null) yield [meta.timestamp, id];
      }
    } catch (cause) {
      throw cause instanceof QueueError ? cause : hostFailed(cause);
    }
  }

  /**
   * @param {string} id
   * @returns {[envelope: Envelope, attempts: number, rcptIndexes: number[]]}
   */
  get(id) {
    const meta = this.#meta(id);
    const envelope = this.#envelope(id, copyEnvelope);
    const delivered = new Set(meta.deliveredIndexes);
    const recipients = [];
    const rcptIndexes = [];
    for (const [index, recipient] of envelope.recipients.entries()) {
      if (delivered.has(index)) continue;
      recipients.push(recipient);
      rcptIndexes.push(index);
    }
    envelope.recipients = recipients;
    return [envelope, meta.attempts, rcptIndexes];
  }

  /** @param {string} id */
  remove(id) {
    checkString(id, 'id');
    // In this order, for the reason given in write().
    ask(() => this.metaDb.delete(id), id);
    ask(() => this.envelopeDb.delete(id), id);
  }

  /** @returns {{ size: number, metaSize: number }} */
  getInfo() {
    return { size: sizeOf(this.envelopeDb), metaSize: sizeOf(this.metaDb) };
  }

  #freshId() {
    // A random id is taken only in a dictionary that answers nonsense, which must not keep us here for ever.
    for (let tries = 0; tries < 10; tries++) {
      const id = crypto.randomUUID().replaceAll('-', '');
      if (!this.#has(this.envelopeDb, id)) return id;
    }
    throw new QueueError('host', 'the dictionary says that every random id is taken');
  }

  #has(dict, id) {
    return Boolean(ask(() => dict.has(id), id));
  }

  /** A fresh copy of the meta record, for the caller to change and put back. */
  #meta(id) {
    checkString(id, 'id');
    const record = ask(() => this.metaDb.get(id), id);
    if (record === undefined || record === null) throw new KeyError(id);
    const meta = readMeta(record);
    if (meta === null) throw new QueueError('corrupt', `the meta record cannot be read (${id})`, { id });
    return meta;
  }

  /** What `read` makes of the stored envelope. */
  #envelope(id, read) {
    const stored = ask(() => this.envelopeDb.get(id), id);
    if (stored === undefined || stored === null) throw new KeyError(id);
    try {
      return read(stored);
    } catch (cause) {
      throw new QueueError('corrupt', `the envelope cannot be read (${id})`, { id, cause });
    }
  }
}

// ---- dictionaries ----

/** The answer of a dictionary, none of whose failures looks like one of ours. */
function ask(question, id) {
  let answer;
  let isPromise;
  try {
    answer = question();
    isPromise = typeof answer?.then === 'function';
  } catch (cause) {
    throw hostFailed(cause, id);
  }
  if (isPromise) {
    Promise.resolve(answer).catch(() => {}); // nobody else will, and an unhandled rejection ends a process
    throw needsAsync(id);
  }
  return answer;
}

function hostFailed(cause, id) {
  return new QueueError('host', 'the dictionary failed', { id, cause });
}

function needsAsync(id) {
  return new QueueError('needs-async', 'the dictionary is asynchronous; this storage is not', { id });
}

function checkedDict(dict, name) {
  for (const method of ['get', 'has', 'set', 'delete', 'keys']) {
    if (typeof dict[method] !== 'function') throw wrong(name, `a dictionary with a method ${method}`, dict);
  }
  return dict;
}

function sizeOf(dict) {
  const size = ask(() => dict.size);
  if (!isIndex(size)) throw new QueueError('host', `the dictionary gave ${describe(size)} as its size`);
  return size;
}

/** A copy of a meta record, or null if it is none. */
function readMeta(record) {
  try {
    const meta = { ...record };
    if (!Number.isFinite(meta.timestamp) || !isIndex(meta.attempts)) return null;
    if (meta.deliveredIndexes !== undefined) {
      if (!Array.isArray(meta.deliveredIndexes)) return null;
      meta.deliveredIndexes = [...meta.deliveredIndexes];
      if (!meta.deliveredIndexes.every((index, i, all) => isIndex(index) && (i === 0 || index > all[i - 1]))) return null;
    }
    return meta;
  } catch {
    return null; // a getter or a proxy that throws
  }
}

// ---- arguments ----

function givenId(options) {
  if (options === undefined || options === null) return undefined;
  if (typeof options !== 'object') throw wrong('options', 'an object', options);
  const { id } = options;
  if (id === undefined) return undefined;
  checkString(id, 'options.id');
  if (!ID.test(id)) throw wrong('options.id', '32 lower-case hexadecimal digits', id);
  return id;
}

function checkedTimestamp(timestamp) {
  const number = timestamp instanceof Date ? timestamp.getTime() : timestamp;
  checkFinite(number, 'timestamp');
  return number;
}

function checkFinite(value, path) {
  if (typeof value !== 'number') throw wrong(path, 'a number', value);
  if (!Number.isFinite(value)) throw wrong(path, 'a finite number', value, RangeError);
}

function checkedIndexes(rcptIndexes) {
  if (typeof rcptIndexes !== 'object' || typeof rcptIndexes?.[Symbol.iterator] !== 'function') {
    throw wrong('rcptIndexes', 'an iterable of numbers', rcptIndexes);
  }
  const indexes = [...rcptIndexes];
  for (const index of indexes) {
    if (typeof index !== 'number') throw wrong('rcptIndexes', 'numbers', index);
    if (!isIndex(index)) throw wrong('rcptIndexes', 'whole numbers from 0', index, RangeError);
  }
  return indexes;
}

function isIndex(value) {
  return Number.isSafeInteger(value) && value >= 0;
}

function checkString(value, path) {
  if (typeof value !== 'string') throw wrong(path, 'a string', value);
}

function wrong(path, expected, value, Kind = TypeError) {
  return new Kind(`${path}: expected ${expected}, got ${describe(value)}`);
}

function describe(value) {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'function') return 'a function';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

// ---- envelopes ----

/** A copy that shares nothing with the envelope, each of whose fields is read once and has its type. */
function copyEnvelope(envelope) {
  if (typeof envelope !== 'object' || envelope === null) throw wrong('envelope', 'an object', envelope);
  const { sender, recipients, headers, message, client, receiver, timestamp, ...extras } = envelope;
  if (sender !== null) checkString(sender, 'sender');
  /** @type {Envelope} */
  const copy = { sender, recipients: copyRecipients(recipients) };
  if (headers !== undefined) copy.headers = copyHeaders(headers);
  if (message !== undefined) copy.message = copyMessage(message);
  if (client !== undefined) copy.client = copyClient(client);
  if (receiver !== undefined) {
    if (receiver !== null) checkString(receiver, 'receiver');
    copy.receiver = receiver;
  }
  if (timestamp !== undefined) {
    if (timestamp !== null) checkFinite(timestamp, 'envelope.timestamp');
    copy.timestamp = timestamp;
  }
  return withExtras(copy, extras, Object.keys(extras), '');
}

function countRecipients({ recipients }) {
  if (!Array.isArray(recipients)) throw wrong('recipients', 'an array', recipients);
  return recipients.length;
}

function copyRecipients(recipients) {
  if (!Array.isArray(recipients)) throw wrong('recipients', 'an array', recipients);
  const copy = [];
  for (const recipient of recipients) {
    if (typeof recipient !== 'string') throw wrong(`recipients[${copy.length}]`, 'a string', recipient);
    copy.push(recipient);
  }
  return copy;
}

function copyHeaders(headers) {
  if (!Array.isArray(headers)) throw wrong('headers', 'an array', headers);
  /** @type {NonNullable<Envelope['headers']>} */
  const copy = [];
  for (const header of headers) {
    if (!Array.isArray(header)) throw wrong(`headers[${copy.length}]`, 'a pair of strings', header);
    const [name, value, ...rest] = header;
    if (typeof name !== 'string' || typeof value !== 'string' || rest.length > 0) {
      throw wrong(`headers[${copy.length}]`, 'a pair of strings', header);
    }
    copy.push([name, value]);
  }
  return copy;
}

function copyMessage(message) {
  if (typeof message === 'string') return message;
  // Not slice(), which shares the bytes of a Buffer and stays on shared memory.
  if (message instanceof Uint8Array) return new Uint8Array(message);
  throw wrong('message', 'a Uint8Array or a string', message);
}

function copyClient(client) {
  if (typeof client !== 'object' || client === null) throw wrong('client', 'an object', client);
  /** @type {NonNullable<Envelope['client']>} */
  const copy = {};
  for (const field of CLIENT_FIELDS) {
    const value = client[field];
    if (value === undefined) continue;
    checkString(value, `client.${field}`);
    copy[field] = value;
  }
  const others = Object.keys(client).filter((key) => !CLIENT_FIELDS.includes(key));
  return withExtras(copy, client, others, 'client.');
}

/** @param {Envelope} envelope a copy, which nobody changes between this check and its use */
function checkText({ sender, recipients, headers = [] }) {
  const address = 'an address without CR, LF, NUL or lone surrogate';
  if (sender !== null && BAD_ADDRESS.test(sender)) throw wrong('sender', address, sender);
  for (const [i, recipient] of recipients.entries()) {
    if (BAD_ADDRESS.test(recipient)) throw wrong(`recipients[${i}]`, address, recipient);
  }
  for (const [i, [name, value]] of headers.entries()) {
    if (BAD_HEADER_NAME.test(name)) {
      throw wrong(`headers[${i}][0]`, 'a header name without CR, LF, NUL, colon or lone surrogate', name);
    }
    if (BAD_HEADER_VALUE.test(value)) {
      throw wrong(`headers[${i}][1]`, 'a header value without NUL, lone surrogate or unfolded line end', value);
    }
  }
}

// ---- extra fields, which may be nested ----

function withExtras(copy, object, keys, prefix) {
  return keys.length === 0 ? copy : { ...copy, ...copyFields(object, keys, prefix, []) };
}

function copyExtra(value, path, parents) {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return value;
    case 'number':
      if (Number.isFinite(value)) return value;
      break;
    case 'object':
      if (value === null) return null;
      if (value instanceof Date) return new Date(value.getTime());
      if (value instanceof Uint8Array) return new Uint8Array(value);
      return copyContainer(value, path, parents);
  }
  throw wrong(path, 'a value that can be stored', value);
}

function copyContainer(value, path, parents) {
  if (parents.includes(value)) throw wrong(path, 'a value that does not contain itself', value);
  const inside = [...parents, value];
  if (Array.isArray(value)) return Array.from(value, (item, i) => copyExtra(item, `${path}[${i}]`, inside));
  if (value instanceof Set) {
    return new Set(Array.from(value, (item, i) => copyExtra(item, `${path}{${i}}`, inside)));
  }
  if (value instanceof Map) {
    const pairs = Array.from(value, ([key, item], i) => [
      copyExtra(key, `${path}{key ${i}}`, inside),
      copyExtra(item, `${path}{${i}}`, inside),
    ]);
    return new Map(pairs);
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) throw wrong(path, 'a plain object', value);
  return copyFields(value, Object.keys(value), `${path}.`, inside);
}

/** fromEntries, unlike an assignment, makes a field of a key that is called __proto__. */
function copyFields(object, keys, prefix, parents) {
  return Object.fromEntries(keys.map((key) => [key, copyExtra(object[key], `${prefix}${key}`, parents)]));
}
