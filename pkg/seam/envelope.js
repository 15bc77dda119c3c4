/** @import { Envelope } from '../types.js' */
import { describe } from '../errors.js';
import { instance } from '../binding/instance.js';
import { Text } from './names.js';
import { copyBytes, copyFields, copyValue, isWellFormed, putField, refused } from './extras.js';

const encoder = new TextEncoder();
const scratch = new Uint8Array(1 << 14);
const WELL_FORMED = 'text without lone surrogates';

/**
 * A copy of what a caller passed in, which shares nothing with it. Each value is read once, since reading may run the
 * caller's code; what that throws passes through.
 *
 * @param {any} value
 * @returns {Envelope}
 */
export function copyEnvelope(value) {
  const copy = copyOf(value, false);
  checkTexts(copy);
  return copy;
}

/**
 * A copy of what stands in a dictionary; `undefined` if that is no envelope.
 *
 * @param {any} value
 * @returns {Envelope | undefined}
 */
export function copyStored(value) {
  try {
    return copyOf(value, true);
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
 * @returns {Envelope}
 */
function copyOf(value, stored) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refused('envelope', 'an object', value);
  }
  const { sender, recipients, headers, message, client, receiver, timestamp } = value;
  if (sender !== null && typeof sender !== 'string') throw refused('sender', 'a string or null', sender);
  /** @type {Envelope} */
  const copy = { sender, recipients: copyRecipients(recipients) };
  if (headers !== undefined) copy.headers = copyHeaders(headers);
  if (message !== undefined) copy.message = copyMessage(message, stored);
  if (client !== undefined) copy.client = copyClient(client, stored);
  if (receiver !== undefined) {
    if (receiver !== null && typeof receiver !== 'string') throw refused('receiver', 'a string or null', receiver);
    copy.receiver = copyValue(receiver, 'receiver', stored, 0);
  }
  if (timestamp !== undefined) {
    if (timestamp !== null && typeof timestamp !== 'number') throw refused('timestamp', 'a number or null', timestamp);
    if (timestamp !== null && !Number.isFinite(timestamp)) {
      throw new RangeError(`timestamp: expected a finite number, got ${describe(timestamp)}`);
    }
    copy.timestamp = timestamp;
  }
  let extras;
  for (const key of Object.keys(value)) if (!isField(key)) (extras ??= []).push(key);
  return extras ? copyFields(copy, value, extras, '', stored, 0) : copy;
}

/** @param {string} key */
function isField(key) {
  switch (key) {
    case 'sender': case 'recipients': case 'headers': case 'message': case 'client': case 'receiver': case 'timestamp':
      return true;
  }
  return false;
}

/** @param {string} key */
function isClientField(key) {
  switch (key) {
    case 'ip': case 'host': case 'name': case 'protocol': case 'auth':
      return true;
  }
  return false;
}

/** @param {any} value */
function copyRecipients(value) {
  if (!Array.isArray(value)) throw refused('recipients', 'an array of strings', value);
  const { length } = value;
  const copy = [];
  for (let i = 0; i < length; i++) {
    const recipient = value[i];
    if (typeof recipient !== 'string') throw refused(`recipients[${i}]`, 'a string', recipient);
    copy.push(recipient);
  }
  return copy;
}

/** @param {any} value */
function copyHeaders(value) {
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
    if (typeof name !== 'string') throw refused(`headers[${i}][0]`, 'a string', name);
    if (typeof text !== 'string') throw refused(`headers[${i}][1]`, 'a string', text);
    copy.push([name, text]);
  }
  return copy;
}

/**
 * @param {any} value
 * @param {boolean} stored
 */
function copyMessage(value, stored) {
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
  for (const key of Object.keys(value)) {
    const field = value[key];
    if (!isClientField(key)) {
      putField(copy, key, copyValue(field, `client.${key}`, stored, 1));
      continue;
    }
    if (field === undefined) continue;
    if (typeof field !== 'string') throw refused(`client.${key}`, 'a string', field);
    if (!stored && !isWellFormed(field)) throw refused(`client.${key}`, WELL_FORMED, field);
    switch (key) { // by its name each is quick to put
      case 'ip': copy.ip = field; break;
      case 'host': copy.host = field; break;
      case 'name': copy.name = field; break;
      case 'protocol': copy.protocol = field; break;
      default: copy.auth = field;
    }
  }
  return copy;
}

/**
 * Has the core judge the addresses and headers, all in one piece, and each if that is refused.
 *
 * @param {Envelope} envelope a copy
 */
function checkTexts({ sender, recipients, headers }) {
  const texts = recipients.slice();
  if (sender !== null) texts.push(sender);
  const addresses = texts.length;
  if (headers) for (let i = 0; i < headers.length; i++) texts.push(headers[i][0], headers[i][1]);
  if (texts.length === 0 || areAllowed(texts.join('\0'), addresses, texts.length)) return;
  if (sender !== null) checkText('sender', Text.Address, sender);
  recipients.forEach((recipient, i) => checkText(`recipients[${i}]`, Text.Address, recipient));
  headers?.forEach(([name, value], i) => {
    checkText(`headers[${i}][0]`, Text.HeaderName, name);
    checkText(`headers[${i}][1]`, Text.HeaderValue, value);
  });
}

/**
 * @param {string} joined
 * @param {number} addresses
 * @param {number} count
 */
function areAllowed(joined, addresses, count) {
  if (!isWellFormed(joined)) return false;
  if (joined.length > scratch.length / 3) return instance().glue.allows(encoder.encode(joined), addresses, count);
  const { written } = encoder.encodeInto(joined, scratch);
  return instance().glue.allows(scratch.subarray(0, written), addresses, count);
}

/**
 * @param {string} path
 * @param {0 | 1 | 2} kind
 * @param {string} text
 */
function checkText(path, kind, text) {
  if (!isWellFormed(text)) throw refused(path, WELL_FORMED, text);
  const good = kind === Text.Address ? areAllowed(text, 1, 1)
    : kind === Text.HeaderName ? areAllowed(`${text}\0`, 0, 2) : areAllowed(`x\0${text}`, 0, 2);
  if (!good) throw refused(path, instance().glue.expectation(kind), text);
}
