/** What has to have come of two versions of the package at work on one storage. */
import assert from 'node:assert/strict';
import { MESSAGES, REPLIES, UNKNOWN, messageOf } from './versions.js';

const VERSIONS = ['old', 'new'];
const NOTHING = { size: 0, metaSize: 0 };

/**
 * Everybody was delivered to once, or refused once, each sender was told once, and both versions had their part in it.
 *
 * @param {{ done: Record<string, [string, string][]>, errors: Record<string, string[]>, findings: unknown }} worked
 */
export function judgeWork({ done, errors, findings }) {
  const all = Object.values(done).flat();
  const expected = [];
  const byBoth = [];
  for (const version of VERSIONS) {
    for (let i = 0; i < MESSAGES; i++) {
      const { sender, recipients } = messageOf(version, i);
      const refused = recipients.filter((to) => to.startsWith('no.'));
      expected.push(...recipients.map((to) => `${refused.includes(to) ? 'refused' : 'delivered'} ${to}`));
      if (refused.length > 0) expected.push(`delivered ${sender}`);
      const has = (by) => done[by].some(([said, to]) => said === 'delivered' && recipients.includes(to));
      if (VERSIONS.every(has)) byBoth.push(sender);
    }
  }
  const ends = all.filter(([said]) => said !== 'deferred').map((end) => end.join(' '));
  assert.deepEqual(ends.sort(), expected.sort());
  assert.ok(byBoth.length > 5, `${byBoth.length} messages were marked by both`);
  for (const version of VERSIONS) assert.ok(done[version].some(([said]) => said === 'refused'), version);
  assert.deepEqual([errors.new, findings], [[], { orphanEnvelopes: [], orphanMeta: [], corrupt: [] }]);
  // It says `corrupt` of a record that has become a newer one since it has read it; both are left alone.
  for (const error of errors.old) assert.match(error, /^(newer-format|corrupt): /);
}

/**
 * The new version keeps what nobody knows. The old one would drop it, and so it leaves alone what the new one has deferred.
 *
 * @param {{ records: any[], extra: unknown, left: unknown }} facts
 */
export function judgeTurns({ records, extra, left }) {
  const [first, second, third] = records.map(({ timestamp, id, ...record }) => record); // IndexedDB keeps the id there
  const replies = [{ reply: REPLIES.deferred, indexes: [1, 2, 3] }];
  assert.deepEqual(first, { ...UNKNOWN, attempts: 1, deliveredIndexes: [0], firstAttempt: 5, scheduled: 3, replies, format: 2 });
  assert.deepEqual(second, first);
  const last = [{ reply: REPLIES.deferred, indexes: [2, 3] }];
  assert.deepEqual(third, { ...first, attempts: 2, deliveredIndexes: [0, 1], replies: last });
  assert.deepEqual([extra, left], [[5, 'five'], NOTHING]);
}

/**
 * The old version leaves alone what nobody was told of yet, and says why; the new one tells of it once.
 *
 * @param {{ codes: string[], attempts: number, told: string[], done: string[], left: unknown }} facts
 */
export function judgeMeeting({ codes, attempts, told, done, left }) {
  assert.deepEqual(codes, Array(5).fill('newer-format'));
  assert.deepEqual([attempts, told, done], [0, ['me@example.org'], ['refused', 'delivered']]);
  assert.deepEqual(left, NOTHING);
}
