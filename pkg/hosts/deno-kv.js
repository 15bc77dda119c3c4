/** @import { Batch, Check, DictHost, DictName } from '../types.js' */
import { QueueError, describe, explain, isQueueError } from '../errors.js';
import { decodeManifest, encodeManifest, join, split } from './shared/chunks.js';
import { decodeMeta, encodeMeta, refuseTooMany } from './shared/codec.js';
import { closed, nothingWritten, refuseTooLarge, unknownOutcome } from './shared/failures.js';
import { countPages, pageOf } from './shared/pages.js';

/** The most bytes of a value. */
const LARGEST = 65_536;
const CHUNK = 60_000;
/** How many chunks are written together, and with the rest of their message if there are no more. */
const TOGETHER = 12;
/** How many chunks are deleted together. */
const DELETIONS = 500;
/** How many keys are read together. */
const READS = 10;
/** How often what another program keeps locked is tried again, a little later each time. */
const TRIES = 200;

/**
 * What this needs of a Deno KV database.
 *
 * @typedef {object} KvDatabase
 * @property {(keys: any) => Promise<any[]>} getMany
 * @property {(selector: any, options?: any) => AsyncIterable<any>} list
 * @property {() => any} atomic
 */

/** @typedef {(string | number | bigint | boolean | Uint8Array)[]} Key */
/** @typedef {{ key: Key, value: any, versionstamp: string | null }} Entry */
/** @typedef {import('./shared/chunks.js').Manifest} Manifest */

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
 * A value has 65,536 bytes at most, so a message to more than about 520,000 recipients is `too-large`.
 *
 * @param {KvDatabase} kv
 * @param {{ prefix?: Readonly<Key> }} [options] `prefix` of all keys, `['slimta-queue']` unless given
 * @returns {DictHost}
 */
export function denoKvHost(kv, { prefix = ['slimta-queue'] } = {}) {
  if (typeof kv?.getMany !== 'function' || typeof kv.list !== 'function' || typeof kv.atomic !== 'function') {
    throw new TypeError(`kv: expected a Deno KV database, got ${describe(kv)}`);
  }
  if (!Array.isArray(prefix)) {
    throw new TypeError(`prefix: expected an array of parts of a key, got ${describe(prefix)}`);
  }
  return new DenoKvHost(kv, [...prefix]);
}

/** @implements {DictHost} */
class DenoKvHost {
  #kv;
  #prefix;
  /**
   * The marks of unfinished uploads that a page has listed. Who has not asked for pages, but for a message, finds none.
   *
   * @type {Map<string, Key>}
   */
  #unfinished = new Map();
  /** @type {DictHost['supports']} */
  supports = { atomic: true, writers: 'many', exactlyOnceLoad: true, durable: 'disk' };

  /**
   * @param {KvDatabase} kv
   * @param {Key} prefix
   */
  constructor(kv, prefix) {
    this.#kv = kv;
    this.#prefix = prefix;
  }

