/** @import { Envelope, Reply } from 'slimta-queue-dict' */
import { authorOf, namesIn, originOf, subjectOf } from './mail.js';

/**
 * What is known of one recipient. Nobody is `delivered` without a reply of 2xx; `unseen` is somebody whose outcome no
 * page of this browser has heard of.
 *
 * @typedef {'waiting' | 'trying' | 'deferred' | 'delivered' | 'failed' | 'cancelled' | 'unseen'} State
 *
 * @typedef {object} Recipient
 * @property {string} address
 * @property {string} name
 * @property {State} state
 * @property {string} reply what the other side said last: `250 2.0.0 Ok`
 *
 * @typedef {object} Who
 * @property {'tab' | 'worker' | 'service worker'} kind
 * @property {string} name of one tab, worker or service worker
 *
 * @typedef {object} Happening
 * @property {'queued' | 'attempt' | 'delivered' | 'deferred' | 'failed' | 'removed' | 'retried' | 'cancelled' | 'error'} type
 * @property {number} time
 * @property {Who} who
 * @property {string} id of the message in the queue
 * @property {number} attempts
 * @property {string[]} recipients whom it is about
 * @property {string[]} replies to each of them
 * @property {number} [due] when the next attempt is
 * @property {string} [text] of an error
 *
 * @typedef {object} Record
 * @property {string} key the message's id when it was queued first
 * @property {string[]} ids all that it has had
 * @property {string} subject
 * @property {string} author who wrote it, as people read it
 * @property {string} sender
 * @property {number} size
 * @property {number} created
 * @property {number} due
 * @property {number} attempts
 * @property {number} changed when the last happening was
 * @property {Who} [sending] who tries to deliver it
 * @property {Recipient[]} recipients
 * @property {Happening[]} happenings
 */

/** How many happenings of one message are kept. */
const KEPT = 200;

/**
 * The record of a message that nothing is known of but its envelope.
 *
 * @param {string} id
 * @param {Envelope} envelope
 * @param {{ time?: number, due?: number }} [times]
 * @returns {Record}
 */
export function newRecord(id, envelope, { time = Date.now(), due = time } = {}) {
  const { headers = [], message = '' } = envelope;
  const origin = originOf(envelope);
  const names = namesIn(headers);
  const author = authorOf(headers);
  const left = new Set(envelope.recipients);
  return {
    key: keyOf(id, envelope),
    ids: [id],
    subject: subjectOf(headers),
    author: author?.name || author?.address || '',
    sender: envelope.sender ?? '',
    size: origin?.size ?? message.length,
    created: envelope.timestamp ?? time,
    due,
    attempts: 0,
    changed: time,
    recipients: [...new Set(origin?.recipients ?? envelope.recipients)].map((address) => ({
      address, name: names.get(address.toLowerCase()) ?? '', state: left.has(address) ? 'waiting' : 'unseen', reply: '',
    })),
    happenings: [],
  };
}

/**
 * A message that was given up and retried may have another id than before; its key stays.
 *
 * @param {string} id
 * @param {Envelope} envelope
 */
export const keyOf = (id, envelope) => originOf(envelope)?.key ?? id;

/** @param {Reply | undefined} reply */
export const replyText = (reply) => (reply ? `${reply.code} ${reply.message}` : '');

/** @param {State} state */
export const isOpen = (state) => state === 'waiting' || state === 'trying' || state === 'deferred';

/**
 * A record as it is after something has happened.
 *
 * @param {Record} record
 * @param {Happening} happening
 * @returns {Record}
 */
export function after(record, happening) {
  const { type, time, who, id, attempts, due } = happening;
  const next = {
    ...record,
    ids: record.ids.includes(id) ? record.ids : [...record.ids, id],
    attempts: Math.max(record.attempts, attempts),
    changed: time,
    due: due ?? record.due,
    sending: type === 'attempt' ? who : type === 'error' ? record.sending : undefined,
    recipients: recipientsAfter(record.recipients, happening),
    happenings: [...record.happenings, happening].slice(-KEPT),
  };
  // Of one attempt some may be told of before the others.
  if (type !== 'attempt' && next.recipients.some(({ state }) => state === 'trying')) next.sending = record.sending;
  return next;
}

/**
 * Recipients as they are after something has happened.
 *
 * @param {Recipient[]} recipients
 * @param {Happening} happening
 */
export function recipientsAfter(recipients, { type, recipients: addresses, replies }) {
  const about = new Map(addresses.map((address, position) => [address, replies[position] ?? '']));
  return recipients.map((recipient) => become(recipient, type, about));
}

/**
 * @param {Recipient} recipient
 * @param {Happening['type']} type
 * @param {Map<string, string>} about
 * @returns {Recipient}
 */
function become(recipient, type, about) {
  if (type === 'error' || type === 'queued') return recipient;
  if (type === 'removed') return isOpen(recipient.state) ? { ...recipient, state: 'unseen' } : recipient;
  const reply = about.get(recipient.address);
  if (reply === undefined) return recipient;
  if (type === 'attempt') return { ...recipient, state: 'trying' };
  if (type === 'cancelled') return { ...recipient, state: 'cancelled' };
  if (type === 'retried') return { ...recipient, state: 'waiting' };
  if (type === 'delivered' && !reply.startsWith('2')) return { ...recipient, state: 'unseen', reply };
  return { ...recipient, state: type, reply };
}
