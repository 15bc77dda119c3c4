/** @import { LastReply, Meta } from '../types.js' */
import { QUEUE_FIELDS } from '../hosts/shared/queue-fields.js';

// What a queue keeps in a meta record crosses the boundary as one list of numbers and one of texts, as
// src/wasm/packed_fields.rs reads and writes them: structured values made what a browser downloads 2 KiB larger.

/** In the place of a number that is not there, or is null: no record has these, whoever wrote it. */
const [MISSING, NULL] = [-Infinity, Infinity];
const NOTICES = /** @type {const} */ (['open', 'confirmed', 'void']);

/**
 * @typedef {object} Packed
 * @property {Float64Array} [queueNumbers] empty if something is not as it must be
 * @property {string[]} [queueTexts] of the replies
 */

/** @type {Packed} */
const BAD = { queueNumbers: new Float64Array() };

/**
 * The fields of a record, or of a change; nothing if there are none.
 *
 * @param {any} record an inert copy
 * @returns {Packed}
 */
export function packed(record) {
  if (QUEUE_FIELDS.every((name) => record[name] === undefined)) return {};
  const { firstAttempt = NaN, expires = NaN, scheduled = MISSING, untold = MISSING, notice, failed, replies } = record;
  /** @type {string[]} */
  const queueTexts = [];
  const numbers = [firstAttempt, expires, scheduled, untold ?? NULL, notice === undefined ? MISSING : NOTICES.indexOf(notice)];
  if (notice !== undefined && !NOTICES.includes(notice)) return BAD;
  for (const list of [failed, replies]) {
    if (list !== undefined && !Array.isArray(list)) return BAD;
    numbers.push(list ? list.length : MISSING);
    for (const entry of list ?? []) {
      if (!Array.isArray(entry?.indexes)) return BAD;
      numbers.push(list === replies ? entry.reply?.code : entry.attempt, entry.indexes.length);
      for (const index of entry.indexes) numbers.push(index);
      if (list !== replies) continue;
      const { message = '' } = entry.reply ?? {};
      if (typeof message !== 'string') return BAD;
      queueTexts.push(message);
    }
  }
  // What is no number becomes NaN, which the core refuses.
  return { queueNumbers: Float64Array.from(numbers, (number) => (typeof number === 'number' ? number : NaN)), queueTexts };
}

/**
 * The fields as a record has them.
 *
 * @param {Float64Array} numbers
 * @param {string[]} texts
 * @returns {Partial<Meta>}
 */
export function unpacked(numbers, texts) {
  /** @type {Partial<Meta>} */
  const fields = {};
  let at = 0;
  const next = () => numbers[at++];
  const list = () => Array.from({ length: next() }, () => {
    const [number, count] = [next(), next()];
    return { number, indexes: Array.from({ length: count }, next) };
  });
  const [firstAttempt, expires, scheduled, untold, notice] = Array.from({ length: 5 }, next);
  const failed = list().map(({ number, indexes }) => ({ attempt: number, indexes }));
  /** @type {LastReply[]} */
  const replies = list().map(({ number, indexes }, i) => ({ reply: { code: number, message: texts[i] }, indexes }));
  if (failed.length > 0) fields.failed = failed;
  if (!Number.isNaN(firstAttempt)) fields.firstAttempt = firstAttempt;
  if (!Number.isNaN(expires)) fields.expires = expires;
  if (scheduled > 0) fields.scheduled = scheduled;
  if (untold >= 0) fields.untold = untold;
  if (notice >= 0) fields.notice = NOTICES[notice];
  if (replies.length > 0) fields.replies = replies;
  return fields;
}
