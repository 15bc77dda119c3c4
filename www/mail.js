/** @import { Envelope } from 'slimta-queue-dict' */
/** @import { Attachment } from 'postal-mime' */
/** @import { Mailbox } from './addresses.js' */
/** @import { Header } from './eml.js' */
import PostalMime, { decodeWords } from 'postal-mime';
import { parseAddresses } from './addresses.js';
import { EmlError, headerValue, headerValues, joinEml, splitEml, splitMbox } from './eml.js';

/** Says which message it is on its way. */
export const KEY_HEADER = 'X-Outbox-Key';

/**
 * What this page keeps in an envelope beside the usual fields. The storage carries it along and leaves it alone.
 *
 * @typedef {object} Origin
 * @property {string} [key] the id that the message was queued under first
 * @property {string} file the name of the file
 * @property {number} size of the file in bytes
 * @property {string[]} recipients all of them: `get` leaves out those who are served
 */

/**
 * @typedef {object} Body
 * @property {string} text
 * @property {Attachment[]} attachments
 */

/**
 * Makes an envelope of each message in a file: an mbox file may have several.
 *
 * @param {Uint8Array} bytes
 * @param {string} file
 * @returns {(Envelope & { origin: Origin })[]}
 * @throws {EmlError} if any of them is no message, or cannot be sent: then none is to be queued
 */
export function readFile(bytes, file) {
  const messages = splitMbox(bytes);
  return messages.map((message, place) => {
    try {
      return readEnvelope(message, file);
    } catch (error) {
      if (messages.length > 1 && error instanceof EmlError) error.message = `has a message (the ${place + 1}. of ${messages.length}) that ${error.message}`;
      throw error;
    }
  });
}

/**
 * Makes an envelope of the bytes of a message.
 *
 * @param {Uint8Array} bytes
 * @param {string} file
 * @returns {Envelope & { origin: Origin }}
 * @throws {EmlError} for what is no message, and for a message to nobody
 */
export function readEnvelope(bytes, file) {
  const { headers, message } = splitEml(bytes);
  const recipients = recipientsOf(headers);
  if (recipients.length === 0) throw new EmlError('names no recipient in To, Cc, Bcc or Delivered-To');
  return {
    sender: senderOf(headers),
    recipients,
    // Who got a blind copy is for the envelope only.
    headers: headers.filter(([name]) => !/^(resent-)?bcc\s*$/i.test(name)),
    message,
    timestamp: Date.now(),
    origin: { file, size: bytes.length, recipients },
  };
}

/**
 * Makes a message ready to be queued: an id, which the envelope keeps whatever id it is retried under, and a header that
 * says it to whoever counts what arrives.
 *
 * @param {Envelope & { origin: Origin }} envelope
 * @param {string} [id]
 * @returns {{ id: string, envelope: Envelope & { origin: Origin } }}
 */
export function named(envelope, id = newId()) {
  const headers = (envelope.headers ?? []).filter(([name]) => name.toLowerCase() !== KEY_HEADER.toLowerCase());
  return { id, envelope: { ...envelope, headers: [...headers, [KEY_HEADER, id]], origin: { ...envelope.origin, key: id } } };
}

export const newId = () => crypto.randomUUID().replaceAll('-', '');

/**
 * The subject as people read it.
 *
 * @param {Header[]} headers
 */
export function subjectOf(headers) {
  return decodeWords(headerValue(headers, 'Subject') ?? '').trim();
}

/**
 * @param {Header[]} headers
 * @returns {Mailbox | undefined}
 */
export function authorOf(headers) {
  return mailboxes(headers, 'From')[0] ?? mailboxes(headers, 'Sender')[0];
}

/**
 * The display names that the headers give to addresses.
 *
 * @param {Header[]} headers
 * @returns {Map<string, string>}
 */
export function namesIn(headers) {
  const boxes = ['To', 'Cc', 'From'].flatMap((name) => mailboxes(headers, name));
  return new Map(boxes.filter(({ name }) => name).map(({ address, name }) => [address.toLowerCase(), name]));
}

/**
 * @param {Envelope} envelope
 * @returns {Origin | undefined} nothing for a message that another program has queued
 */
export function originOf(envelope) {
  const origin = /** @type {Partial<Origin> | undefined} */ (envelope.origin);
  return Array.isArray(origin?.recipients) ? /** @type {Origin} */ (origin) : undefined;
}

/**
 * The readable text of a message, and its attachments.
 *
 * @param {Envelope} envelope
 * @returns {Promise<Body>}
 */
export async function readBody({ headers = [], message = '' }) {
  const { text, html, attachments } = await PostalMime.parse(joinEml(headers, message));
  return { text: text?.trim() || textOf(html ?? ''), attachments };
}

/** @param {Header[]} headers */
function senderOf(headers) {
  const path = headerValue(headers, 'Return-Path');
  if (path !== undefined && /^<\s*>$/.test(path)) return '';
  const [returnTo] = mailboxes(headers, 'Return-Path');
  return (returnTo ?? authorOf(headers))?.address ?? '';
}

/** @param {Header[]} headers */
function recipientsOf(headers) {
  const named = ['To', 'Cc', 'Bcc'].flatMap((name) => strictMailboxes(headers, name));
  const boxes = named.length > 0 ? named : mailboxes(headers, 'Delivered-To');
  // Nobody wants a letter twice for being in To and in Cc.
  /** @type {Map<string, string>} */
  const once = new Map();
  for (const { address } of boxes) {
    if (!once.has(address.toLowerCase())) once.set(address.toLowerCase(), address);
  }
  return [...once.values()];
}

/**
 * @param {Header[]} headers
 * @param {string} name
 * @returns {Mailbox[]} none where they cannot be read
 */
function mailboxes(headers, name) {
  try {
    return strictMailboxes(headers, name);
  } catch {
    return [];
  }
}

/**
 * @param {Header[]} headers
 * @param {string} name
 * @returns {Mailbox[]}
 * @throws {EmlError}
 */
function strictMailboxes(headers, name) {
  try {
    return headerValues(headers, name).flatMap(parseAddresses)
      .map(({ name: called, address }) => ({ name: decodeWords(called), address }));
  } catch (error) {
    throw new EmlError(`cannot be sent: in ${name}, ${error instanceof Error ? error.message : error}`);
  }
}

/**
 * The text of an HTML message. The document that it is parsed into is inert: nothing is run or loaded.
 *
 * @param {string} html
 */
function textOf(html) {
  // Styles would be refused by the page's security policy, each with a line in the console; no attribute is needed.
  const bare = html.replace(/<(\/?)([a-z][a-z0-9]*)[^<>]*>/gi, (_, slash, tag) =>
    `<${slash}${tag.toLowerCase() === 'style' ? 'x-style' : tag}>`);
  const { body } = new DOMParser().parseFromString(bare, 'text/html');
  for (const hidden of body.querySelectorAll('x-style, script, template, title')) hidden.remove();
  for (const gap of body.querySelectorAll('br, p, div, tr, li, h1, h2, h3, h4, table, ul, ol')) gap.append('\n');
  for (const cell of body.querySelectorAll('td, th')) cell.append(' ');
  return (body.textContent ?? '').replace(/[ \t\u00a0]+/g, ' ').replace(/ ?\n ?/g, '\n').replace(/\n{3,}/g, '\n\n').trim();
}
