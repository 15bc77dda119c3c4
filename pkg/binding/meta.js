// Inert copies of meta records, as hosts keep them.

/** The fields of a meta record that this version knows. */
const KNOWN = new Set(['timestamp', 'attempts', 'deliveredIndexes', 'lease', 'format']);

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
 */
export function recordOf(timestamp, attempts, delivered, until, owner, unknown) {
  /** @type {import('../types.js').Meta} */
  const record = { timestamp, attempts };
  if (delivered.length > 0) record.deliveredIndexes = Array.from(delivered);
  if (until !== undefined) record.lease = { until, owner: owner ?? '' };
  return unknown === undefined ? record : { ...JSON.parse(unknown), ...record };
}
