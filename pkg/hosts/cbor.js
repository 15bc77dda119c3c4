import { encode } from 'cborg/extended';
import { isWellFormed } from '../binding/copy.js';

/** Bytes are no values with a tag. */
const typeEncoders = { string: refuseMalformed, Uint8Array: () => null };

/** What is being written, up to `at`: one buffer for all, since to make one takes longer than to fill it. */
let bytes = new Uint8Array(2 ** 16);
let at = 0;

/**
 * Values one after the other, byte for byte as the library encodes them. Most of an envelope is short ASCII, lists and
 * plain objects, which are written here in a quarter of the time; the library does the rest.
 *
 * @param {unknown[]} values
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encodeAll(values) {
  at = 0;
  values.forEach(put);
  return bytes.slice(0, at);
}

/** @param {any} value */
function put(value) {
  if (typeof value === 'string') {
    if (putAscii(value)) return;
  } else if (Number.isSafeInteger(value) && 1 / value > 0) { // which -0 is not
    return putHead(0, value);
  } else if (Array.isArray(value)) {
    putHead(0x80, value.length);
    for (let i = 0; i < value.length; i++) put(value[i]);
    return;
  } else if (value?.constructor === Object) {
    const keys = Object.keys(value);
    putHead(0xa0, keys.length);
    for (const key of keys) {
      put(key);
      put(value[key]);
    }
    return;
  }
  const others = encode(value, { typeEncoders });
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
  const size = number < 24 ? 0 : number < 256 ? 1 : number < 65536 ? 2 : number < 2 ** 32 ? 4 : 8;
  bytes[at++] = major | (size ? 24 + Math.log2(size) : number);
  for (let i = size; i-- > 0; ) bytes[at++] = (i > 3 ? number / 2 ** 32 : number) >>> (i * 8);
}

/** @param {number} size */
function reserve(size) {
  if (at + size <= bytes.length) return;
  const larger = new Uint8Array((at + size) * 2);
  larger.set(bytes);
  bytes = larger;
}

/**
 * UTF-8 has no lone surrogates. Gives nothing back, which leaves the text to the library.
 *
 * @param {string} text
 */
export function refuseMalformed(text) {
  if (!isWellFormed(text)) throw new TypeError('text: expected no lone surrogates');
  return null;
}
