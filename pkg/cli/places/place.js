/** @import { DictHost, QueueOptions, QueueStorage, Relay } from '../../types.js' */
import { AsyncDictStorage, Queue, QueueError } from '../../load/inline.js';
import { Failure, UsageError } from '../failures.js';
import { answered, patient, probe } from './deadline.js';
import { aPrefix, aText, aUrl } from '../values.js';
import { nameOfLevel, openLevel } from './level.js';
import { nameOfRedis, openRedis } from './redis.js';

/**
 * A host and what ends it.
 *
 * @typedef {object} Opened
 * @property {DictHost} host
 * @property {() => unknown} close ends what the host works on
 * @property {string} [blocked] what to say when another program has it
 */

/**
 * Where a queue is, as options say.
 *
 * @typedef {{ level: string } | { redis: string, prefix: string }} Where
 */

const PREFIX = 'slimta-queue';

/** @type {Record<string, import('../arguments.js').Option>} */
export const PLACE_OPTIONS = {
  level: { value: 'PATH', help: 'the queue in this LevelDB', read: aText },
  redis: { value: 'URL', help: 'the queue on this Redis server, such as redis://localhost', read: aUrl('redis', 'rediss') },
  prefix: { value: 'PREFIX', help: `the prefix of its keys there (${PREFIX})`, read: aPrefix },
};

/** @type {Record<string, import('../arguments.js').Option>} */
export const DEAD_LETTER_OPTIONS = {
  'dead-letter': { value: 'PATH|PREFIX', help: 'where given-up messages are kept: another LevelDB, or another prefix', read: aText },
};

/**
 * @param {{ level?: string, redis?: string, prefix?: string }} values
 * @param {string} [start] what the names of these options begin with
 * @returns {Where}
 * @throws {UsageError}
 */
export function whereOf({ level, redis, prefix }, start = '') {
  if (level !== undefined && redis !== undefined) {
    throw new UsageError(`--${start}level and --${start}redis are two places: choose one`);
  }
  if (redis !== undefined) return { redis, prefix: prefix ?? PREFIX };
  if (prefix !== undefined) throw new UsageError(`--${start}prefix goes with --${start}redis`);
  if (level !== undefined) return { level };
  throw new UsageError(`say which queue: --${start}level PATH, or --${start}redis URL`);
}

/**
 * Where a queue is, and its dead letters if that is said.
 *
 * @param {Record<string, any>} values
 * @returns {{ where: Where, dead: Where | undefined }}
 * @throws {UsageError}
 */
export function placesOf(values) {
  const [where, name] = [whereOf(values), values['dead-letter']];
  if (name === undefined) return { where, dead: undefined };
  const dead = 'level' in where ? { level: name } : { ...where, prefix: aDeadPrefix(name) };
  refuseSame(where, dead, '--dead-letter');
  return { where, dead };
}

/**
 * @param {Where} one
 * @param {Where} other
 * @param {string} option
 */
export function refuseSame(one, other, option) {
  if (nameOf(one) === nameOf(other)) throw new UsageError(`${option}: expected another place than the queue's`);
}

/** @param {Where} where */
function nameOf(where) {
  return 'level' in where ? nameOfLevel(where.level) : nameOfRedis(where.redis, where.prefix);
}

/** @param {string} text */
function aDeadPrefix(text) {
  try {
    return aPrefix(text);
  } catch (error) {
    throw new UsageError(`--dead-letter: expected ${/** @type {Error} */ (error).message}`);
  }
}

/** A place that is open: its host, its storage, and queues on it. */
export class Place {
  #opened;

  /** @param {Opened} opened */
  constructor(opened) {
    this.#opened = opened;
    this.host = patient(opened.host);
    this.storage = new AsyncDictStorage(opened.host);
  }

  /**
   * @param {Where} where
   * @param {AbortSignal} signal ends the wait for a server
   * @param {{ create?: boolean }} [options] `create`: a new one is made where there is none
   */
  static async open(where, signal, { create = false } = {}) {
    const isLevel = 'level' in where;
    const opened = await (isLevel ? openLevel(where.level, create) : openRedis(where.redis, where.prefix, signal));
    const place = new Place(opened);
    try {
      const first = opened.host.read('meta', '0'.repeat(32)); // what cannot be opened shows now
      await (isLevel ? first : answered(first, signal)); // a LevelDB may be long at its log
      return place;
    } catch (error) {
      await place.close();
      const isBlocked = opened.blocked && error instanceof QueueError && error.code === 'blocked';
      throw isBlocked ? new Failure(/** @type {string} */ (opened.blocked)) : error;
    }
  }

  /** Rejects if the server of the place gives no answer. */
  async probe() {
    if (this.host.supports.writers === 'many') await probe(this.#opened.host);
  }

  async close() {
    await this.storage.close().catch(() => {});
    await this.#opened.close();
  }
}

/** How many ids are read at once. */
const PAGE = 1_000;

/**
 * The ids of all messages, of those too whose records cannot be read.
 *
 * @param {DictHost} host
 * @returns {AsyncGenerator<string, void>}
 */
export async function* idsOf(host) {
  let cursor;
  do {
    const { entries, next } = await host.page('meta', cursor, PAGE);
    for (const [id] of entries) yield id;
    cursor = next;
  } while (cursor !== undefined);
}

/**
 * The queue of some places.
 *
 * @param {QueueStorage} storage
 * @param {QueueStorage | undefined} deadLetter
 * @param {Relay} [relay]
 * @param {QueueOptions} [options]
 */
export function queueOn(storage, deadLetter, relay, options = {}) {
  return new Queue(storage, relay, deadLetter ? { ...options, deadLetter } : options);
}
