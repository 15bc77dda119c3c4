/** @import { Batch, DictHost, DictName } from '../types.js' */
/** @import { EncodedCommit, Values } from './shared/encoded-commit.js' */
/** @import { Pending } from './shared/pending-commits.js' */
import { describe, explain, isQueueError } from '../errors.js';
import { decodeManifest, encodeManifest, join, split } from './shared/chunks.js';
import { decodeMeta, encodeMeta, refuseTooMany, sameBytes } from './shared/codec.js';
import { checkedKeys, encodedCommit, holding } from './shared/encoded-commit.js';
import { nothingWritten, refuseTooLarge, unknownOutcome } from './shared/failures.js';
import { countPages, pageOf } from './shared/pages.js';
import { PendingCommits, TaskGroup } from './shared/pending-commits.js';

/** What a value may have where it may have least: 128 KiB with what the storage adds. */
const LARGEST = 131_000;
const CHUNK = 120_000;
/** How many keys one call of the storage takes. */
const KEYS = 128;
/** How many chunks are put together. */
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

/** @typedef {EncodedCommit & { replaces: boolean }} Commit `replaces`: the chunks of the envelope that is there go */

/**
 * Both dictionaries in the storage of a Durable Object, be it backed by SQLite or by keys and values. There is one such
 * object, so there is one writer: hosts and storages on one `ctx.storage` take turns.
 *
 * A commit is part of a transaction, with what waits beside it, and acknowledged when that is on disk. A message of any
 * size is split into chunks of 120,000 bytes, which come and go in the transaction of their manifest. Keys are
 * `meta:<id>`, `envelope:<id>` and `piece:<id>:<number>`; values are records as `codec.js` and `chunks.js` say.
 *
 * A message to more than about 207,000 recipients is `too-large`.
 *
 * @param {ObjectStorage} storage of the object: `ctx.storage`
 * @returns {DictHost} whose calls fail with `too-large`, `unknown-outcome` or `host`
 * @throws {TypeError} for what is no such storage
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
    this.place = storage; // the next instance of the object has another one, and begins when this one has ended
    this.#commits = commitsOn(storage);
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
      const found = await getAll(this.#storage, [key, chunkKey(id, 0)]);
      const record = found.get(key);
      if (!record) return undefined;
      const manifest = decodeManifest(record);
      if (!manifest) return { value: {}, version: record };
      const keys = Array.from({ length: manifest.pieces }, (_, i) => chunkKey(id, i));
      const chunks = keys.length > 1 ? await getAll(this.#storage, keys) : found;
      const now = keys.length > 1 ? await this.#storage.get(key).catch(fail) : record;
      // While the chunks were read, the message may have gone, and another one come.
      if (!now || !sameBytes(now, record)) continue;
      return { value: join(manifest, keys.flatMap((each) => chunks.get(each) ?? [])), version: record };
    }
  }

  /**
   * @param {Batch} batch
   * @returns {Promise<boolean>}
   */
  async commit({ checks, writes }) {
    /** @type {Values} */
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
        const { manifest, chunks } = split(value, CHUNK);
        manifest.upload = crypto.randomUUID(); // tells a reader that between two chunks another message came
        values.set(key, encodeManifest(manifest));
        chunks.forEach((chunk, i) => values.set(chunkKey(id, i), chunk));
      }
    }
    for (const value of values.values()) refuseTooLarge(value?.length ?? 0, LARGEST);
    const replaces = writes.some(({ dict }) => dict === 'envelope');
    return this.#commits.add({ replaces, ...encodedCommit(id, checks, values) });
  }

  /** @param {DictHost} other */
  isSamePlace(other) {
    return other.place === this.place;
  }

  /** @param {string} id */
  cursorAfter(id) {
    return id;
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
    return pageOf(entries, limit);
  }

  sizes() {
    return countPages(this);
  }
}

/** @type {WeakMap<object, PendingCommits<Commit>>} */
const commitsOf = new WeakMap();

/**
 * The commits on one storage, one transaction after the other.
 *
 * @param {ObjectStorage} storage
 */
function commitsOn(storage) {
  let commits = commitsOf.get(storage);
  if (!commits) {
    commits = new PendingCommits(() => new TaskGroup({ bytes: GROUP_BYTES }, (group) => commitAll(storage, group)));
    commitsOf.set(storage, commits);
  }
  return commits;
}

/**
 * @param {ObjectStorage} storage
 * @param {Pending<Commit>[]} group
 */
async function commitAll(storage, group) {
  let written = false;
  try {
    const made = await storage.transaction(async (txn) => {
      const made = await writeAll(txn, group);
      written = true;
      return made;
    });
    await storage.sync();
    for (const each of group) each.resolve(made.has(each));
  } catch (cause) {
    const error = written ? unknownOutcome('the transaction failed', cause) : failure(cause);
    for (const { reject } of group) reject(error);
  }
}

/**
 * Makes those of some commits whose checks hold, as if one after the other.
 *
 * @param {ObjectTransaction} txn
 * @param {Commit[]} group
 * @returns {Promise<Set<Commit>>} those that were made
 */
async function writeAll(txn, group) {
  const replaced = group.flatMap(({ id, replaces }) => (replaces ? [`envelope:${id}`] : []));
  const now = await getAll(txn, [...new Set([...checkedKeys(group), ...replaced])]);
  /** @type {Values} */
  const values = new Map();
  const made = new Set();
  for (const each of holding(group, now)) {
    made.add(each);
    const old = each.replaces ? now.get(`envelope:${each.id}`) : undefined;
    const chunks = (old && decodeManifest(old)?.pieces) ?? 0;
    for (let i = 0; i < chunks; i++) values.set(chunkKey(each.id, i), undefined);
    for (const [key, value] of each.values) values.set(key, value);
  }
  await write(txn, values);
  return made;
}

/**
 * @param {ObjectTransaction} txn
 * @param {Values} values
 */
async function write(txn, values) {
  /** @type {[string, Uint8Array][]} */
  const small = [];
  /** @type {[string, Uint8Array][]} */
  const chunks = [];
  /** @type {string[]} */
  const deletions = [];
  for (const [key, value] of values) {
    if (!value) deletions.push(key);
    else (value.length < CHUNK ? small : chunks).push([key, value]);
  }
  for (const part of partsOf(deletions, KEYS)) await txn.delete(part);
  // A view of a part would be stored with all that it is a part of.
  for (const part of partsOf(small, KEYS)) {
    await txn.put(Object.fromEntries(part.map(([key, value]) => [key, value.slice()])));
  }
  // With a copy of each chunk a message would take its size in memory once more.
  /** @type {Uint8Array[]} */
  const buffers = [];
  for (const part of partsOf(chunks, BUFFERS)) {
    await txn.put(Object.fromEntries(part.map(([key, value], i) => {
      if (value.length > CHUNK) return [key, value];
      buffers[i] ??= new Uint8Array(CHUNK);
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
function chunkKey(id, number) {
  return `piece:${id}:${number}`;
}

/** @param {unknown} cause */
function failure(cause) {
  if (isQueueError(cause)) return cause;
  const isFull = /SQLITE_FULL|is full|storage limit|quota/i.test(explain(cause));
  return nothingWritten(isFull ? 'full' : 'host', 'the storage failed', cause);
}

/**
 * @param {unknown} cause
 * @returns {never}
 */
function fail(cause) {
  throw failure(cause);
}
