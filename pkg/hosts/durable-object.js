/** @import { Batch, Check, DictHost, DictName } from '../types.js' */
import { QueueError, describe, explain } from '../errors.js';
import { decodeMeta, encodeMeta, encodeVersion, refuseTooMany, sameBytes } from './codec.js';
import { cut, decodeHead, encodeHead, join } from './pieces.js';

/** What a value may have where it may have least: 128 KiB with what the storage adds. */
const LARGEST = 131_000;
const PIECE = 120_000;
/** How many keys one call of the storage takes. */
const KEYS = 128;
/** How many pieces are put together. */
const BUFFERS = 8;
/** About how many bytes of several commits are written together. */
const GROUP_BYTES = 2 ** 22;

/**
 * What this needs of a Durable Object's storage, or of a transaction on it.
 *
 * @typedef {object} ObjectTransaction
 * @property {(keys: any) => Promise<any>} get
 * @property {(entries: any) => Promise<any>} put
 * @property {(keys: any) => Promise<any>} delete
 *
 * @typedef {ObjectTransaction & {
 *   list(options?: any): Promise<Map<string, any>>,
 *   transaction(work: (txn: any) => Promise<any>): Promise<any>,
 *   sync(): Promise<void>,
 * }} ObjectStorage
 */

/**
 * @typedef {object} Waiting
 * @property {string} id
 * @property {{ key: string, version: Uint8Array | null }[]} checks
 * @property {Map<string, Uint8Array | undefined>} values to put by key; to delete where there is none
 * @property {boolean} replaces whether the pieces of the envelope that is there go
 * @property {number} bytes
 * @property {(done: boolean) => void} resolve
 * @property {(error: unknown) => void} reject
 */

/**
 * Both dictionaries in the storage of a Durable Object, be it backed by SQLite or by keys and values. There is one such
 * object, so there is one writer: hosts and storages on one `ctx.storage` take turns.
 *
 * A commit is part of a transaction, with what waits beside it, and acknowledged when that is on disk. A message of any
 * size is cut into pieces of 120,000 bytes, which come and go in the transaction of their head. Keys are `meta:<id>`,
 * `envelope:<id>` and `piece:<id>:<number>`; values are records as `codec.js` and `pieces.js` say.
 *
 * A message to more than about a million recipients is `too-large`.
 *
 * @param {ObjectStorage} storage of the object: `ctx.storage`
 * @returns {DictHost}
 */
export function durableObjectHost(storage) {
  if (typeof storage?.transaction !== 'function' || typeof storage.list !== 'function') {
    throw new TypeError(`storage: expected the storage of a Durable Object, got ${describe(storage)}`);
  }
  return new DurableObjectHost(storage);
}

/** @implements {DictHost} */
class DurableObjectHost {
  #storage;
  #commits;
  /** @type {DictHost['supports']} */
  supports = { atomic: true, writers: 'one', exactlyOnceLoad: true, durable: 'disk' };

  /** @param {ObjectStorage} storage */
  constructor(storage) {
    this.#storage = storage;
    this.#commits = Commits.on(storage);
  }

