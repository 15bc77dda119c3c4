/** @import { Envelope } from '../types.js' */
import { outOfRange, refused } from '../errors.js';
import { copyBytes, copyFields, copyValue, isWellFormed, putField } from './copy.js';

// Inert copies of envelopes, and what src/wasm/envelope.rs reads of them. The core holds an envelope as a handle.

const WELL_FORMED = 'text without lone surrogates';
const FIELDS = ['sender', 'recipients', 'headers', 'message', 'client', 'receiver', 'timestamp'];
const CLIENT_FIELDS = ['ip', 'host', 'name', 'protocol', 'auth'];

/**
 * A copy of what a caller passed in, which shares nothing with it. Each value is read once, since reading may run the
 * caller's code; what that throws passes through.
 *
 * @param {any} value
 * @returns {Envelope}
 */
export function copyEnvelope(value) {
  return clone(value, false);
}

/**
 * Copies of what was made of one message. A body that several of a list share is copied once: a message to thousands of
 * people would fill the memory otherwise. Who makes them one by one may use the same bytes for the next one.
 *
 * @param {Iterable<any>} values
 * @returns {Envelope[]}
 */
export function copyEnvelopes(values) {
  const bodies = Array.isArray(values) ? new Map() : undefined;
  return Array.from(values, (value) => clone(value, false, bodies));
}

/**
 * A copy of an inert copy, for foreign code that may change its own.
 *
 * @param {Envelope} envelope
 * @returns {Envelope}
 */
export function copyForeign(envelope) {
  return clone(envelope, true);
}

/**
 * A copy of what stands in a dictionary; `undefined` if that is no envelope.
 *
 * @param {any} value
 * @returns {Envelope | undefined}
 */
function copyStored(value) {
  try {
    return clone(value, true);
  } catch {
    return undefined; // what was thrown is of no use to a reader of the queue
  }
}

/**
 * How many recipients a stored envelope has; -1 if it is none.
 *
 * @param {any} envelope
 * @returns {number}
 */
export function countRecipients(envelope) {
  try {
    const recipients = typeof envelope === 'object' ? envelope.recipients : undefined;
    return Array.isArray(recipients) ? recipients.length : -1;
  } catch {
    return -1;
  }
}

/**
 * @param {any} value
 * @param {boolean} stored whether its text was looked through before it was stored
 * @param {Map<unknown, Envelope['message']>} [bodies] copies of bodies that may be shared
 * @returns {Envelope}
 */
function clone(value, stored, bodies) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refused('envelope', 'an object', value);
  }
  const { sender, recipients, headers, message, client, receiver, timestamp } = value;
  /** @type {Envelope} */
  const copy = {
    sender: sender === null ? null : copyText(sender, 'sender', 'a string or null', stored),
    recipients: copyRecipients(recipients, stored),
  };
  if (headers !== undefined) copy.headers = copyHeaders(headers, stored);
  if (message !== undefined) {
    copy.message = bodies?.get(message) ?? copyMessage(message, stored);
    bodies?.set(message, copy.message);
  }
  if (client !== undefined) copy.client = copyClient(client, stored);
  if (receiver !== undefined) {
    copy.receiver = receiver === null ? null : copyText(receiver, 'receiver', 'a string or null', stored);
  }
  if (timestamp !== undefined) {
    if (timestamp !== null && typeof timestamp !== 'number') throw refused('timestamp', 'a number or null', timestamp);
    if (timestamp !== null && !Number.isFinite(timestamp)) {
      throw outOfRange('timestamp', 'a finite number', timestamp);
    }
    copy.timestamp = timestamp;
  }
  let extras;
  for (const key of Object.keys(value)) if (!FIELDS.includes(key)) (extras ??= []).push(key);
  return extras ? copyFields(copy, value, extras, '', stored, 0) : copy;
}

/**
 * @param {any} value
 * @param {boolean} stored
 */
function copyRecipients(value, stored) {
  if (!Array.isArray(value)) throw refused('recipients', 'an array of strings', value);
  const { length } = value;
  const copy = [];
  for (let i = 0; i < length; i++) {
    copy.push(copyText(value[i], `recipients[${i}]`, 'a string', stored));
  }
  return copy;
}

/**
 * A copy of the headers of an envelope.
 *
 * @param {any} value
 * @param {boolean} stored whether its text was looked through before it was stored
 */
