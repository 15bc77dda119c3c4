/** @import { Batch, DictHost, DictName } from '../types.js' */
/** @import { Argument, RedisClient } from './redis-clients.js' */
import { QueueError, describe, explain } from '../errors.js';
import { decodeEnvelope, decodeMeta, encodeEnvelope, encodeMeta, encodeVersion } from './codec.js';
import { connectionOf } from './redis-clients.js';
import { COMMIT } from './redis-scripts.js';

const BUCKETS = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));
/** What one string of Redis may hold. */
const LARGEST = 2 ** 29;
/** How many commits one script makes, and about how many bytes of them: meanwhile nobody else is served. */
const GROUP = 16;
const GROUP_BYTES = 2 ** 20;

/**
 * Both dictionaries on a Redis server or a Redis Cluster, through a client of node-redis or ioredis that the caller has
 * made and closes. Any number of programs may write.
 *
 * Messages are spread over 256 buckets by the first two digits of their ids. All keys of a bucket have one hash tag,
 * `{prefix:ab}`, and with it one server: `:envelopes` and `:metas`, sorted sets of ids; `:records`, a hash of
 * `envelope:<id>`, `message:<id>` (empty where there is none) and `meta:<id>`, as `codec.js` says. A commit is one
 * script, so it is all or nothing, in a cluster too; on one server, commits that are made together share a script. One
 * whose answer is lost with the connection is an `unknown-outcome` and is never sent twice; over ioredis, which would,
 * this opens a connection of its own.
 *
 * How durable a commit is, is the server's `appendfsync`: `always` is the disk, anything else with an append-only file
 * the operating system, and without one nothing. `supports.durable` says it after the first answer, and 'none' until
 * then. A server that may evict any key (`maxmemory-policy allkeys-*`) would throw mail away: it is refused. What a
 * primary has acknowledged, a replica that takes its place may not have.
 *
 * @param {RedisClient} client
 * @param {{ prefix?: string }} [options] `prefix` of all keys and of the channel that changes are told on,
 *   `slimta-queue` unless given
 * @returns {DictHost & Pick<RedisHost, 'open'>}
 */
export function redisHost(client, { prefix = 'slimta-queue' } = {}) {
  const connection = connectionOf(client);
  if (!connection) {
    throw new TypeError(`client: expected a client of node-redis or ioredis, got ${describe(client)}`);
  }
  if (typeof prefix !== 'string' || /[{}]/.test(prefix)) {
    throw new TypeError(`prefix: expected a string without braces, got ${describe(prefix)}`);
  }
  return new RedisHost(connection, prefix);
}

/**
 * @typedef {object} Waiting
 * @property {string} id
 * @property {Argument[]} args of the script
 * @property {(made: boolean) => void} resolve
 * @property {(error: unknown) => void} reject
 */

/** @implements {DictHost} */
class RedisHost {
  #connection;
  #prefix;
  /** @type {Promise<void> | undefined} */
  #opening;
  /** @type {Waiting[]} */
  #waiting = [];
  #bytes = 0;
  /** Whether a script may make several commits: in a cluster each bucket may be on another server. */
  #groups = false;
  /**
   * Not said until the server was asked.
   *
   * @type {boolean | undefined}
   */
  #isOpen;
  /**
   * Of subscriptions.
   *
   * @type {Set<() => void>}
   */
  #ends = new Set();
  /** @type {DictHost['supports']} */
  supports = { atomic: true, writers: 'many', exactlyOnceLoad: true, durable: 'none' };

  /**
   * @param {NonNullable<ReturnType<typeof connectionOf>>} connection
   * @param {string} prefix
   */
  constructor(connection, prefix) {
    this.#connection = connection;
    this.#prefix = prefix;
  }

