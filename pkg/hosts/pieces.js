/**
 * Envelopes in pieces, for engines whose values are small. The pieces put together are the record of the envelope and
 * then its message, as `codec.js` says. A head tells of them; it is a record too, a map of `record` and `message`, how
 * many bytes each has, `pieces`, how many there are, and `upload`, whose pieces they are.
 */
import { decodeEnvelope, decodeRecord, encodeEnvelope, encodeRecord } from './codec.js';

/** @typedef {{ record: number, message?: number, pieces: number, upload: string }} Head */

/**
 * @param {any} envelope
 * @param {number} size of a piece
 * @returns {{ head: Head, pieces: Uint8Array[] }}
 */
export function cut(envelope, size) {
  const { record, message } = encodeEnvelope(envelope);
  const head = { record: record.length, pieces: 0, upload: '', ...(message && { message: message.length }) };
  const rest = message ?? new Uint8Array(0);
  const pieces = [];
  // Only the piece with the end of the one and the beginning of the other is a copy.
  for (let at = 0; at < record.length + rest.length; at += size) {
    const begin = at - record.length;
    if (begin >= 0) pieces.push(rest.subarray(begin, begin + size));
    else if (begin + size <= 0) pieces.push(record.subarray(at, at + size));
    else pieces.push(concat([record.subarray(at), rest.subarray(0, begin + size)]));
  }
  head.pieces = pieces.length;
  return { head, pieces };
}

/**
 * The envelope of a head and its pieces; `{}`, which is no envelope, for what cannot be read.
 *
 * @param {Head} head
 * @param {Uint8Array[]} pieces
 * @returns {any}
 */
export function join({ record, message }, pieces) {
  const all = concat(pieces);
  if (all.length !== record + (message ?? 0)) return {};
  return decodeEnvelope(all.subarray(0, record), message === undefined ? undefined : all.subarray(record));
}

/** @param {Head} head */
export function encodeHead(head) {
  return encodeRecord(head);
}

/**
 * @param {Uint8Array} bytes
 * @returns {Head | undefined} none for what cannot be read
 */
export function decodeHead(bytes) {
  try {
    const head = decodeRecord(bytes);
    return Number.isSafeInteger(head.pieces) && typeof head.upload === 'string' ? head : undefined;
  } catch {
    return undefined;
  }
}

/** @param {Uint8Array[]} parts */
function concat(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
