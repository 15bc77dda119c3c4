import { DONE, DONE_WITH_MORE, STRANGE } from './status.js';

/**
 * What a meta record says, each field read once; nothing is judged but its form.
 *
 * @typedef {object} ReadMeta
 * @property {number} status
 * @property {number} timestamp
 * @property {number} attempts
 * @property {number} format 0 if there is none
 * @property {number} until of its lease
 * @property {string | undefined} owner of its lease
 * @property {number[]} delivered
 */

/**
 * @param {any} record
 * @param {ReadMeta} [reused] for a record with a time and a number of attempts only
 * @returns {ReadMeta}
 */
export function readMeta(record, reused = plain()) {
  if (typeof record !== 'object' || record === null) return strange(NaN, NaN, 0);
  const { timestamp, attempts, deliveredIndexes, lease, format } = record;
  if (typeof timestamp !== 'number' || typeof attempts !== 'number') {
    return strange(NaN, NaN, typeof format === 'number' ? format : 0);
  }
  if (deliveredIndexes === undefined && lease === undefined && format === undefined) {
    reused.timestamp = timestamp;
    reused.attempts = attempts;
    return reused;
  }
  const meta = strange(timestamp, attempts, typeof format === 'number' ? format : 0);
  if (format !== undefined && !(typeof format === 'number' && format >= 0)) return meta;
  if (deliveredIndexes !== undefined) {
    if (!Array.isArray(deliveredIndexes)) return meta;
    meta.delivered = deliveredIndexes.slice();
    if (!meta.delivered.every((index) => typeof index === 'number')) return meta;
  }
  if (lease !== undefined) {
    if (typeof lease !== 'object' || lease === null) return meta;
    const { until, owner } = lease;
    if (typeof until !== 'number' || typeof owner !== 'string') return meta;
    meta.until = until;
    meta.owner = owner;
  }
  meta.status = DONE_WITH_MORE;
  return meta;
}

/** @type {number[]} */
const NONE = [];

/**
 * @param {number} timestamp
 * @param {number} attempts
 * @param {number} format
 * @returns {ReadMeta}
 */
function strange(timestamp, attempts, format) {
  return { status: STRANGE, timestamp, attempts, format, until: 0, owner: undefined, delivered: NONE };
}

/** @returns {ReadMeta} */
export function plain() {
  return { status: DONE, timestamp: NaN, attempts: NaN, format: 0, until: 0, owner: undefined, delivered: NONE };
}