  /**
   * @param {DictName} dict
   * @param {string} id
   */
  async read(dict, id) {
    const key = `${dict}:${id}`;
    if (dict === 'meta') {
      const record = await this.#storage.get(key).catch(fail);
      const value = record === undefined ? undefined : decodeMeta(record);
      return value === undefined || value === null ? undefined : { value, version: value };
    }
    for (;;) {
      const found = await getAll(this.#storage, [key, pieceOf(id, 0)]);
      const record = found.get(key);
      if (!record) return undefined;
      const head = decodeHead(record);
      if (!head) return { value: {}, version: record };
      const keys = Array.from({ length: head.pieces }, (_, i) => pieceOf(id, i));
      const pieces = head.pieces > 1 ? await getAll(this.#storage, keys) : found;
      const now = head.pieces > 1 ? await this.#storage.get(key).catch(fail) : record;
      // While the pieces were read, the message may have gone, and another one come.
      if (!now || !sameBytes(now, record)) continue;
      return { value: join(head, keys.flatMap((each) => pieces.get(each) ?? [])), version: record };
    }
  }

  /**
   * @param {Batch} batch
   * @returns {Promise<boolean>}
   */
  async commit({ checks, writes }) {
    /** @type {Waiting['values']} */
    const values = new Map();
    const [{ id }] = writes;
    for (const { dict, value } of writes) {
      const key = `${dict}:${id}`;
      if (value === undefined) {
        values.set(key, undefined);
      } else if (dict === 'meta') {
        values.set(key, encodeMeta(value));
      } else {
        refuseTooMany(value, LARGEST);
        const { head, pieces } = cut(value, PIECE);
        head.upload = crypto.randomUUID(); // tells a reader that between two pieces another message came
        values.set(key, encodeHead(head));
        pieces.forEach((piece, i) => values.set(pieceOf(id, i), piece));
      }
    }
    let bytes = 0;
    for (const value of values.values()) {
      const length = value?.length ?? 0;
      if (length > LARGEST) {
        throw new QueueError('too-large', `too-large: expected at most ${LARGEST} bytes, got ${length}`);
      }
      bytes += length;
    }
    const replaces = writes.some(({ dict }) => dict === 'envelope');
    return this.#commits.add({ id, checks: checks.map(encodeCheck), values, replaces, bytes });
  }

  /**
   * @param {DictName} dict
   * @param {any} cursor the last id of the page before
   * @param {number} limit
   */
  async page(dict, cursor, limit) {
    const prefix = `${dict}:`;
    const after = cursor === undefined ? {} : { startAfter: prefix + cursor };
    const found = await this.#storage.list({ prefix, limit, ...after }).catch(fail);
    /** @type {[string, unknown?][]} */
    const entries = Array.from(found, ([key, record]) => {
      const id = key.slice(prefix.length);
      return dict === 'meta' ? [id, decodeMeta(record)] : [id];
    });
    return entries.length < limit ? { entries } : { entries, next: entries[entries.length - 1][0] };
  }

  async sizes() {
    const count = async (/** @type {DictName} */ dict) => {
      let size = 0;
      for (let page, cursor; !page || (cursor = page.next); size += page.entries.length) {
        page = await this.page(dict, cursor, 1000);
      }
      return size;
    };
    return { size: await count('envelope'), metaSize: await count('meta') };
  }
}

/** The commits on one storage, one transaction after the other. */
class Commits {
  #storage;
  /** @type {Waiting[]} */
  #waiting = [];
  #committing = false;

  /** @type {WeakMap<object, Commits>} */
  static #all = new WeakMap();

  /** @param {ObjectStorage} storage */
  static on(storage) {
    let commits = Commits.#all.get(storage);
    if (!commits) Commits.#all.set(storage, (commits = new Commits(storage)));
    return commits;
  }

  /** @param {ObjectStorage} storage */
  constructor(storage) {
    this.#storage = storage;
  }

  /**
   * @param {Omit<Waiting, 'resolve' | 'reject'>} encoded
   * @returns {Promise<boolean>}
   */
  add(encoded) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...encoded, resolve, reject });
      if (!this.#committing) this.#commitAll();
    });
  }

  async #commitAll() {
    this.#committing = true;
    await undefined; // the batches that are handed over together travel together
    while (this.#waiting.length > 0) {
      let length = 0;
      for (let bytes = 0; length < this.#waiting.length && bytes < GROUP_BYTES; length++) {
        bytes += this.#waiting[length].bytes;
      }
      await this.#commitGroup(this.#waiting.splice(0, length));
    }
    this.#committing = false;
  }

  /** @param {Waiting[]} group */
  async #commitGroup(group) {
    let written = false;
    try {
      const done = await this.#storage.transaction(async (txn) => {
        const made = await writeAll(txn, group);
        written = true;
        return made;
      });
      await this.#storage.sync();
      for (const each of group) each.resolve(done.has(each));
    } catch (cause) {
      const error = written
        ? new QueueError('unknown-outcome', `unknown-outcome: ${explain(cause)}`, { cause })
        : failure(cause);
      for (const { reject } of group) reject(error);
    }
  }
}

