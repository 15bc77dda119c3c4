/** @import { Envelope } from '../types.js' */
import { describe } from '../errors.js';

/**
 * The message of an envelope as it is handed over (RFC 5322, RFC 6532): the headers in UTF-8, each with CRLF and as it
 * was folded, an empty line, and what follows it as it is. What `formatMessage` makes, without the wasm module, which a
 * program with a relay alone has not loaded.
 *
 * @param {Envelope} envelope
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {TypeError} for a header that would end before its value does
 */
export function toBytes({ headers = [], message = '' }) {
  const encoder = new TextEncoder();
  const head = encoder.encode(`${headers.map(toLine).join('')}\r\n`);
  const body = typeof message === 'string' ? encoder.encode(message) : message;
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/** @param {[name: string, value: string]} header */
function toLine([name, value]) {
  const folded = value.replace(/\r\n|\r|\n/g, '\r\n');
  if (/[\r\n\0]/.test(name) || /\r\n(?![ \t])|\0/.test(folded)) {
    throw new TypeError(
      `headers: expected a name and a value that may be folded, got ${describe(`${name}: ${value}`)}`,
    );
  }
  return `${name}: ${folded}\r\n`;
}
