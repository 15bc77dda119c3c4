/** @import { QueueOptions, QueueStorage, Relay } from '../types.js' */
import { milliseconds, optionsOf } from '../arguments.js';
import { describe } from '../errors.js';

const METHODS = /** @type {const} */ (['write', 'change', 'load', 'get', 'remove', 'setTimestamp']);

/**
 * @param {string} name
 * @param {any} storage
 * @returns {QueueStorage}
 */
export function storageOf(name, storage) {
  for (const method of METHODS) {
    if (typeof storage?.[method] !== 'function') {
      throw new TypeError(`${name}: expected a storage with a method ${method}, got ${describe(storage)}`);
    }
  }
  return storage;
}

/**
 * @param {any} relay
 * @returns {Relay | undefined}
 */
export function relayOf(relay) {
  if (relay === undefined || relay === null) return undefined;
  if (typeof relay.attempt === 'function') return relay;
  throw new TypeError(`relay: expected a relay with a method attempt, got ${describe(relay)}`);
}

/**
 * @param {any} given
 * @returns {Omit<QueueOptions, 'lease' | 'relayPool' | 'storePool'> & { lease: number, relayPool: number, storePool: number }}
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
  if (bounceQueue && typeof bounceQueue.enqueue !== 'function') {
    throw new TypeError(`options.bounceQueue: expected a queue, got ${describe(bounceQueue)}`);
  }
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
  if (typeof value !== 'number') throw new TypeError(`${name}: expected a number of operations, got ${describe(value)}`);
  if (value === Infinity || (Number.isInteger(value) && value > 0)) return value;
  throw new RangeError(`${name}: expected a whole number from 1 on, got ${describe(value)}`);
}
