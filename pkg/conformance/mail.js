/** @import { Envelope, Meta } from '../types.js' */

/**
 * An ordinary message to three people.
 *
 * @param {Record<string, unknown>} [more] other fields, or others of these
 * @returns {Envelope}
 */
export function envelope(more = {}) {
  return {
    sender: 'from@example.com',
    recipients: ['a@example.com', 'b@example.com', 'c@example.com'],
    headers: [['From', 'from@example.com'], ['Subject', 'Hello']],
    message: new TextEncoder().encode('Hello there.\r\n'),
    ...more,
  };
}

/**
 * An id for a number. Neighbours differ in their first digits, as ids that are generated do.
 *
 * @param {number} number
 */
export function idOf(number) {
  const spread = ((number * 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
  return `${spread}${number.toString(16).padStart(24, '0')}`;
}

/**
 * @param {number} timestamp
 * @param {Partial<Meta>} [more]
 * @returns {Meta}
 */
export function meta(timestamp, more = {}) {
  return { timestamp, attempts: 0, ...more };
}

/**
 * The batch of a new message.
 *
 * @param {string} id
 * @param {number} number goes into both records
 */
export function newMessage(id, number) {
  return {
    checks: [{ dict: /** @type {const} */ ('envelope'), id, version: null }],
    writes: [
      { dict: /** @type {const} */ ('envelope'), id, value: envelope({ number }) },
      { dict: /** @type {const} */ ('meta'), id, value: meta(number) },
    ],
  };
}

/**
 * The batch that changes a meta record.
 *
 * @param {string} id
 * @param {unknown} version
 * @param {unknown} value
 */
export function newMeta(id, version, value) {
  return {
    checks: [{ dict: /** @type {const} */ ('meta'), id, version }],
    writes: [{ dict: /** @type {const} */ ('meta'), id, value }],
  };
}

/**
 * A deletion of both records, or of some.
 *
 * @param {string} id
 * @param {('envelope' | 'meta')[]} [dicts]
 */
export function removal(id, dicts = ['meta', 'envelope']) {
  return { checks: [], writes: dicts.map((dict) => ({ dict, id })) };
}

/**
 * Everything that a storage lists, by id.
 *
 * @param {{ load(): AsyncIterable<[timestamp: number, id: string]> }} storage
 * @returns {Promise<[timestamp: number, id: string][]>}
 */
export async function listed(storage) {
  const all = [];
  for await (const entry of storage.load()) all.push(entry);
  return all.sort(([, one], [, other]) => (one < other ? -1 : 1));
}

/**
 * Calls something for 0, 1, 2 …, some of them at once.
 *
 * @param {number} times
 * @param {number} atOnce
 * @param {(index: number) => Promise<unknown>} call
 */
export async function repeat(times, atOnce, call) {
  for (let first = 0; first < times; first += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, times - first) }, (_, i) => call(first + i)));
  }
}

/** Lets whatever else waits go on: where reads never leave the program, a loop of them would hold everything up. */
export function pause() {
  return new Promise((resolve) => setTimeout(resolve));
}
