/** Storages on Redis for tests, through both libraries, and what ends them. */
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { redisHost } from '../../pkg/hosts/redis.js';
import { AsyncDictStorage } from '../../pkg/load/inline.js';

export const urlOf = (port) => ({ url: `redis://127.0.0.1:${port}` });
export const LIBRARIES = {
  'node-redis': (port) => createClient(urlOf(port)),
  ioredis: (port) => new Redis(port, '127.0.0.1'),
};

/**
 * What ends with a test.
 *
 * @type {(() => unknown)[]}
 */
export const endings = [];
export const endAll = async () => {
  for (const end of endings.splice(0).reverse()) await end();
};

/** A client that is ended with the test. */
export function client(library, port) {
  const made = LIBRARIES[library](port);
  made.on('error', () => {});
  endings.push(() => (library === 'ioredis' ? made.disconnect() : made.isOpen && made.destroy()));
  return made;
}

let places = 0;
export const newPlace = () => `place-${++places}`;

export function storageOn(library, port, prefix = newPlace(), options = {}) {
  const storage = new AsyncDictStorage(redisHost(client(library, port), { prefix }), options);
  endings.push(() => storage.close());
  return storage;
}
