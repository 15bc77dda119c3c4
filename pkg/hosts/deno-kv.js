/** @import { Batch, Check, DictHost, DictName } from '../types.js' */
/** @import { Entry, Key, KvDatabase } from './deno-kv/database.js' */
/** @import { QueueError } from '../errors.js' */
/** @import { Manifest } from './shared/chunks.js' */
import { describe } from '../errors.js';
import { optionsOf } from '../options.js';
import { Database } from './deno-kv/database.js';
import { decodeManifest, encodeManifest, join, split } from './shared/chunks.js';
import { decodeMeta, encodeMeta, refuseTooMany, sameBytes } from './shared/codec.js';
import { refuseTooLarge, unknownOutcome } from './shared/failures.js';
import { countPages, pageOf } from './shared/pages.js';

/** The most bytes of a value. */
const LARGEST = 65_536;
const CHUNK = 60_000;
/** How many chunks are written together, and with the rest of their message if there are no more. */
const TOGETHER = 12;
/** How many chunks are deleted together. */
const DELETIONS = 500;

/**
 * Both dictionaries in a Deno KV database, which the caller opens and closes. Any number of programs may write. A
 * commit is one atomic operation that checks versionstamps, and is on disk when it is acknowledged.
 *
 * Keys begin with the prefix. `['meta', id]` and `['envelope', id]` are a meta record and the manifest of an
 * envelope, as `codec.js` and `chunks.js` say; `['piece', id, upload, number]` are its chunks. Up to twelve are written
 * with the manifest, and `upload` is empty. More are written before it, under the mark `['upload', id, upload]`, which
 * goes when the manifest comes, and comes when the manifest goes, until all chunks are gone too. What is left when a
 * program ends in between is an orphan envelope without recipients to `check`, and goes by `repair` or `remove`.
 *
 * A value has 65,536 bytes at most, so a message to more than about 102,000 recipients is `too-large`.
 *
 * @param {KvDatabase} kv
 * @param {{ prefix?: Readonly<Key> }} [options] `prefix` of all keys, `['slimta-queue']` unless given
 * @returns {DictHost} whose calls fail with `too-large`, `blocked` (the database stays locked), `unknown-outcome` or `host`
 * @throws {TypeError} for what is no such database, and for a prefix that is no key
 */
export function denoKvHost(kv, options) {
  const { prefix = ['slimta-queue'] } = optionsOf(options, ['prefix']);
  if (typeof kv?.getMany !== 'function' || typeof kv.list !== 'function' || typeof kv.atomic !== 'function') {
    throw new TypeError(`kv: expected a Deno KV database, got ${describe(kv)}`);
  }
  if (!Array.isArray(prefix)) {
    throw new TypeError(`prefix: expected an array of parts of a key, got ${describe(prefix)}`);
  }
  return new DenoKvHost(new Database(kv, [...prefix]));
}

/** @implements {DictHost} */
class DenoKvHost {
  #db;
  /**
   * The marks of unfinished uploads that a page has listed. Who has not asked for pages, but for a message, finds none.
   *
   * @type {Map<string, Key>}
   */
  #unfinished = new Map();
  /** @type {DictHost['supports']} */
  supports = { atomic: true, writers: 'many', exactlyOnceLoad: true, durable: 'disk' };

  /** @param {Database} db */
  constructor(db) {
    this.#db = db;
  }

  /**
   * @param {DictName} dict
   * @param {string} id
   */
  async read(dict, id) {
    if (dict === 'envelope') return this.#readEnvelope(id);
    const [{ value, versionstamp }] = await this.#db.get([['meta', id]]);
    return versionstamp === null ? undefined : { value: decodeMeta(value), version: versionstamp };
  }

