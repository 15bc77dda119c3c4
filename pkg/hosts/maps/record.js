/** What two Maps have of a meta record: a copy of it now, and whether it has changed since. */
import { QUEUE_FIELDS } from '../shared/queue-fields.js';

/**
 * Whether a meta record says what another one said, whatever else a host keeps in it.
 *
 * @param {any} one
 * @param {any} other
 * @returns {boolean}
 */
export function sameMeta(one, other) {
  if (one === other) return true;
  if (!isObject(one) || !isObject(other)) return Object.is(one, other);
  return same(one.timestamp, other.timestamp) && same(one.attempts, other.attempts) &&
    same(one.deliveredIndexes, other.deliveredIndexes) && same(one.lease, other.lease) &&
    same(one.format, other.format) && QUEUE_FIELDS.every((key) => same(one[key], other[key]));
}

/**
 * Garbage is compared too, so that it can be replaced by a commit that has seen it.
 *
 * @param {any} one
 * @param {any} other
 * @param {number} [depth]
 * @returns {boolean}
 */
function same(one, other, depth = 0) {
  if (Object.is(one, other)) return true;
  if (!isObject(one) || !isObject(other) || depth > 3) return false;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => same(one[key], other[key], depth + 1));
}

/** @param {any} value */
function isObject(value) {
  return typeof value === 'object' && value !== null;
}

/** The fields of a meta record that this version knows. */
const KNOWN = new Set(['timestamp', 'attempts', 'format', 'deliveredIndexes', 'lease']);

/**
 * What a record says now: the dictionary's own object may be changed by its owner.
 *
 * @param {any} record
 */
export function snapshot(record) {
  if (!isObject(record)) return record;
  const { timestamp, attempts, format, deliveredIndexes, lease } = record;
  const known = {
    timestamp, attempts, format,
    deliveredIndexes: Array.isArray(deliveredIndexes) ? deliveredIndexes.slice() : deliveredIndexes,
    lease: isObject(lease) ? { until: lease.until, owner: lease.owner } : lease,
  };
  // Most records have no other fields, and a spread takes many times as long.
  return Object.keys(record).every((key) => KNOWN.has(key)) ? known : { ...record, ...known };
}