  /**
   * Asks the server how it is set, unless it was asked before, and resolves with what the host supports then. Every
   * call does this first.
   *
   * @returns {Promise<DictHost['supports']>}
   */
  async open() {
    if (this.#isOpen === false) throw new QueueError('closed', 'closed: the host is closed');
    this.#opening ??= this.#look().catch((error) => {
      this.#opening = undefined;
      throw failure(error);
    });
    await this.#opening;
    this.#isOpen ??= true;
    return this.supports;
  }

  /**
   * @param {DictName} dict
   * @param {string} id
   */
  async read(dict, id) {
    await this.open();
    const place = this.#place(id);
    const fields = [`${dict}:${id}`, ...(dict === 'meta' ? [] : [`message:${id}`])];
    const [record, message] = await this.#ask(place, ['HMGET', `${place}records`, ...fields]);
    if (!record) return undefined;
    // Copied: what the client gives may be a part of all that came with it.
    const value = dict === 'meta' ? decodeMeta(new Uint8Array(record)) : decodeEnvelope(record, message);
    return { value, version: value };
  }

  /**
   * @param {Batch} batch
   * @returns {Promise<boolean>}
   */
  async commit(batch) {
    const args = argumentsOf(batch);
    const bytes = args.reduce((sum, { length }) => sum + length, 0);
    if (bytes > LARGEST) {
      throw new QueueError('too-large', `too-large: expected at most ${LARGEST} bytes, got ${bytes}`);
    }
    if (!this.#isOpen) await this.open();
    return new Promise((resolve, reject) => {
      const length = this.#waiting.push({ id: batch.writes[0].id, args, resolve, reject });
      this.#bytes += bytes;
      if (length === GROUP || this.#bytes > GROUP_BYTES || !this.#groups) this.#commitAll();
      else if (length === 1) queueMicrotask(() => this.#commitAll());
    });
  }

  /** Sends what is handed over together. */
  #commitAll() {
    const group = this.#waiting.splice(0);
    this.#bytes = 0;
    if (group.length === 0) return;
    this.#run(group).then((results) => {
      group.forEach(({ resolve, reject }, i) => {
        if (typeof results[i] === 'number') resolve(results[i] === 1);
        else reject(failure(new Error(String(results[i]))));
      });
    }, (cause) => {
      const known = isReply(cause) || cause instanceof QueueError;
      const lost = `unknown-outcome: the answer was lost: ${explain(cause)}`;
      group.forEach(({ id, reject }) => {
        reject(known ? failure(cause) : new QueueError('unknown-outcome', lost, { cause, id }));
      });
    });
  }

  /**
   * Runs the script, which the server may have to be told first.
   *
   * @param {Waiting[]} group
   * @returns {Promise<unknown[]>} its answers
   */
  async #run(group) {
    const place = this.#place(group[0].id);
    /** @type {Argument[]} */
    const rest = [String(group.length * 3)];
    for (const { id } of group) {
      for (const name of ['envelopes', 'metas', 'records']) rest.push(this.#place(id) + name);
    }
    rest.push(this.#prefix);
    for (const { args } of group) rest.push(...args);
    // A command that waits for the connection would not tell, if it failed, whether it was sent.
    if (!this.#connection.isReady()) await this.#ask(place, ['EXISTS', `${place}records`]);
    return this.#connection.ask(place, ['EVALSHA', COMMIT.digest, ...rest]).catch((/** @type {any} */ error) => {
      if (!/^NOSCRIPT/.test(error?.message)) throw error;
      return this.#connection.ask(place, ['EVAL', COMMIT.text, ...rest]);
    });
  }

  /**
   * @param {DictName} dict
   * @param {any} cursor
   * @param {number} limit
   */
  async page(dict, cursor, limit) {
    await this.open();
    /** @type {[string, unknown?][]} */
    const entries = [];
    let { cards = await this.#cards(dict), bucket = 0, after = '' } = cursor ?? {};
    while (entries.length === 0 && bucket < BUCKETS.length) {
      // As many buckets together as fit. What has more than it had, because others write, is looked at again.
      const parts = [];
      for (let left = limit, i = bucket; i < BUCKETS.length && left > 0; i++) {
        const quota = Math.min(cards[i] + 1, left);
        parts.push({ i, quota, ask: cards[i] > 0 ? this.#part(dict, i, i === bucket ? after : '', quota) : [] });
        if (cards[i] > 0) left -= quota;
      }
      const found = await Promise.all(parts.map(({ ask }) => ask));
      for (const [n, { i, quota }] of parts.entries()) {
        entries.push(...found[n].filter(([, value]) => dict === 'envelope' || value !== undefined));
        [bucket, after] = [i + 1, ''];
        if (found[n].length < quota) continue;
        [bucket, after] = [i, found[n][quota - 1][0]];
        break;
      }
    }
    return { entries, next: bucket < BUCKETS.length ? { cards, bucket, after } : undefined };
  }

  async sizes() {
    await this.open();
    const count = async (/** @type {DictName} */ dict) => (await this.#cards(dict)).reduce((sum, card) => sum + card);
    return { size: await count('envelope'), metaSize: await count('meta') };
  }

  /**
   * Calls back with the id of every message that is changed anywhere, and with none when some may have been missed.
   *
   * @param {(id?: string) => void} notify
   */
  subscribe(notify) {
    // A connection that is to end may have something to tell before.
    const tell = (/** @type {string | undefined} */ id) => {
      if (this.#ends.has(end)) notify(id);
    };
    const heard = (/** @type {string} */ ids) => ids.split(' ').forEach(tell);
    const end = this.#connection.subscribe(this.#prefix, heard, () => tell(undefined));
    this.#ends.add(end);
    return () => {
      this.#ends.delete(end);
      end();
    };
  }

  close() {
    this.#isOpen = false;
    for (const end of this.#ends) end();
    this.#ends.clear();
    this.#connection.close();
  }

  /**
   * Where the keys of a bucket begin.
   *
   * @param {string} id of a message in it, or its own digits
   */
  #place(id) {
    return `{${this.#prefix}:${id.slice(0, 2)}}:`;
  }

  /** The worst that any server of the queue says of itself. */
  async #look() {
    const servers = await this.#connection.servers();
    const found = await Promise.all(servers.map(async (ask) => {
      const [info, fsync] = await Promise.all([ask('INFO'), ask('CONFIG', 'GET', 'appendfsync')].map(permitted));
      const [, policy] = /maxmemory_policy:(allkeys[-a-z]*)/.exec(info) ?? [];
      this.#groups = /cluster_enabled:0/.test(info); // a client of one server may have a cluster of one
      if (policy) {
        throw new QueueError('host', `host: maxmemory-policy: ${policy} evicts mail`);
      }
      return !/aof_enabled:1/.test(info) ? 'none' : /always/.test(fsync) ? 'disk' : 'os';
    }));
    const levels = /** @type {const} */ (['none', 'os', 'disk']);
    this.supports.durable = levels.find((level) => found.includes(level)) ?? 'none';
  }

  /**
   * How many ids each bucket has.
   *
   * @param {DictName} dict
   * @returns {Promise<number[]>}
   */
  #cards(dict) {
    return Promise.all(BUCKETS.map((bucket) => {
      const place = this.#place(bucket);
      return this.#ask(place, ['ZCARD', `${place}${dict}s`]);
    }));
  }

  /**
   * @param {DictName} dict
   * @param {number} bucket
   * @param {string} after
   * @param {number} limit
   * @returns {Promise<[string, unknown?][]>}
   */
  async #part(dict, bucket, after, limit) {
    const place = this.#place(BUCKETS[bucket]);
    const [from, most] = [after ? `(${after}` : '-', String(limit)];
    /** @type {string[]} */
    const ids = (await this.#ask(place, ['ZRANGEBYLEX', `${place}${dict}s`, from, '+', 'LIMIT', '0', most]))
      .map(String);
    if (dict === 'envelope' || ids.length === 0) return ids.map((id) => [id]);
    // A record that is gone by now is that of a message which was removed.
    const records = await this.#ask(place, ['HMGET', `${place}records`, ...ids.map((id) => `meta:${id}`)]);
    return ids.map((id, i) => [id, records[i] ? decodeMeta(records[i]) : undefined]);
  }

  /**
   * @param {string} key
   * @param {Argument[]} command
   */
  async #ask(key, command) {
    return this.#connection.ask(key, command).catch((cause) => {
      throw failure(cause);
    });
  }
}

