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
  const all = new Uint8Array(record.length + (message?.length ?? 0));
  all.set(record);
  if (message) all.set(message, record.length);
  const pieces = [];
  for (let at = 0; at < all.length; at += size) pieces.push(all.subarray(at, at + size));
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
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (length !== record + (message ?? 0)) return {};
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
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
