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
 * @property {{ until: number, owner: string }} [lease]
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
    copy.lease = typeof owner === 'string' ? { until: numberOf(until), owner } : { until: NaN, owner: '' };
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
 * A record with the fields that the core does not know.
 *
 * @param {object} record
 * @param {string} unknown
 */
export function withUnknown(record, unknown) {
  return { ...JSON.parse(unknown), ...record };
}
