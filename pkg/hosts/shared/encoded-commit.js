/** @import { Check } from '../../types.js' */
import { encodeVersion, sameBytes } from './codec.js';

/** @typedef {Map<string, Uint8Array | undefined>} Values to put by key; to delete where there is none */

/**
 * A commit in an engine that keeps bytes by keys, `<dict>:<id>` those of the records.
 *
 * @typedef {object} EncodedCommit
 * @property {string} id
 * @property {{ key: string, version: Uint8Array | null }[]} checks
 * @property {Values} values
 * @property {number} bytes
 */

/**
 * @param {string} id
 * @param {Check[]} checks
 * @param {Values} values
 * @returns {EncodedCommit}
 */
export function encodedCommit(id, checks, values) {
  let bytes = 0;
  for (const value of values.values()) bytes += value?.length ?? 0;
  return { id, checks: checks.map(encodeCheck), values, bytes };
}

/** @param {Check} check */
function encodeCheck({ dict, id, version }) {
  return { key: `${dict}:${id}`, version: version === null ? null : encodeVersion(version) };
}

/**
 * The keys of the records that some commits check.
 *
 * @param {EncodedCommit[]} commits
 */
export function checkedKeys(commits) {
  return [...new Set(commits.flatMap(({ checks }) => checks.map(({ key }) => key)))];
}

/**
 * Those of some commits whose checks hold, as if they were made one after the other.
 *
 * @template {EncodedCommit} T
 * @param {T[]} commits
 * @param {Values} now what stands at the keys that are checked; afterwards, what the commits make of it
 * @returns {Generator<T>} gives each before it changes `now`
 */
export function* holding(commits, now) {
  for (const commit of commits) {
    const holds = commit.checks.every(({ key, version }) => {
      const record = now.get(key);
      return version === null ? record === undefined : record !== undefined && sameBytes(record, version);
    });
    if (!holds) continue;
    yield commit;
    for (const [key, value] of commit.values) now.set(key, value);
  }
}
