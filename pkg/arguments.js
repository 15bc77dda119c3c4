/** @import { AsyncDict, DictHost, StorageOptions, SyncDict } from './types.js' */
import { describe } from './errors.js';

/**
 * @template {SyncDict<any> | AsyncDict<any>} D
 * @param {string} name
 * @param {D | null | undefined} dict
 * @returns {any}
 */
export function dictionary(name, dict) {
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
 * @param {unknown} options
 * @returns {StorageOptions}
 */
export function optionsOf(options) {
  if (options === undefined || options === null) return {};
  if (typeof options !== 'object') throw new TypeError(`options: expected an object, got ${describe(options)}`);
  return options;
}
