/** @import { Envelope } from './types.js' */
import { copyHeaders, copyMessage } from './binding/envelope.js';
import { callFunction } from './binding/functions.js';
import { refused } from './errors.js';

/**
 * Reads a message: its headers in their order, and what follows them. Any bytes are a message.
 *
 * The head ends at an empty line, or before the first line that is no field: such a line belongs to the body. Lines end
 * in CRLF or LF. A byte order mark and the `From ` line of an mbox file at the start are left out. A value begins after
 * the colon and one space, and keeps its folds as they are; a NUL, or a carriage return that ends no line, becomes a
 * space. A value that is not UTF-8 is read as ISO 8859-1. Blanks between a name and its colon are left out.
 *
 * {@link formatMessage} gives the same bytes again if lines of the head end in CRLF, each field has a space after its
 * colon, and nothing was left out or replaced.
 *
 * @param {Uint8Array | string} message a text stands for its UTF-8
 * @returns {{ headers: [name: string, value: string][], message: Uint8Array<ArrayBuffer> }}
 * @throws {TypeError} for what is neither bytes nor a well-formed text
 */
export function parseMessage(message) {
  const bytes = bytesOf(message);
  const [headers, length] = callFunction((wasm) => wasm.parseHead(bytes));
  return { headers, message: bytes.slice(length) };
}

/**
 * The message of an envelope as it is handed over (RFC 5322, RFC 6532): the headers in UTF-8, each with CRLF and as it
 * was folded, an empty line, and what follows it as it is.
 *
 * @param {Pick<Envelope, 'headers' | 'message'>} envelope
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {TypeError} for a header that would end before its value does
 */
export function formatMessage(envelope) {
  if (typeof envelope !== 'object' || envelope === null) throw refused('envelope', 'an object', envelope);
  const { headers = [], message = '' } = envelope;
  const copy = { sender: null, recipients: [], headers: copyHeaders(headers, false) };
  const head = new TextEncoder().encode(callFunction((wasm) => wasm.formatHead(copy)));
  const body = bytesOf(message);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/** @param {unknown} message */
function bytesOf(message) {
  const copy = copyMessage(message, false);
  return typeof copy === 'string' ? new TextEncoder().encode(copy) : copy;
}
