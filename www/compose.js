/** @import { Envelope } from 'slimta-queue-dict' */
/** @import { Origin } from './mail.js' */
import { readEnvelope } from './mail.js';

/**
 * A message that somebody writes. Addresses are as in a header: `Ana Lopes <ana@example.org>`.
 *
 * @typedef {object} Draft
 * @property {string} from
 * @property {string[]} to
 * @property {string[]} [cc]
 * @property {string[]} [bcc]
 * @property {string} subject
 * @property {string} text
 * @property {File[]} [files]
 */

/**
 * Makes an envelope of a draft.
 *
 * @param {Draft} draft
 * @returns {Promise<Envelope & { origin: Origin }>}
 */
export async function compose({ from, to, cc = [], bcc = [], subject, text, files = [] }) {
  const people = [['From', [from]], ['To', to], ['Cc', cc], ['Bcc', bcc]];
  const head = [
    ...people.filter(([, list]) => list.length > 0).map(([name, list]) => `${name}: ${/** @type {string[]} */ (list).map(mailbox).join(',\r\n ')}`),
    `Subject: ${words(subject)}`,
    'MIME-Version: 1.0',
  ];
  const body = part('text/plain; charset=utf-8', new TextEncoder().encode(text.replace(/\r?\n/g, '\r\n')));
  const boundary = `=_${crypto.randomUUID()}`;
  const attached = await Promise.all(files.map(async (file) => part(
    typeOf(file), new Uint8Array(await file.arrayBuffer()),
    `Content-Disposition: attachment; filename*=utf-8''${nameOf(file)}\r\n`)));
  const whole = files.length === 0 ? body : [
    `Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n`,
    ...[body, ...attached].map((each) => `--${boundary}\r\n${each}\r\n`), `--${boundary}--\r\n`,
  ].join('');
  return readEnvelope(new TextEncoder().encode(`${head.join('\r\n')}\r\n${whole}`), `${subject || 'mail'}.eml`);
}

/** A message may not be encoded (RFC 2046, section 5.2.1): an attached one goes as bytes. @param {File} file */
const typeOf = ({ type }) => (/^[\w.+-]+\/[\w.+-]+$/.test(type) && !type.startsWith('message/') ? type : 'application/octet-stream');

/** The name of a file as RFC 8187 has it, which leaves fewer letters alone than addresses of pages do. @param {File} file */
const nameOf = ({ name }) => encodeURIComponent(name).replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`);

/**
 * @param {string} type
 * @param {Uint8Array} bytes
 * @param {string} [more] headers
 */
function part(type, bytes, more = '') {
  const lines = base64(bytes).match(/.{1,76}/g) ?? [];
  return `Content-Type: ${type}\r\n${more}Content-Transfer-Encoding: base64\r\n\r\n${lines.join('\r\n')}\r\n`;
}

/**
 * A name in an address is encoded where it is beyond ASCII, the address never.
 *
 * @param {string} text
 */
function mailbox(text) {
  const [, name = '', address = text] = /^(.*?)\s*<([^<>]*)>\s*$/.exec(text) ?? [];
  const bare = name.replace(/^"(.*)"$/, '$1');
  if (!bare) return address.trim();
  return `${/^[\x20-\x7e]*$/.test(bare) ? `"${bare.replace(/["\\]/g, '\\$&')}"` : words(bare)} <${address}>`;
}

/**
 * Encoded words of RFC 2047 where a text is beyond ASCII.
 *
 * @param {string} text
 */
function words(text) {
  const clean = text.replace(/[\r\n\0]+/g, ' ');
  if (/^[\x20-\x7e]*$/.test(clean)) return clean;
  // At most 75 letters a word, and no letter in two of them.
  const chunks = [''];
  for (const letter of clean) {
    const longer = chunks[chunks.length - 1] + letter;
    if (new TextEncoder().encode(longer).length > 42) chunks.push(letter);
    else chunks[chunks.length - 1] = longer;
  }
  return chunks.map((chunk) => `=?utf-8?B?${base64(new TextEncoder().encode(chunk))}?=`).join('\r\n ');
}

/** @param {Uint8Array} bytes */
function base64(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
