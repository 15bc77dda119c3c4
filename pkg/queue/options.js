/** @import { QueueOptions, QueueStorage, Relay } from '../types.js' */
import { milliseconds, optionsOf } from '../arguments.js';
import { describe } from '../errors.js';

const STORAGE = ['write', 'change', 'load', 'get', 'remove', 'setTimestamp'];

/**
 * A value with these methods.
 *
 * @param {string} name
 * @param {string} what
 * @param {any} value
 * @param {string[]} methods
 * @returns {any}
 */
export function having(name, what, value, methods) {
  for (const method of methods) {
    if (typeof value?.[method] !== 'function') {
      throw new TypeError(`${name}: expected ${what} with a method ${method}, got ${describe(value)}`);
    }
  }
  return value;
}

/**
 * @param {string} name
 * @param {any} storage
 * @returns {QueueStorage}
 */
export function storageOf(name, storage) {
  return having(name, 'a storage', storage, STORAGE);
}

/**
 * @param {any} relay
 * @returns {Relay | undefined}
 */
export function relayOf(relay) {
  return relay === undefined || relay === null ? undefined : having('relay', 'a relay', relay, ['attempt']);
}

/**
 * @param {any} given
 * @returns {QueueOptions & { lease: number, relayPool: number, storePool: number }}
 */
export function queueOptionsOf(given) {
  const options = /** @type {QueueOptions} */ (optionsOf(given));
  for (const name of /** @type {const} */ (['backoff', 'bounceFactory'])) {
    const value = options[name];
    if (value !== undefined && value !== null && typeof value !== 'function') {
      throw new TypeError(`options.${name}: expected a function, got ${describe(value)}`);
    }
  }
  const { bounceQueue, deadLetter } = options;
  if (bounceQueue) having('options.bounceQueue', 'a queue', bounceQueue, ['enqueue']);
  if (deadLetter) storageOf('options.deadLetter', deadLetter);
  return {
    ...options,
    lease: milliseconds('options.lease', options.lease, 300_000),
    relayPool: size('options.relayPool', options.relayPool, 100),
    storePool: size('options.storePool', options.storePool, Infinity),
  };
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} otherwise
 */
function size(name, value, otherwise) {
  if (value === undefined || value === null) return otherwise;
  if (typeof value !== 'number') {
    throw new TypeError(`${name}: expected a number of operations, got ${describe(value)}`);
  }
  if (value === Infinity || (Number.isInteger(value) && value > 0)) return value;
  throw new RangeError(`${name}: expected a whole number from 1 on, got ${describe(value)}`);
}