/**
 * What the script takes for a batch.
 *
 * @param {Batch} batch
 * @returns {Argument[]}
 */
function argumentsOf({ checks, writes }) {
  /** @type {Argument[]} */
  const args = [writes[0].id, '.', '.', '.', '.', ''];
  for (const { dict, version } of checks) {
    args[dict === 'meta' ? 2 : 1] = version === null ? '-' : encodeVersion(version);
  }
  for (const { dict, value } of writes) {
    const place = dict === 'meta' ? 4 : 3;
    if (value === undefined) args[place] = '-';
    else if (dict === 'meta') args[place] = encodeMeta(value);
    else ({ record: args[place], message: args[5] = '' } = encodeEnvelope(value));
  }
  return args;
}

/**
 * An answer as text; nothing where the server does not let everybody know.
 *
 * @param {Promise<any>} answer
 */
async function permitted(answer) {
  try {
    return JSON.stringify(await answer);
  } catch (error) {
    if (isReply(error)) return '';
    throw error;
  }
}

/**
 * Whether the server has said so: its errors begin with a word in capitals.
 *
 * @param {any} error
 */
function isReply(error) {
  return /^[A-Z]+ /.test(error?.message);
}

/** @param {unknown} cause */
function failure(cause) {
  if (cause instanceof QueueError) return cause;
  const said = explain(cause);
  const isFull = isReply(cause) && /\bOOM\b|No space left/.test(said);
  const reason = isFull ? 'full: the server is full' : 'host: the server failed or is not there';
  return new QueueError(isFull ? 'full' : 'host', `${reason}; nothing was written: ${said}`, { cause });
}