  /**
   * @param {Batch} batch
   * @returns {Promise<boolean>}
   */
  async commit({ checks, writes }) {
    const [{ id }] = writes;
    const meta = writes.find(({ dict }) => dict === 'meta');
    const envelope = writes.find(({ dict }) => dict === 'envelope');
    const record = meta?.value === undefined ? undefined : encodeMeta(meta.value);
    refuseTooLarge(record?.length ?? 0, LARGEST);
    refuseTooMany(envelope?.value, LARGEST);
    const packed = envelope?.value === undefined ? undefined : split(envelope.value, CHUNK);
    const ahead = packed !== undefined && packed.chunks.length > TOGETHER;
    const fresh = checks.some(({ dict, version }) => dict === 'envelope' && version === null);
    for (;;) {
      if (ahead && !(await this.#hold(checks))) return false;
      const mark = ahead ? await this.#upload(id, packed) : undefined;
      const old = envelope && !fresh ? (await this.#db.get([['envelope', id]]))[0] : undefined;
      const before = old && decodeManifest(old.value);
      const atomic = this.#db.atomic();
      for (const { dict, id, version } of checks) atomic.check({ key: this.#db.key([dict, id]), versionstamp: version });
      if (mark) atomic.check(mark).delete(mark.key);
      if (meta) this.#set(atomic, ['meta', id], record);
      if (old) atomic.check(old);
      if (before) this.#dropChunks(atomic, id, before);
      if (envelope) this.#set(atomic, ['envelope', id], packed && encodeManifest(packed.manifest));
      if (packed && !ahead) packed.chunks.forEach((chunk, i) => this.#set(atomic, ['piece', id, '', i], chunk));
      const done = await this.#make(atomic, id);
      // Over a network Deno sends a commit again whose answer was lost, and the second one finds what the first has made.
      if (!done && fresh && packed && record && await this.#isThere(id, encodeManifest(packed.manifest), record)) return true;
      // What is left of chunks does no harm, and is found where it stays.
      if (done ? old && before?.upload !== '' : mark) await this.#sweep(id).catch(() => {});
      if (done || !(old || mark) || !(await this.#hold(checks))) return done;
    }
  }

  /** @param {DictHost} other */
  isSamePlace(other) {
    return other instanceof DenoKvHost && other.#db.isSame(this.#db);
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
    const found = await this.#db.list([dict], { limit }, cursor);
    const idIn = (/** @type {Entry} */ entry) => /** @type {string} */ (this.#db.keyOf(entry)[1]);
    /** @type {[string, unknown?][]} */
    let entries = found.map((entry) => [idIn(entry), dict === 'meta' ? decodeMeta(entry.value) : undefined]);
    if (dict === 'envelope') {
      const marks = await this.#db.list(['upload'], { limit }, cursor);
      for (const mark of marks) this.#unfinished.set(idIn(mark), this.#db.keyOf(mark));
      const ids = new Set([...found, ...marks].map(idIn));
      entries = [...ids].sort().slice(0, limit).map((id) => [id]);
    }
    return pageOf(entries, limit);
  }

  sizes() {
    return countPages(this);
  }

  /** @param {string} id */
  async #readEnvelope(id) {
    for (;;) {
      // Of most messages the first chunk is the only one.
      const [found, first] = await this.#db.get([['envelope', id], ['piece', id, '', 0]]);
      const version = found.versionstamp;
      if (version === null) {
        const key = this.#unfinished.get(id);
        const [mark] = key ? await this.#db.get([key]) : [];
        if (mark?.versionstamp) return { value: { sender: null, recipients: [] }, version: mark.versionstamp };
        this.#unfinished.delete(id);
        return undefined;
      }
      const manifest = decodeManifest(found.value);
      if (!manifest) return { value: {}, version };
      const isOne = manifest.upload === '' && manifest.pieces === 1;
      const chunks = isOne ? [first] : await this.#db.get(chunkKeys(id, manifest));
      if (chunks.every(({ versionstamp }) => versionstamp !== null)) {
        return { value: join(manifest, chunks.map(({ value }) => value)), version };
      }
      const [now] = await this.#db.get([['envelope', id]]);
      if (now.versionstamp === version) return { value: {}, version };
    }
  }

  /**
   * Writes chunks ahead of their manifest, as long as nobody takes their mark away.
   *
   * @param {string} id
   * @param {{ manifest: Manifest, chunks: Uint8Array[] }} packed
   * @returns {Promise<Entry>} the mark
   */
  async #upload(id, { manifest, chunks }) {
    const upload = (manifest.upload = crypto.randomUUID());
    /** @type {Entry} */
    const mark = { key: this.#db.key(['upload', id, upload]), value: chunks.length, versionstamp: null };
    for (let first = 0; first < chunks.length; first += TOGETHER) {
      const atomic = this.#db.atomic().check(mark);
      if (first === 0) atomic.set(mark.key, mark.value);
      chunks.slice(first, first + TOGETHER)
        .forEach((chunk, i) => this.#set(atomic, ['piece', id, upload, first + i], chunk));
      const { ok, versionstamp } = await this.#db.commit(atomic);
      if (!ok) break; // it was cleared: the commit will find that out
      if (first === 0) mark.versionstamp = versionstamp;
    }
    return mark;
  }

  /**
   * Lets the chunks of a manifest go with it, or marks them if they are many.
   *
   * @param {any} atomic
   * @param {string} id
   * @param {Manifest} manifest
   */
  #dropChunks(atomic, id, manifest) {
    if (manifest.upload !== '') atomic.set(this.#db.key(['upload', id, manifest.upload]), manifest.pieces);
    else for (const key of chunkKeys(id, manifest)) atomic.delete(this.#db.key(key));
  }

  /**
   * Deletes the chunks of a message that are marked, and have no manifest or none any more.
   *
   * @param {string} id
   */
  async #sweep(id) {
    for (const mark of await this.#db.list(['upload', id], {})) {
      // Whoever still uploads them, or has just given them a manifest, has the mark in their checks.
      const { ok } = await this.#db.commit(this.#db.atomic().check(mark).set(mark.key, mark.value));
      const keys = ok ? Array.from({ length: mark.value }, (_, i) => ['piece', ...mark.key.slice(-2), i]) : [];
      for (let first = 0; first < keys.length; first += DELETIONS) {
        const atomic = this.#db.atomic();
        for (const key of keys.slice(first, first + DELETIONS)) atomic.delete(this.#db.key(key));
        if (first + DELETIONS >= keys.length) atomic.delete(mark.key);
        await this.#db.commit(atomic);
      }
    }
  }

  /**
   * @param {any} atomic
   * @param {string} id
   * @returns {Promise<boolean>}
   */
  async #make(atomic, id) {
    try {
      return (await this.#db.commit(atomic)).ok;
    } catch (error) {
      const { code, cause } = /** @type {QueueError} */ (error);
      if (code !== 'host') throw error;
      throw unknownOutcome('the commit failed', cause, id);
    }
  }

  /**
   * Whether a message is as it was to be written.
   *
   * @param {string} id
   * @param {Uint8Array} manifest
   * @param {Uint8Array} record
   */
  async #isThere(id, manifest, record) {
    const [envelope, meta] = await this.#db.get([['envelope', id], ['meta', id]]).catch(({ cause }) => {
      throw unknownOutcome('nothing says whether the commit was made', cause, id);
    });
    return Boolean(envelope.value && meta.value) && sameBytes(envelope.value, manifest) && sameBytes(meta.value, record);
  }

  /** @param {Check[]} checks */
  async #hold(checks) {
    const found = await this.#db.get(checks.map(({ dict, id }) => [dict, id]));
    return checks.every(({ version }, i) => found[i].versionstamp === version);
  }

  /**
   * @param {any} atomic
   * @param {Key} key
   * @param {Uint8Array | undefined} value none deletes
   */
  #set(atomic, key, value) {
    if (value) atomic.set(this.#db.key(key), value);
    else atomic.delete(this.#db.key(key));
  }
}

/**
 * @param {string} id
 * @param {Manifest} manifest
 * @returns {Key[]}
 */
function chunkKeys(id, { upload, pieces }) {
  return Array.from({ length: pieces }, (_, i) => ['piece', id, upload, i]);
}
