/** @import { Batch, DictHost, DictName } from '../types.js' */
/** @import { Argument, RedisClient } from './redis/clients.js' */
/** @import { Pending } from './shared/pending-commits.js' */
import { QueueError, describe, explain, isQueueError } from '../errors.js';
import { optionsOf } from '../options.js';
import { Buckets, placeOf } from './redis/buckets.js';
import { connectionOf } from './redis/clients.js';
import { argumentsOf, runCommits } from './redis/commit-script.js';
import { decodeEnvelope, decodeMeta } from './shared/codec.js';
import { closed, nothingWritten, refuseTooLarge, unknownOutcome } from './shared/failures.js';
import { PendingCommits, TaskGroup } from './shared/pending-commits.js';
import { callListener } from './shared/listener.js';

/** What one string of Redis may hold. */
const LARGEST = 2 ** 29;
/** How many commits one script makes, and about how many bytes of them: meanwhile nobody else is served. */
const GROUP = { commits: 16, bytes: 2 ** 20 };

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
 * @returns {DictHost & Pick<RedisHost, 'open'>} whose calls fail with `full` (`maxmemory`), `too-large` (512 MiB),
 *   `unknown-outcome`, `closed` (the client was ended) or `host` (no server, or one that evicts). `open` makes the first of them
 * @throws {TypeError} for what is no such client, and for a prefix that is no text
 */
export function redisHost(client, options) {
  const { prefix = 'slimta-queue' } = optionsOf(options, ['prefix']);
  const connection = connectionOf(client);
  if (!connection) {
    throw new TypeError(`client: expected a client of node-redis or ioredis, got ${describe(client)}`);
  }
  if (typeof prefix !== 'string' || /[{}]/.test(prefix)) {
    throw new TypeError(`prefix: expected a string without braces, got ${describe(prefix)}`);
  }
  return new RedisHost(client, connection, prefix);
}

/** @typedef {{ id: string, args: Argument[], bytes: number }} Commit `args` are those of the script */

/** @implements {DictHost} */
class RedisHost {
  #client;
  #connection;
  #prefix;
  #buckets;
  /** @type {Promise<void> | undefined} */
  #opening;
  /** @type {PendingCommits<Commit>} */
  #commits = new PendingCommits(() => new TaskGroup(GROUP, (group) => this.#commitAll(group)));
  /** Whether commits may share a script: in a cluster each bucket may be on another server. */
  #shares = false;
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
   * @param {RedisClient} client
   * @param {NonNullable<ReturnType<typeof connectionOf>>} connection
   * @param {string} prefix
   */
  constructor(client, connection, prefix) {
    this.#client = client;
    this.#connection = connection;
    this.#prefix = prefix;
    this.#buckets = new Buckets(prefix, (place, command) => this.#ask(place, command));
  }

  /**
   * Asks the server how it is set, unless it was asked before, and resolves with what the host supports then. Every
   * call does this first.
   *
   * @returns {Promise<DictHost['supports']>}
   */
  async open() {
    if (this.#isOpen === false) throw closed('host');
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
    const place = placeOf(this.#prefix, id);
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
    refuseTooLarge(bytes, LARGEST);
    if (!this.#isOpen) await this.open();
    return this.#commits.add({ id: batch.writes[0].id, args, bytes });
  }

  /**
   * Sends commits, and does not wait for the answers before others are sent.
   *
   * @param {Pending<Commit>[]} commits
   */
  #commitAll(commits) {
    for (const group of this.#shares ? [commits] : commits.map((each) => [each])) this.#commitGroup(group);
  }

  /** @param {Pending<Commit>[]} group */
  async #commitGroup(group) {
    const place = placeOf(this.#prefix, group[0].id);
    try {
      // A command that waits for the connection would not tell, if it failed, whether it was sent.
      if (!this.#connection.isReady()) await this.#ask(place, ['EXISTS', `${place}records`]);
      const results = await runCommits((command) => this.#connection.ask(place, command), this.#prefix, group);
      group.forEach(({ resolve, reject }, i) => {
        if (typeof results[i] === 'number') resolve(results[i] === 1);
        else reject(failure(new Error(String(results[i]))));
      });
    } catch (cause) {
      const isKnown = isReply(cause) || isQueueError(cause);
      for (const { id, reject } of group) {
        reject(isKnown ? failure(cause) : unknownOutcome('the answer was lost', cause, id));
      }
    }
  }

  /**
   * @param {DictName} dict
   * @param {any} cursor
   * @param {number} limit
   */
  async page(dict, cursor, limit) {
    await this.open();
    return this.#buckets.page(dict, cursor, limit);
  }

  /** @param {DictHost} other */
  isSamePlace(other) {
    return other instanceof RedisHost && other.#client === this.#client && other.#prefix === this.#prefix;
  }

  /** @param {string} id */
  cursorAfter(id) {
    return this.#buckets.cursorAfter(id);
  }

  async sizes() {
    await this.open();
    return this.#buckets.sizes();
  }

  /**
   * Calls back with the id of every message that is changed anywhere, and with none when some may have been missed.
   *
   * @param {(id?: string) => void} notify
   */
  subscribe(notify) {
    if (this.#isOpen === false) return () => {};
    // A connection that is to end may have something to tell before.
    const told = (/** @type {string | undefined} */ id) => {
      if (this.#ends.has(end)) callListener(notify, id);
    };
    const heard = (/** @type {string} */ ids) => ids.split(' ').forEach(told);
    const end = this.#connection.subscribe(this.#prefix, heard, () => told(undefined));
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

  /** The worst that any server of the queue says of itself. */
  async #look() {
    const servers = await this.#connection.servers();
    if (!servers[0]) throw new Error('no server is known yet');
    const found = await Promise.all(servers.map(async (ask) => {
      const [info, fsync] = await Promise.all([ask('INFO'), ask('CONFIG', 'GET', 'appendfsync')].map(permitted));
      const [, policy] = /maxmemory_policy:(allkeys[-a-z]*)/.exec(info) ?? [];
      this.#shares = /cluster_enabled:0/.test(info); // a client of one server may have a cluster of one
      if (policy) {
        throw new QueueError('host', `host: maxmemory-policy: ${policy} evicts mail`);
      }
      return !/aof_enabled:1/.test(info) ? 'none' : /always/.test(fsync) ? 'disk' : 'os';
    }));
    const levels = /** @type {const} */ (['none', 'os', 'disk']);
    this.supports.durable = levels.find((level) => found.includes(level)) ?? 'none';
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
  if (isQueueError(cause)) return cause;
  const isFull = isReply(cause) && /\bOOM\b|No space left/.test(explain(cause));
  return isFull ? nothingWritten('full', 'the server is full', cause)
    : nothingWritten('host', 'the server failed or is not there', cause);
}