export function copyHeaders(value, stored) {
  if (!Array.isArray(value)) throw refused('headers', 'an array of [name, value] pairs', value);
  const { length } = value;
  /** @type {[string, string][]} */
  const copy = [];
  for (let i = 0; i < length; i++) {
    const pair = value[i];
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw refused(`headers[${i}]`, 'a pair of strings [name, value]', pair);
    }
    const [name, text] = [pair[0], pair[1]];
    copy.push([
      copyText(name, `headers[${i}][0]`, 'a string', stored), copyText(text, `headers[${i}][1]`, 'a string', stored),
    ]);
  }
  return copy;
}

/**
 * A copy of what follows the headers.
 *
 * @param {any} value
 * @param {boolean} stored whether its text was looked through before it was stored
 * @returns {Uint8Array<ArrayBuffer> | string}
 */
export function copyMessage(value, stored) {
  if (typeof value === 'string') return copyValue(value, 'message', stored, 0);
  return copyBytes(value, 'message', 'a Uint8Array or a string');
}

/**
 * @param {any} value
 * @param {boolean} stored
 */
function copyClient(value, stored) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused('client', 'an object', value);
  /** @type {any} */
  const copy = {};
  for (const key of CLIENT_FIELDS) {
    const field = value[key];
    if (field !== undefined) copy[key] = copyText(field, `client.${key}`, 'a string', stored);
  }
  for (const key of Object.keys(value)) {
    if (CLIENT_FIELDS.includes(key)) continue;
    const at = `client.${key}`;
    putField(copy, copyValue(key, at, stored, 1), copyValue(value[key], at, stored, 1));
  }
  return copy;
}

/**
 * @param {any} value
 * @param {string} path
 * @param {string} expected
 * @param {boolean} stored
 * @returns {string}
 */
function copyText(value, path, expected, stored) {
  if (typeof value !== 'string') throw refused(path, expected, value);
  if (!stored && !isWellFormed(value)) throw refused(path, WELL_FORMED, value);
  return value;
}

/**
 * The texts of a copied envelope that rules speak of: the sender unless it is null, the recipients, then name and value
 * of each header.
 *
 * @param {Envelope} envelope
 * @returns {string[]}
 */
export function texts({ sender, recipients, headers = [] }) {
  return [...(sender === null ? [] : [sender]), ...recipients, ...headers.flat()];
}

/**
 * Whether there is an address, be it empty, that bounces go to.
 *
 * @param {Envelope} envelope
 */
export function hasSender({ sender }) {
  return sender !== null;
}

/**
 * @param {Envelope} envelope a copy
 * @returns {string[]}
 */
export function headerNames({ headers = [] }) {
  return headers.map(([name]) => name);
}

/**
 * A copy of a stored envelope without some of its recipients; `undefined` if it is none.
 *
 * @param {unknown} stored
 * @param {Uint32Array} delivered positions, ascending
 * @returns {Envelope | undefined}
 */
export function without(stored, delivered) {
  const copy = copyStored(stored);
  if (copy && delivered.length > 0) {
    const gone = new Set(delivered);
    copy.recipients = copy.recipients.filter((_, index) => !gone.has(index));
  }
  return copy;
}

/**
 * An envelope with some of its recipients; the rest is shared.
 *
 * @param {Envelope} envelope a copy
 * @param {Uint32Array} places of these recipients, ascending
 * @returns {Envelope}
 */
export function withRecipients(envelope, places) {
  return { ...envelope, recipients: Array.from(places, (place) => envelope.recipients[place]) };
}

/**
 * An envelope from nobody.
 *
 * @param {Envelope} envelope a copy
 * @param {string | undefined} id of the message that it tells of, if it says so
 * @param {number} attempt
 * @returns {Envelope}
 */
export function asNotice(envelope, id, attempt) {
  const notice = asMessage({ ...envelope, sender: null });
  return id === undefined ? notice : { ...notice, noticeOf: { id, attempt } };
}

/**
 * An envelope that says of no other message that it tells of it.
 *
 * @param {Envelope} envelope a copy
 * @returns {Envelope}
 */
export function asMessage(envelope) {
  const { noticeOf: _, ...message } = envelope;
  return message;
}

/**
 * What an envelope tells of.
 *
 * @param {Envelope} envelope a copy
 * @returns {{ id: string, attempt: number } | undefined}
 */
export function noticeOf({ noticeOf: of }) {
  return typeof of?.id === 'string' && Number.isInteger(of.attempt) ? of : undefined;
}

/**
 * What a notification of a failure takes from an envelope.
 *
 * @param {Envelope} envelope a copy
 */
export function partsOf({ sender, recipients, headers = [], receiver = null }) {
  return { sender, recipients, names: headers.map(([name]) => name), values: headers.map(([, value]) => value), receiver };
}
