/**
 * Records as bytes, for engines that keep nothing else. Other programs may read and write them:
 *
 * A record is a CBOR sequence (RFC 8742) of two items: the number of its format, which is 1 where nothing else is said
 * below, and a map of text to values, all of definite length.
 *
 * An envelope is a map of its fields. Values beyond plain CBOR: a date is tag 1 with seconds, exact to the millisecond;
 * a bigint is tag 2 or 3, always; a Set is tag 258 with an array; a Map, whatever its keys, is tag 259 with a map; any
 * other map is an object. What follows the headers is kept beside the record as it is, be it bytes or UTF-8; in the
 * record, `message` is an array of two: 0 for bytes or 1 for text, and how many bytes there are.
 *
 * A meta record is a map of `timestamp`, `attempts`, and where there are any `deliveredIndexes` and `lease`, a map of
 * `until` and `owner`. `deliveredIndexes` are bytes: bit 0 is the lowest of the first one, and bit i says whether the
 * recipient at position i is delivered. The other fields are as in `Meta`, but for positions in `failed` and `replies`,
 * which are the hexadecimal digits of such bytes. A record with a field that only queues
 * set is of format 2: who does not know what that means must neither send nor remove the message.
 */
import { Tokenizer, decode, decodeFirst } from 'cborg';
import { encode } from 'cborg/extended';
import { bigIntDecoder, bigNegIntDecoder, mapDecoder, setDecoder } from 'cborg/taglib';
import { QueueError } from '../../errors.js';
import { FORMAT_QUEUE } from './queue-fields.js';

const FORMAT = 1;
/** The fields of a meta record that are lists with positions. */
const LISTS = ['failed', 'replies'];
const BYTES = 0;
const TEXT = 1;
/** No list of recipients is longer in practice; as bits, positions beyond this one would take megabytes. */
const LAST_POSITION = 2 ** 24;
/** What a meta record takes at most besides its positions: the last replies are most of it. */
const META_BYTES = 1_500;
/**
 * How often a recipient is named at most, in bits: as one that needs no more attempts, and in digits as given up, by this
 * attempt and by the ones before.
 */
const BITS_EACH = 5;

/** UTF-8 has no lone surrogates. A library that puts something else in their place would change an address. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** What leaves a value to the library gives nothing back. Bytes are no values with a tag. */
const typeEncoders = { string: refuseMalformed, Uint8Array: () => null };

const tags = {
  1: (/** @type {() => unknown} */ seconds) => dateOf(/** @type {number} */ (seconds())),
  2: bigIntDecoder, 3: bigNegIntDecoder, 258: setDecoder, 259: mapDecoder,
};

/**
 * The bytes that a record was read from. Another program may have written what it says in other bytes than this one.
 *
 * @type {WeakMap<object, Uint8Array>}
 */
const sources = new WeakMap();

/**
 * An envelope as its record and, if there is one, its message.
 *
 * @param {any} envelope
 * @returns {{ record: Uint8Array, message?: Uint8Array }}
 */
export function encodeEnvelope(envelope) {
  if (typeof envelope !== 'object' || envelope?.message === undefined) return { record: encodeRecord(envelope) };
  const text = typeof envelope.message === 'string';
  if (text) refuseMalformed(envelope.message);
  const message = text ? new TextEncoder().encode(envelope.message) : envelope.message;
  return { record: encodeRecord({ ...envelope, message: [text ? TEXT : BYTES, message.length] }), message };
}

/**
 * The envelope of a record and the message beside it; `{}`, which is no envelope, for what cannot be read.
 *
 * @param {Uint8Array} record
 * @param {Uint8Array | undefined} message
 * @returns {any}
 */
export function decodeEnvelope(record, message) {
  try {
    const envelope = decodeRecord(record);
    if (typeof envelope !== 'object' || envelope.message === undefined) return envelope;
    const [kind, length] = envelope.message;
    if (message?.length !== length) return {};
    return { ...envelope, message: kind === TEXT ? textOf(/** @type {Uint8Array} */ (message)) : message };
  } catch {
    return {};
  }
}

/**
 * What stands in the engine if a record is what `version` says: one that was read from it, one that was written, or its
 * bytes.
 *
 * @param {any} version
 * @returns {Uint8Array}
 */
export function encodeVersion(version) {
  if (version instanceof Uint8Array) return version;
  return sources.get(version) ?? encodeMeta(version);
}

/**
 * @param {any} meta
 * @returns {Uint8Array}
 */
export function encodeMeta(meta) {
  if (typeof meta !== 'object' || !meta || Array.isArray(meta)) return encodeRecord(meta);
  const { format, ...fields } = meta;
  const bits = bitsOf(meta.deliveredIndexes);
  if (bits) fields.deliveredIndexes = bits;
  for (const list of LISTS) if (Array.isArray(meta[list])) fields[list] = meta[list].map(withDigits);
  return encodeRecord(fields, format);
}

