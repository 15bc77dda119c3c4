import { copyValue } from './copy.js';
import { FORMAT_QUEUE, QUEUE_FIELDS } from '../hosts/shared/queue-fields.js';
import { packed, unpacked } from './packed-fields.js';

// Inert copies of meta records, as hosts keep them.

/** The fields of a meta record that this version knows. */
const KNOWN = new Set(['timestamp', 'attempts', 'deliveredIndexes', 'lease', 'format', ...QUEUE_FIELDS]);

/**
 * An inert copy of a meta record. What is no number there is NaN, and what cannot be read is all NaN: the core judges.
 *
 * @typedef {object} MetaCopy
 * @property {number} timestamp
 * @property {number} attempts
 * @property {number} format 0 if there is none
 * @property {number[]} [deliveredIndexes]
 * @property {number} [until] of the lease, if there is one,
 * @property {string} [owner] and whose it is
 * @property {string} [unknown] the other fields, as JSON
 * @property {Float64Array} [queueNumbers] those that only queues set, if there are any
 * @property {string[]} [queueTexts]
 */

/**
 * @param {any} record
 * @returns {MetaCopy}
 */
export function copyMeta(record) {
  try {
    return typeof record === 'object' && record !== null ? read(record) : garbage();
  } catch {
    return garbage(); // what was thrown is of no use to a reader of the queue
  }
}

/** @returns {MetaCopy} */
function garbage() {
  return { timestamp: NaN, attempts: NaN, format: 0 };
}

/**
 * @param {any} record
 * @returns {MetaCopy}
 */
function read(record) {
  const { timestamp, attempts, deliveredIndexes, lease, format } = record;
  /** @type {MetaCopy} */
  const copy = {
    timestamp: numberOf(timestamp), attempts: numberOf(attempts), format: format === undefined ? 0 : numberOf(format),
  };
  if (deliveredIndexes !== undefined) {
    copy.deliveredIndexes = Array.isArray(deliveredIndexes) ? deliveredIndexes.map(numberOf) : [NaN];
  }
  if (lease !== undefined) {
    const { until, owner } = lease ?? {};
    copy.until = typeof owner === 'string' ? numberOf(until) : NaN;
    copy.owner = typeof owner === 'string' ? owner : '';
  }
  /** @type {Record<string, any>} */
  const queueFields = {};
  for (const key of QUEUE_FIELDS) {
    if (record[key] !== undefined) queueFields[key] = copyValue(record[key], key, true, 0);
  }
  Object.assign(copy, packed(queueFields));
  const others = Object.keys(record).filter((key) => !KNOWN.has(key));
  if (others.length > 0) copy.unknown = JSON.stringify(Object.fromEntries(others.map((key) => [key, record[key]])));
  return copy;
}

/** @param {unknown} value */
function numberOf(value) {
  return typeof value === 'number' ? value : NaN;
}

/**
 * A record as hosts keep it.
 *
 * @param {number} timestamp
 * @param {number} attempts
 * @param {Uint32Array} delivered
 * @param {number | undefined} until of the lease, if there is one
 * @param {string | undefined} owner
 * @param {string | undefined} unknown the fields that the core does not know, as JSON
 * @param {Float64Array} queueNumbers
 * @param {string[]} queueTexts
 */
export function recordOf(timestamp, attempts, delivered, until, owner, unknown, queueNumbers, queueTexts) {
  /** @type {import('../types.js').Meta} */
  const record = { timestamp, attempts };
  if (delivered.length > 0) record.deliveredIndexes = Array.from(delivered);
  if (until !== undefined) record.lease = { until, owner: owner ?? '' };
  if (queueNumbers.length > 0) Object.assign(record, unpacked(queueNumbers, queueTexts), { format: FORMAT_QUEUE });
  return unknown === undefined ? record : { ...JSON.parse(unknown), ...record };
}
