import { refused } from '../errors.js';

// Inert copies of any values: data that runs no code when it is read.

/** How deep extra values may nest; what is deeper is most likely a cycle. */
const DEPTH = 100;
const ALLOWED =
  'null, a boolean, finite number, string, bigint, Date, Uint8Array, array, plain object, Map or Set';
const WELL_FORMED = 'text without lone surrogates';

/**
 * A copy of a value that shares nothing with it, each part of which was read once.
 *
 * @param {any} value
 * @param {string} path
 * @param {boolean} stored whether its text was looked through before it was stored
 * @param {number} depth
 * @returns {any}
 */
export function copyValue(value, path, stored, depth) {
  switch (typeof value) {
    case 'string':
      if (stored || isWellFormed(value)) return value;
      throw refused(path, WELL_FORMED, value);
    case 'boolean':
    case 'bigint':
      return value;
    case 'number':
      if (Number.isFinite(value)) return value;
      break;
    case 'object':
      if (value === null) return null;
      return copyObject(value, path, stored, depth);
  }
  throw refused(path, ALLOWED, value);
}

/**
 * @param {any} value
 * @param {string} path
 * @param {boolean} stored
 * @param {number} depth
 */
function copyObject(value, path, stored, depth) {
  const tag = Array.isArray(value) ? 'Array' : tagOf(value);
  if (tag === 'Uint8Array') return copyBytes(value, path, ALLOWED);
  if (tag === 'Date') {
    const time = Date.prototype.getTime.call(value);
    if (!Number.isNaN(time)) return new Date(time);
  } else if (tag === 'Array' || tag === 'Object' || (tag === 'Map' && value instanceof Map) ||
      (tag === 'Set' && value instanceof Set)) {
    if (depth >= DEPTH) throw refused(path, 'no cycle, and at most 100 levels', value);
    if (tag === 'Object') return copyFields({}, value, Object.keys(value), path, stored, depth);
    return copyItems(value, path, stored, depth + 1);
  }
  throw refused(path, ALLOWED, value);
}

/**
 * @param {any} value
 * @param {string} path
 * @param {boolean} stored
 * @param {number} depth
 */
function copyItems(value, path, stored, depth) {
  if (Array.isArray(value)) {
    const copy = [];
    const { length } = value;
    for (let i = 0; i < length; i++) copy.push(copyValue(value[i], `${path}[${i}]`, stored, depth));
    return copy;
  }
  let i = 0;
  if (value instanceof Set) {
    const copy = new Set();
    for (const item of [...Set.prototype.values.call(value)]) {
      copy.add(copyValue(item, `${path}[${i++}]`, stored, depth));
    }
    return copy;
  }
  const copy = new Map();
  for (const [key, item] of [...Map.prototype.entries.call(value)]) {
    const at = typeof key === 'string' ? `${path}.${key}` : `${path}[${i}]`;
    copy.set(copyValue(key, at, stored, depth), copyValue(item, at, stored, depth));
    i++;
  }
  return copy;
}

/**
 * Copies some fields of an object to another one.
 *
 * @param {any} copy
 * @param {any} object
 * @param {string[]} keys
 * @param {string} path
 * @param {boolean} stored
 * @param {number} depth
 */
export function copyFields(copy, object, keys, path, stored, depth) {
  for (const key of keys) {
    const at = path === '' ? key : `${path}.${key}`;
    putField(copy, copyValue(key, at, stored, depth), copyValue(object[key], at, stored, depth + 1));
  }
  return copy;
}

/**
 * @param {any} object
 * @param {string} key
 * @param {unknown} value
 */
export function putField(object, key, value) {
  // Assigned, this one key would change the prototype.
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true });
  } else {
    object[key] = value;
  }
}

/**
 * Copies bytes; those on shared memory too.
 *
 * @param {any} value
 * @param {string} path
 * @param {string} expected
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function copyBytes(value, path, expected) {
  if (!ArrayBuffer.isView(value) || !(value instanceof Uint8Array || tagOf(value) === 'Uint8Array')) {
    throw refused(path, expected, value);
  }
  try {
    return new Uint8Array(/** @type {Uint8Array} */ (value));
  } catch {
    throw refused(path, 'bytes that are not detached', value);
  }
}

/** @param {string} text */
export function isWellFormed(text) {
  return 'isWellFormed' in String.prototype ? /** @type {any} */ (text).isWellFormed() : !/\p{Surrogate}/u.test(text);
}

/** @param {unknown} value */
function tagOf(value) {
  return Object.prototype.toString.call(value).slice(8, -1);
}
