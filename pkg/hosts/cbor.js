import { encode } from 'cborg';

/** The most that this writes by itself; longer text and deeper values are the library's. */
const LONGEST = 256;
const DEEPEST = 100;
const SPARE = 2 ** 16;

/** What is being written, up to `at`: one buffer for all, since to make one takes longer than to fill it. */
let bytes = new Uint8Array(SPARE);
let at = 0;

/**
 * Values one after the other, byte for byte as the library encodes them. Most of an envelope is short ASCII, lists and
 * plain objects, which are written here in a quarter of the time; the library does the rest.
 *
 * @param {unknown[]} values
 * @param {import('cborg').EncodeOptions} options of the library
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encodeAll(values, options) {
  const begin = at; // a getter of a value may encode another one
  try {
    for (const value of values) put(value, options, 0);
    return bytes.slice(begin, at);
  } finally {
    at = begin;
    if (at === 0 && bytes.length > SPARE) bytes = new Uint8Array(SPARE);
  }
}

/**
 * @param {any} value
 * @param {import('cborg').EncodeOptions} options
 * @param {number} depth
 */
function put(value, options, depth) {
  if (typeof value === 'string') {
    if (value.length <= LONGEST && putAscii(value)) return;
  } else if (typeof value === 'number') {
    if (Number.isSafeInteger(value) && (value > 0 || Object.is(value, 0))) return putHead(0, value);
  } else if (value === null) {
    return putHead(0xe0, 22);
  } else if (typeof value === 'object' && depth < DEEPEST) {
    if (Array.isArray(value)) {
      putHead(0x80, value.length);
      for (let i = 0; i < value.length; i++) put(value[i], options, depth + 1);
      return;
    }
    if (value.constructor === Object) {
      const keys = Object.keys(value);
      putHead(0xa0, keys.length);
      for (const key of keys) {
        put(key, options, depth + 1);
        put(value[key], options, depth + 1);
      }
      return;
    }
  }
  const others = encode(value, options);
  reserve(others.length);
  bytes.set(others, at);
  at += others.length;
}

/**
 * @param {string} text
 * @returns {boolean} whether it is ASCII; if not, nothing is written
 */
function putAscii(text) {
  const begin = at;
  putHead(0x60, text.length);
  reserve(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) {
      at = begin;
      return false;
    }
    bytes[at++] = code;
  }
  return true;
}

/**
 * @param {number} major the type, in its place
 * @param {number} number in the shortest form
 */
function putHead(major, number) {
  reserve(9);
  if (number < 24) {
    bytes[at++] = major | number;
    return;
  }
  const exponent = number < 2 ** 8 ? 0 : number < 2 ** 16 ? 1 : number < 2 ** 32 ? 2 : 3;
  const size = 1 << exponent;
  bytes[at++] = major | (24 + exponent);
  for (let i = size - 1, rest = number; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[at + i] = rest;
  at += size;
}

/** @param {number} size */
function reserve(size) {
  if (at + size <= bytes.length) return;
  const larger = new Uint8Array((at + size) * 2);
  larger.set(bytes.subarray(0, at));
  bytes = larger;
}