  /**
   * @param {DictName} dict
   * @param {string} id
   */
  async read(dict, id) {
    if (dict === 'envelope') return this.#readEnvelope(id);
    const [{ value, versionstamp }] = await this.#get([['meta', id]]);
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
      const old = envelope && !fresh ? (await this.#get([['envelope', id]]))[0] : undefined;
      const before = old && decodeManifest(old.value);
      const atomic = this.#kv.atomic();
      for (const { dict, id, version } of checks) atomic.check({ key: this.#key([dict, id]), versionstamp: version });
      if (mark) atomic.check(mark).delete(mark.key);
      if (meta) this.#set(atomic, ['meta', id], record);
      if (old) atomic.check(old);
      if (before) this.#dropChunks(atomic, id, before);
      if (envelope) this.#set(atomic, ['envelope', id], packed && encodeManifest(packed.manifest));
      if (packed && !ahead) packed.chunks.forEach((chunk, i) => this.#set(atomic, ['piece', id, '', i], chunk));
      const done = await this.#make(atomic, id);
      // What is left of chunks does no harm, and is found where it stays.
      if (done ? old && before?.upload !== '' : mark) await this.#sweep(id).catch(() => {});
      if (done || !(old || mark) || !(await this.#hold(checks))) return done;
    }
  }

  /**
   * @param {DictName} dict
   * @param {any} cursor the last id of the page before
   * @param {number} limit
   */
  async page(dict, cursor, limit) {
    const found = await this.#list([dict], { limit }, cursor);
    const idIn = (/** @type {Entry} */ { key }) => /** @type {string} */ (key[this.#prefix.length + 1]);
    /** @type {[string, unknown?][]} */
    let entries = found.map((entry) => [idIn(entry), dict === 'meta' ? decodeMeta(entry.value) : undefined]);
    if (dict === 'envelope') {
      const marks = await this.#list(['upload'], { limit }, cursor);
      for (const mark of marks) this.#unfinished.set(idIn(mark), mark.key.slice(this.#prefix.length));
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
      const [found, first] = await this.#get([['envelope', id], ['piece', id, '', 0]]);
      const version = found.versionstamp;
      if (version === null) {
        const key = this.#unfinished.get(id);
        const [mark] = key ? await this.#get([key]) : [];
        if (mark?.versionstamp) return { value: { sender: null, recipients: [] }, version: mark.versionstamp };
        this.#unfinished.delete(id);
        return undefined;
      }
      const manifest = decodeManifest(found.value);
      if (!manifest) return { value: {}, version };
      const isOne = manifest.upload === '' && manifest.pieces === 1;
      const chunks = isOne ? [first] : await this.#get(chunkKeys(id, manifest));
      if (chunks.every(({ versionstamp }) => versionstamp !== null)) {
        return { value: join(manifest, chunks.map(({ value }) => value)), version };
      }
      const [now] = await this.#get([['envelope', id]]);
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
    const mark = { key: this.#key(['upload', id, upload]), value: chunks.length, versionstamp: null };
    for (let first = 0; first < chunks.length; first += TOGETHER) {
      const atomic = this.#kv.atomic().check(mark);
      if (first === 0) atomic.set(mark.key, mark.value);
      chunks.slice(first, first + TOGETHER)
        .forEach((chunk, i) => this.#set(atomic, ['piece', id, upload, first + i], chunk));
      const { ok, versionstamp } = await patiently(() => atomic.commit());
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
    if (manifest.upload !== '') atomic.set(this.#key(['upload', id, manifest.upload]), manifest.pieces);
    else for (const key of chunkKeys(id, manifest)) atomic.delete(this.#key(key));
  }

  /**
   * Deletes the chunks of a message that are marked, and have no manifest or none any more.
   *
   * @param {string} id
   */
  async #sweep(id) {
    for (const mark of await this.#list(['upload', id], {})) {
      // Whoever still uploads them, or has just given them a manifest, has the mark in their checks.
      const { ok } = await patiently(() => this.#kv.atomic().check(mark).set(mark.key, mark.value).commit());
      const keys = ok ? Array.from({ length: mark.value }, (_, i) => ['piece', ...mark.key.slice(-2), i]) : [];
      for (let first = 0; first < keys.length; first += DELETIONS) {
        const atomic = this.#kv.atomic();
        for (const key of keys.slice(first, first + DELETIONS)) atomic.delete(this.#key(key));
        if (first + DELETIONS >= keys.length) atomic.delete(mark.key);
        await patiently(() => atomic.commit());
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
      return (await patiently(() => atomic.commit())).ok;
    } catch (cause) {
      if (isQueueError(cause) && cause.code !== 'host') throw cause;
      throw unknownOutcome('the commit failed', cause, id);
    }
  }

  /** @param {Check[]} checks */
  async #hold(checks) {
    const found = await this.#get(checks.map(({ dict, id }) => [dict, id]));
    return checks.every(({ version }, i) => found[i].versionstamp === version);
  }

  /**
   * @param {Key[]} keys
   * @returns {Promise<Entry[]>}
   */
  async #get(keys) {
    const groups = [];
    for (let first = 0; first < keys.length; first += READS) {
      const group = keys.slice(first, first + READS).map((key) => this.#key(key));
      groups.push(patiently(() => this.#kv.getMany(group)));
    }
    return (await Promise.all(groups)).flat();
  }

  /**
   * @param {Key} key
   * @param {{ limit?: number }} options
   * @param {string} [after] the id after which the list begins
   * @returns {Promise<Entry[]>}
   */
  #list(key, options, after) {
    const prefix = this.#key(key);
    const selector = after === undefined ? { prefix } : { prefix, start: [...prefix, `${after}\0`] };
    return patiently(async () => {
      const entries = [];
      for await (const entry of this.#kv.list(selector, options)) entries.push(entry);
      return entries;
    });
  }

  /**
   * @param {any} atomic
   * @param {Key} key
   * @param {Uint8Array | undefined} value none deletes
   */
  #set(atomic, key, value) {
    if (value) atomic.set(this.#key(key), value);
    else atomic.delete(this.#key(key));
  }

  /** @param {Key} key */
  #key(key) {
    return [...this.#prefix, ...key];
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

/**
 * Does something again while another program keeps the database locked, which changes nothing.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function patiently(work) {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (cause) {
      const said = explain(cause);
      if (!/database is locked/.test(said)) throw failure(cause, said);
      if (tries === TRIES) {
        throw new QueueError('blocked', 'blocked: another program keeps the database locked', { cause });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(tries * 4, 100)));
  }
}

/**
 * @param {unknown} cause
 * @param {string} said
 */
function failure(cause, said) {
  if (/disk is full|quota/i.test(said)) return nothingWritten('full', 'the database has no space', cause);
  return /BadResource|closed/i.test(said) ? closed('database', cause) : new QueueError('host', `host: ${said}`, { cause });
}