/**
 * Makes those of some batches whose checks hold, as if one after the other.
 *
 * @param {ObjectTransaction} txn
 * @param {Waiting[]} group
 * @returns {Promise<Set<Waiting>>} those that were made
 */
async function writeAll(txn, group) {
  const keys = group.flatMap(({ id, checks, replaces }) => [
    ...checks.map(({ key }) => key), ...(replaces ? [`envelope:${id}`] : []),
  ]);
  const now = await getAll(txn, [...new Set(keys)]);
  /** @type {Waiting['values']} */
  const values = new Map();
  const done = new Set();
  for (const each of group) {
    const holds = each.checks.every(({ key, version }) => {
      const record = now.get(key);
      return version === null ? record === undefined : record !== undefined && sameBytes(record, version);
    });
    if (!holds) continue;
    done.add(each);
    const old = each.replaces ? now.get(`envelope:${each.id}`) : undefined;
    const pieces = (old && decodeHead(old)?.pieces) ?? 0;
    for (let i = 0; i < pieces; i++) values.set(pieceOf(each.id, i), undefined);
    for (const [key, value] of each.values) {
      values.set(key, value);
      now.set(key, value);
    }
  }
  await write(txn, values);
  return done;
}

/**
 * @param {ObjectTransaction} txn
 * @param {Waiting['values']} values
 */
async function write(txn, values) {
  /** @type {[string, Uint8Array][]} */
  const small = [];
  /** @type {[string, Uint8Array][]} */
  const pieces = [];
  /** @type {string[]} */
  const deletions = [];
  for (const [key, value] of values) {
    if (!value) deletions.push(key);
    else (value.length < PIECE ? small : pieces).push([key, value]);
  }
  for (const part of partsOf(deletions, KEYS)) await txn.delete(part);
  // A view of a part would be stored with all that it is a part of.
  for (const part of partsOf(small, KEYS)) {
    await txn.put(Object.fromEntries(part.map(([key, value]) => [key, value.slice()])));
  }
  // With a copy of each piece a message would take its size in memory once more.
  /** @type {Uint8Array[]} */
  const buffers = [];
  for (const part of partsOf(pieces, BUFFERS)) {
    await txn.put(Object.fromEntries(part.map(([key, value], i) => {
      if (value.length > PIECE) return [key, value];
      buffers[i] ??= new Uint8Array(PIECE);
      buffers[i].set(value);
      return [key, buffers[i]];
    })));
  }
}

/**
 * @param {ObjectTransaction} txn
 * @param {string[]} keys
 * @returns {Promise<Map<string, Uint8Array | undefined>>}
 */
async function getAll(txn, keys) {
  const found = await Promise.all(partsOf(keys, KEYS).map((part) => txn.get(part))).catch(fail);
  return new Map(found.flatMap((part) => [...part]));
}

/**
 * A list in parts.
 *
 * @template T
 * @param {T[]} list
 * @param {number} size of a part, the last one excepted
 * @returns {T[][]}
 */
function partsOf(list, size) {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}

/**
 * @param {string} id
 * @param {number} number
 */
function pieceOf(id, number) {
  return `piece:${id}:${number}`;
}

/** @param {Check} check */
function encodeCheck({ dict, id, version }) {
  const key = `${dict}:${id}`;
  if (version === null) return { key, version };
  return { key, version: version instanceof Uint8Array ? version : encodeVersion(version) };
}

/** @param {unknown} cause */
function failure(cause) {
  if (cause instanceof QueueError) return cause;
  const said = explain(cause);
  const code = /SQLITE_FULL|is full|storage limit|quota/i.test(said) ? 'full' : 'host';
  return new QueueError(code, `${code}: nothing was written: ${said}`, { cause });
}

/**
 * @param {unknown} cause
 * @returns {never}
 */
function fail(cause) {
  throw failure(cause);
}
