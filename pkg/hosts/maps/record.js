/** The fields of a meta record that most have. */
const KNOWN = new Set(['timestamp', 'attempts', 'format', 'deliveredIndexes', 'lease']);

/**
 * What a record says now: the dictionary's own object may be changed by its owner.
 *
 * @param {any} record
 */
export function snapshot(record) {
  if (typeof record !== 'object' || record === null) return record;
  const { timestamp, attempts, format, deliveredIndexes, lease } = record;
  const known = {
    timestamp, attempts, format,
    deliveredIndexes: Array.isArray(deliveredIndexes) ? deliveredIndexes.slice() : deliveredIndexes,
    lease: typeof lease === 'object' && lease !== null ? { until: lease.until, owner: lease.owner } : lease,
  };
  // Most records have no other fields, and a spread takes many times as long.
  return Object.keys(record).every((key) => KNOWN.has(key)) ? known : { ...record, ...known };
}
