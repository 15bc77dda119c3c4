/** @import { Envelope } from '../types.js' */
import { copyHeaders, copyMessage } from '../binding/envelope.js';
import { refused } from '../errors.js';

const NAME = 'a header name: at least one character, no CR, LF, NUL or colon';
const VALUE = 'a header value without NUL, CR or LF, except where it is folded';

/**
 * The message of an envelope as it is handed over (RFC 5322, RFC 6532): the headers in UTF-8, each with CRLF and as it
 * was folded, an empty line, and what follows it as it is. What `formatMessage` makes and what it refuses, without the
 * wasm module, which a program with a relay alone has not loaded.
 *
 * @param {Pick<Envelope, 'headers' | 'message'>} envelope
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {TypeError} for a header that would not be one header, and for what is no text and no bytes
 */
export function toBytes({ headers = [], message = '' }) {
  const encoder = new TextEncoder();
  const head = encoder.encode(`${copyHeaders(headers, false).map(toLine).join('')}\r\n`);
  const copy = copyMessage(message, false);
  const body = typeof copy === 'string' ? encoder.encode(copy) : copy;
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/**
 * @param {[name: string, value: string]} header
 * @param {number} index
 */
function toLine([name, value], index) {
  if (/^$|[\r\n\0:]/.test(name)) throw refused(`headers[${index}][0]`, NAME, name);
  if (/\0|\r(?!\n[ \t])|\n(?![ \t])/.test(value)) throw refused(`headers[${index}][1]`, VALUE, value);
  return `${name}: ${value.replace(/\r?\n/g, '\r\n')}\r\n`;
}
