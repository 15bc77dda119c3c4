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
 * @returns {ReadMeta}
 */
export function readMeta(record) {
  const { timestamp, attempts, deliveredIndexes, lease, format } = record;
  const meta = {
    /** @type {number} */
    status: typeof timestamp === 'number' && typeof attempts === 'number' ? DONE : STRANGE,
    timestamp: typeof timestamp === 'number' ? timestamp : NaN,
    attempts: typeof attempts === 'number' ? attempts : NaN,
    format: typeof format === 'number' ? format : 0,
    until: 0,
    /** @type {string | undefined} */
    owner: undefined,
    /** @type {number[]} */
    delivered: NONE,
  };
  if (deliveredIndexes === undefined && lease === undefined && format === undefined) return meta;
  let good = meta.status === DONE;
  if (deliveredIndexes !== undefined) {
    good &&= Array.isArray(deliveredIndexes);
    if (good) {
      meta.delivered = deliveredIndexes.slice();
      good = meta.delivered.every((index) => typeof index === 'number');
    }
  }
  if (lease !== undefined && good) {
    good = typeof lease === 'object' && lease !== null;
    if (good) {
      const { until, owner } = lease;
      good = typeof until === 'number' && typeof owner === 'string';
      if (good) [meta.until, meta.owner] = [until, owner];
    }
  }
  meta.status = good ? DONE_WITH_MORE : STRANGE;
  return meta;
}

/** @type {number[]} */
const NONE = [];