/**
 * What a meta record says; `{}`, which is none, for what cannot be read, and a `format` for what a newer version wrote.
 *
 * @param {Uint8Array} record
 * @returns {any}
 */
export function decodeMeta(record) {
  let meta;
  try {
    meta = decodeRecord(record, FORMAT_QUEUE);
    for (const list of LISTS) if (Array.isArray(meta?.[list])) meta[list] = meta[list].map(withIndexes);
    if (meta?.deliveredIndexes instanceof Uint8Array) meta.deliveredIndexes = positionsOf(meta.deliveredIndexes);
  } catch {
    meta = {};
  }
  if (typeof meta === 'object' && meta) sources.set(meta, record);
  return meta;
}

/**
 * Refuses an envelope with so many recipients that a record which marks all of them would be too large.
 *
 * @param {any} envelope
 * @param {number} limit the most bytes that a record of the engine may have
 */
export function refuseTooMany(envelope, limit) {
  const recipients = envelope?.recipients?.length ?? 0;
  const most = Math.floor((limit - META_BYTES) * 8 / BITS_EACH);
  if (recipients <= most) return;
  throw new QueueError('too-large', `too-large: recipients: expected at most ${most} here, got ${recipients}`);
}

/**
 * Whether two records are the same bytes.
 *
 * @param {Uint8Array} one
 * @param {Uint8Array} other
 */
export function sameBytes(one, other) {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

/**
 * Any other record, which one host alone keeps, in the same way.
 *
 * @param {any} record
 * @param {number} [format]
 */
export function encodeRecord(record, format = FORMAT) {
  const bytes = encode([format, record], { typeEncoders });
  return new Uint8Array(bytes.subarray(1)); // a list of two is a sequence of two with one byte before it
}

/**
 * @param {Uint8Array} bytes
 * @param {number} [newest] the newest format that is known of this kind of record
 * @returns {any}
 */
export function decodeRecord(bytes, newest = FORMAT) {
  const [format, body] = decodeFirst(bytes);
  if (!(format >= FORMAT && format <= newest)) return format > newest ? { format } : {};
  const record = decode(body, { tags, tokenizer: new MarkingTokenizer(body, { retainStringBytes: true }) });
  return format === FORMAT ? record : { ...record, format };
}

/**
 * An entry of `failed` or `replies` whose positions are text, which goes through a version of this package unharmed
 * that does not know the field.
 *
 * @param {any} entry
 */
function withDigits(entry) {
  const bits = bitsOf(entry?.indexes);
  return bits ? { ...entry, indexes: Array.from(bits, (byte) => byte.toString(16).padStart(2, '0')).join('') } : entry;
}

/**
 * The same entry with its positions.
 *
 * @param {any} entry
 */
function withIndexes(entry) {
  if (typeof entry?.indexes !== 'string') return entry;
  const pairs = entry.indexes.match(/[0-9a-f]{2}/g) ?? [];
  return { ...entry, indexes: positionsOf(Uint8Array.from(pairs, (/** @type {string} */ pair) => parseInt(pair, 16))) };
}

/** @param {string} text */
function refuseMalformed(text) {
  if (LONE_SURROGATE.test(text)) throw new TypeError('text: expected no lone surrogates');
  return null;
}

/** The library takes a byte order mark off the text that begins with one; here it is part of the text. */
class MarkingTokenizer extends Tokenizer {
  /** @override */
  next() {
    const token = super.next();
    const bytes = token.byteValue;
    if (bytes?.[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) token.value = `\ufeff${token.value}`;
    return token;
  }
}

/**
 * Multiplied whole, the seconds of distant years would be a millisecond off.
 *
 * @param {number} seconds
 */
function dateOf(seconds) {
  const whole = Math.trunc(seconds);
  return new Date(whole * 1000 + Math.round((seconds - whole) * 1000));
}

/** @param {Uint8Array} bytes */
function textOf(bytes) {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

/** @param {unknown} positions */
function bitsOf(positions) {
  if (!Array.isArray(positions) || positions.length === 0) return undefined;
  const ascends = positions.every((position, i) => Number.isInteger(position) && position > (positions[i - 1] ?? -1));
  const last = positions[positions.length - 1];
  if (!ascends || last > LAST_POSITION) return undefined;
  const bits = new Uint8Array((last >> 3) + 1);
  for (const position of positions) bits[position >> 3] |= 1 << (position & 7);
  return bits;
}

/** @param {Uint8Array} bits */
function positionsOf(bits) {
  const positions = [];
  for (let i = 0; i < bits.length * 8; i++) if (bits[i >> 3] & (1 << (i & 7))) positions.push(i);
  return positions;
}
