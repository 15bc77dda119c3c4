/** @typedef {[name: string, value: string]} Header a value keeps its folds */

/**
 * A file that is no message. `message` is a clause that follows the name of the file.
 */
export class EmlError extends Error {}
EmlError.prototype.name = 'EmlError';

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const QUOTE = 0x3e;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
/** What Outlook's own format begins with. */
const COMPOUND_FILE = [0xd0, 0xcf, 0x11, 0xe0];
/** The line that mbox files put before a message. */
const MBOX_FROM = [...'From '].map((letter) => letter.charCodeAt(0));
/** The time that ends such a line, as in `Thu Jan  1 00:00:00 1970`: a sentence may begin with From, too. */
const MBOX_TIME = /\d\d?:\d\d(:\d\d)? .*\d{4}/;
/** How much of a file is looked at to tell what else it may be. */
const GLANCE = 1024;

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder('latin1');

/**
 * Splits a message into its header fields, in their order and as they stand there, and what follows the first empty
 * line. Lines end in CRLF or LF. The message shares the memory of `bytes`.
 *
 * @param {Uint8Array} bytes
 * @returns {{ headers: Header[], message: Uint8Array }}
 * @throws {EmlError}
 */
export function splitEml(bytes) {
  if (bytes.length === 0) throw new EmlError('is empty');
  let next = beginsWith(bytes, BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
  /** @type {Header[]} */
  const headers = [];
  /** Where the field that is being read begins, its colon stands and its last line ends. */
  let field = { start: -1, colon: -1, end: -1 };
  const finish = () => {
    if (field.start >= 0) headers.push(header(bytes, field));
  };

  for (let number = 1; next < bytes.length; number++) {
    const start = next;
    const feed = bytes.indexOf(LF, start);
    next = feed < 0 ? bytes.length : feed + 1;
    let end = feed < 0 ? bytes.length : feed;
    if (feed >= 0 && end > start && bytes[end - 1] === CR) end--;

    if (end === start) {
      if (headers.length === 0 && field.start < 0) throw notAMessage(bytes, 'begins with an empty line');
      finish();
      return { headers, message: bytes.subarray(next) };
    }
    if (number === 1 && beginsWith(bytes, MBOX_FROM, start)) continue;
    refuseControls(bytes, start, end, number);
    if (bytes[start] === SPACE || bytes[start] === TAB) {
      if (field.start < 0) throw notAMessage(bytes, 'begins with an indented line, not with a header field');
      field.end = end;
      continue;
    }
    const colon = colonOf(bytes, start, end);
    if (colon < 0) {
      throw field.start < 0
        ? notAMessage(bytes, 'does not begin with a header field such as “Subject: …”')
        : new EmlError(`has a line among its headers (line ${number}) that is no header field`);
    }
    finish();
    field = { start, colon, end };
  }
  finish();
  if (headers.length === 0) throw notAMessage(bytes, 'has no header fields');
  return { headers, message: bytes.subarray(bytes.length) };
}

/**
 * The messages of an mbox file (RFC 4155), or the one message that any other file is. A line of text that begins with
 * `From ` has a `>` before it in such a file, which goes.
 *
 * @param {Uint8Array} file
 * @returns {Uint8Array[]}
 */
export function splitMbox(file) {
  const bytes = beginsWith(file, BYTE_ORDER_MARK) ? file.subarray(BYTE_ORDER_MARK.length) : file;
  if (!beginsWith(bytes, MBOX_FROM)) return [file];
  const starts = [0];
  for (let feed = bytes.indexOf(LF); feed >= 0; feed = bytes.indexOf(LF, feed + 1)) {
    if (!beginsWith(bytes, MBOX_FROM, feed + 1)) continue;
    const before = bytes[feed - 1] === CR ? feed - 2 : feed - 1;
    if (bytes[before] === LF && MBOX_TIME.test(lineAt(bytes, feed + 1))) starts.push(feed + 1);
  }
  return starts.map((start, place) => withoutQuotes(bytes.subarray(start, starts[place + 1])));
}

/** @param {Uint8Array} bytes @param {number} start */
function lineAt(bytes, start) {
  const feed = bytes.indexOf(LF, start);
  return lenient.decode(bytes.subarray(start, feed < 0 ? bytes.length : feed));
}

/** @param {Uint8Array} bytes */
function withoutQuotes(bytes) {
  const quotes = [];
  for (let feed = bytes.indexOf(LF); feed >= 0; feed = bytes.indexOf(LF, feed + 1)) {
    let at = feed + 1;
    while (bytes[at] === QUOTE) at++;
    if (at > feed + 1 && beginsWith(bytes, MBOX_FROM, at)) quotes.push(feed + 1);
  }
  const gone = new Set(quotes);
  return quotes.length === 0 ? bytes : bytes.filter((_, at) => !gone.has(at));
}

/**
 * The message as a file again.
 *
 * @param {Header[]} headers
 * @param {Uint8Array | string} message
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function joinEml(headers, message) {
  const encoder = new TextEncoder();
  const head = encoder.encode(`${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  const body = typeof message === 'string' ? encoder.encode(message) : message;
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/**
 * The value of the first header of this name, its folds undone.
 *
 * @param {Header[]} headers
 * @param {string} name
 * @returns {string | undefined}
 */
export function headerValue(headers, name) {
  return headerValues(headers, name)[0];
}

/**
 * The values of all headers of this name, their folds undone.
 *
 * @param {Header[]} headers
 * @param {string} name
 * @returns {string[]}
 */
export function headerValues(headers, name) {
  const wanted = name.toLowerCase();
  return headers
    .filter(([found]) => found.trimEnd().toLowerCase() === wanted)
    .map(([, value]) => value.replace(/\r?\n(?=[ \t])/g, '').trim());
}

/**
 * @param {Uint8Array} bytes
 * @param {{ start: number, colon: number, end: number }} field
 * @returns {Header}
 */
function header(bytes, { start, colon, end }) {
  // The one space that everybody writes after the colon belongs to neither side.
  const value = bytes[colon + 1] === SPACE && colon + 1 < end ? colon + 2 : colon + 1;
  return [decode(bytes.subarray(start, colon)).trimEnd(), decode(bytes.subarray(value, end))];
}

/**
 * Old programs write 8-bit headers in a character set that nobody names; what is not UTF-8 was nearly always Latin-1.
 *
 * @param {Uint8Array} bytes
 */
function decode(bytes) {
  try {
    return strict.decode(bytes);
  } catch {
    return lenient.decode(bytes);
  }
}

/**
 * Where the name of a header field ends; -1 for a line that is no header field.
 *
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} end
 */
function colonOf(bytes, start, end) {
  let at = start;
  while (at < end && bytes[at] > SPACE && bytes[at] < 0x7f && bytes[at] !== COLON) at++;
  if (at === start) return -1;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++; // an old habit, still allowed to be read
  return bytes[at] === COLON && at < end ? at : -1;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} end
 * @param {number} number
 */
function refuseControls(bytes, start, end, number) {
  for (let at = start; at < end; at++) {
    if (bytes[at] === 0) throw notAMessage(bytes, `has a NUL byte among its headers (line ${number})`);
    if (bytes[at] === CR) {
      if (number === 1) refuseBinary(bytes);
      throw new EmlError(`has a carriage return inside line ${number}; lines must end in CRLF or LF`);
    }
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {string} otherwise
 */
function notAMessage(bytes, otherwise) {
  refuseBinary(bytes);
  return new EmlError(bytes.subarray(0, GLANCE).every(isBlank) ? 'holds nothing but blank lines' : otherwise);
}

/** @param {Uint8Array} bytes */
function refuseBinary(bytes) {
  if (beginsWith(bytes, COMPOUND_FILE)) {
    throw new EmlError('is an Outlook message (.msg); save it as .eml and try again');
  }
  const glance = bytes.subarray(0, GLANCE);
  const controls = glance.filter((byte) => byte < SPACE && !isBlank(byte)).length;
  if (glance.includes(0) || controls > glance.length / 20) throw new EmlError('is a binary file, not a message');
}

/** @param {number} byte */
function isBlank(byte) {
  return byte === SPACE || (byte >= TAB && byte <= CR);
}

/**
 * @param {Uint8Array} bytes
 * @param {number[]} prefix
 * @param {number} [from]
 */
function beginsWith(bytes, prefix, from = 0) {
  return prefix.every((byte, index) => bytes[from + index] === byte);
}
