/**
 * Envelopes in chunks, for engines whose values are small. The chunks put together are the record of the envelope and
 * then its message, as `codec.js` says. A manifest tells of them; it is a record too, a map of `record` and `message`,
 * how many bytes each has, `pieces`, how many chunks there are, and `upload`, whose chunks they are.
 */
import { decodeEnvelope, decodeRecord, encodeEnvelope, encodeRecord } from './codec.js';

/** @typedef {{ record: number, message?: number, pieces: number, upload: string }} Manifest */

/**
 * @param {any} envelope
 * @param {number} size of a chunk
 * @returns {{ manifest: Manifest, chunks: Uint8Array[] }}
 */
export function split(envelope, size) {
  const { record, message } = encodeEnvelope(envelope);
  const rest = message ?? new Uint8Array(0);
  const chunks = [];
  // Only the chunk with the end of the one and the beginning of the other is a copy.
  for (let at = 0; at < record.length + rest.length; at += size) {
    const begin = at - record.length;
    if (begin >= 0) chunks.push(rest.subarray(begin, begin + size));
    else if (begin + size <= 0) chunks.push(record.subarray(at, at + size));
    else chunks.push(concat([record.subarray(at), rest.subarray(0, begin + size)]));
  }
  const manifest = {
    record: record.length, pieces: chunks.length, upload: '', ...(message && { message: message.length }),
  };
  return { manifest, chunks };
}

/**
 * The envelope of a manifest and its chunks; `{}`, which is no envelope, for what cannot be read.
 *
 * @param {Manifest} manifest
 * @param {Uint8Array[]} chunks
 * @returns {any}
 */
export function join({ record, message }, chunks) {
  const all = concat(chunks);
  if (all.length !== record + (message ?? 0)) return {};
  return decodeEnvelope(all.subarray(0, record), message === undefined ? undefined : all.subarray(record));
}

/** @param {Manifest} manifest */
export function encodeManifest(manifest) {
  return encodeRecord(manifest);
}

/**
 * @param {Uint8Array} bytes
 * @returns {Manifest | undefined} none for what cannot be read
 */
export function decodeManifest(bytes) {
  try {
    const manifest = decodeRecord(bytes);
    return Number.isSafeInteger(manifest.pieces) && typeof manifest.upload === 'string' ? manifest : undefined;
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
