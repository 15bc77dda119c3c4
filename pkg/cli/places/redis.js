import { redisHost } from '../../hosts/redis.js';
import { Failure } from '../failures.js';
import { installed } from '../libraries.js';
import { printable } from '../printable.js';
import { answered } from './deadline.js';

/** @import { Opened } from './place.js' */

/** How often a connection that was lost is made again before the work ends, and how many milliseconds apart. */
const TRIES = 6;
const PAUSE = 500;

/**
 * The dictionaries on a Redis server.
 *
 * @param {string} url
 * @param {string} prefix
 * @param {AbortSignal} signal ends the attempt
 * @returns {Promise<Opened>}
 */
export async function openRedis(url, prefix, signal) {
  const { name, library } = await installed('--redis', 'redis', 'ioredis');
  const client = name === 'redis' ? nodeRedis(library, url) : ioRedis(library, url);
  client.on('error', () => {}); // whoever asks is told
  const close = () => (name === 'redis' ? client.isOpen && client.destroy() : client.disconnect());
  try {
    await answered(name === 'redis' ? client.connect() : connected(client), signal);
  } catch (error) {
    close();
    if (signal.aborted) throw error;
    // The URL may have a password in it.
    throw new Failure(`there is no Redis that answers at ${printable(new URL(url).host)}: ${printable(reasonOf(error))}`);
  }
  return { host: redisHost(client, { prefix }), close };
}

/**
 * What tells one queue on Redis from another.
 *
 * @param {string} url
 * @param {string} prefix
 */
export function nameOfRedis(url, prefix) {
  const { hostname, port, pathname } = new URL(url);
  return `redis:${hostname}:${port || '6379'}/${pathname.slice(1) || '0'}/${prefix}`;
}

/**
 * @param {any} library
 * @param {string} url
 */
function nodeRedis(library, url) {
  let wasThere = false;
  const reconnectStrategy = (/** @type {number} */ retries, /** @type {Error} */ cause) => (
    wasThere && retries < TRIES ? PAUSE : cause);
  return library.createClient({ url, socket: { connectTimeout: 10_000, reconnectStrategy } })
    .on('ready', () => {
      wasThere = true;
    });
}

/**
 * @param {any} library
 * @param {string} url
 */
function ioRedis(library, url) {
  let wasThere = false;
  const retryStrategy = (/** @type {number} */ times) => (wasThere && times <= TRIES ? PAUSE : null);
  return new library.Redis(url, { connectTimeout: 10_000, retryStrategy })
    .on('ready', () => {
      wasThere = true;
    });
}

/**
 * Resolves when a client of ioredis is connected, as it is by itself.
 *
 * @param {any} client
 */
function connected(client) {
  return new Promise((resolve, reject) => {
    /** @type {unknown} */
    let last;
    client.on('error', (/** @type {unknown} */ error) => {
      last = error;
    });
    // A client that is refused its database is ready for another one.
    client.once('ready', () => (last ? reject(last) : resolve(undefined)));
    client.once('end', () => reject(last));
  });
}

/** @param {any} error */
function reasonOf(error) {
  return error?.message || error?.errors?.[0]?.message || error?.code || String(error);
}
