/** @import { AsyncDict, DictHost, QueueOptions, Relay, SyncDict } from './types.js' */
import { describe, outOfRange, refused } from './errors.js';

// What constructors are given: hosts, dictionaries, relays and options. It stays in JavaScript, where it is judged. The
// arguments of methods go to the core: binding/arguments.js copies those.

/** The longest time that a timer knows, in milliseconds; a longer one ends at once. */
export const LONGEST_TIMER = 0x7fff_ffff;
/** For so long a message waits at most whose deliverer is gone. */
const LONGEST_LEASE = 86_400_000;
const QUEUE_OPTIONS = [
  'backoff', 'bounceFactory', 'bounceQueue', 'storePool', 'relayPool', 'destination', 'lease', 'attemptTimeout',
  'keepDelivered', 'overdueAfter', 'deadLetter',
];

/**
 * @template {SyncDict<any> | AsyncDict<any>} D
 * @param {string} name
 * @param {D | null | undefined} dict
 * @returns {any}
 */
function dictionary(name, dict) {
  if (dict === undefined || dict === null) return new Map();
  for (const method of ['get', 'set', 'delete', 'keys']) {
    if (typeof dict !== 'object' && typeof dict !== 'function' ||
        typeof (/** @type {any} */ (dict)[method]) !== 'function') {
      throw new TypeError(`${name}: expected a dictionary with a method ${method}, got ${describe(dict)}`);
    }
  }
  return dict;
}

/**
 * The dictionaries of a storage; each that is not given is a new Map.
 *
 * @param {any} envelopeDb
 * @param {any} metaDb
 * @returns {[envelopeDb: any, metaDb: any]}
 */
export function dictionariesOf(envelopeDb, metaDb) {
  const both = /** @type {[any, any]} */ ([dictionary('envelopeDb', envelopeDb), dictionary('metaDb', metaDb)]);
  // In one dictionary each record would take the place of its envelope.
  if (both[0] === both[1]) throw new TypeError('metaDb: expected another dictionary than envelopeDb, got the same one');
  return both;
}

/**
 * @param {DictHost} host
 * @returns {DictHost}
 */
export function hostOf(host) {
  for (const method of /** @type {const} */ (['read', 'commit', 'page', 'sizes'])) {
    if (typeof host[method] !== 'function') {
      throw new TypeError(`host: expected a host with a method ${method}, got ${describe(host)}`);
    }
  }
  return host;
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} otherwise
 */
export function milliseconds(name, value, otherwise) {
  if (value === undefined) return otherwise;
  if (typeof value !== 'number') {
    throw new TypeError(`${name}: expected a number of milliseconds, got ${describe(value)}`);
  }
  if (!(value > 0)) throw new RangeError(`${name}: expected more than 0 milliseconds, got ${describe(value)}`);
  return value;
}

/**
 * Options that may be missing as a whole.
 *
 * @template {object} T
 * @param {T | null | undefined} options
 * @param {string[]} known
 * @returns {Partial<T>}
 */
export function optionsOf(options, known) {
  return options === undefined || options === null ? {} : onlyKnown('options', options, known);
}

/**
 * An object that has no property but these: a misspelt one would be passed over.
 *
 * @template T
 * @param {string} name
 * @param {T} object
 * @param {string[]} known
 * @returns {T}
 */
export function onlyKnown(name, object, known) {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) throw refused(name, 'an object', object);
  for (const key of Object.keys(object)) {
    if (!known.includes(key)) throw new TypeError(`${name}.${key}: expected one of ${known.join(', ')}`);
  }
  return object;
}

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
 * @param {any} relay
 * @returns {Relay | undefined}
 */
export function relayOf(relay) {
  return relay === undefined || relay === null ? undefined : having('relay', 'a relay', relay, ['attempt']);
}

/**
 * @param {any} given
 * @returns {Omit<QueueOptions, 'destination'> & { lease: number, relayPool: number, keepDelivered: number } & Destination}
 */
export function queueOptionsOf(given) {
  const { destination, ...options } = /** @type {QueueOptions} */ (optionsOf(given, QUEUE_OPTIONS));
  for (const name of /** @type {const} */ (['backoff', 'bounceFactory'])) orFunction(`options.${name}`, options[name]);
  const { bounceQueue } = options;
  if (bounceQueue !== undefined && bounceQueue !== null) having('options.bounceQueue', 'a queue', bounceQueue, ['enqueue']);
  const lease = milliseconds('options.lease', options.lease, 300_000);
  if (lease > LONGEST_LEASE) throw outOfRange('options.lease', `at most ${LONGEST_LEASE} milliseconds`, lease);
  return {
    ...options,
    ...destinationOf(destination),
    lease,
    relayPool: size('options.relayPool', options.relayPool, 100),
    storePool: finite(size('options.storePool', options.storePool, Infinity)),
    overdueAfter: milliseconds('options.overdueAfter', options.overdueAfter, 900_000),
    attemptTimeout: options.attemptTimeout === undefined ? undefined
      : milliseconds('options.attemptTimeout', options.attemptTimeout, Infinity),
    keepDelivered: options.keepDelivered === 0 ? 0 : milliseconds('options.keepDelivered', options.keepDelivered, 0),
  };
}

/**
 * The limits of a destination, as queues know them.
 *
 * @typedef {{ destinationOf?: (address: string) => string, destinationPool?: number, destinationPerSecond?: number }} Destination
 */

/**
 * @param {QueueOptions['destination']} given
 * @returns {Destination}
 */
function destinationOf(given) {
  if (given === undefined || given === null) return {};
  const { of, pool, perSecond } = onlyKnown('options.destination', given, ['of', 'pool', 'perSecond']);
  orFunction('options.destination.of', of);
  if (perSecond !== undefined && perSecond !== null) {
    const [name, expected] = ['options.destination.perSecond', 'a number of attempts, more than 0'];
    if (typeof perSecond !== 'number') throw refused(name, expected, perSecond);
    if (!(perSecond > 0)) throw outOfRange(name, expected, perSecond);
  }
  return {
    destinationOf: of,
    destinationPool: finite(size('options.destination.pool', pool, Infinity)),
    destinationPerSecond: perSecond,
  };
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function orFunction(name, value) {
  if (value !== undefined && value !== null && typeof value !== 'function') throw refused(name, 'a function', value);
}

/** @param {number} number */
function finite(number) {
  return number === Infinity ? undefined : number;
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
