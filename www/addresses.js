/** An address as RFC 5322, section 3.4, writes it, with what people call whoever has it. @typedef {{ name: string, address: string }} Mailbox */

/** A text that cannot be read as addresses; `part` is what of it. */
class AddressError extends Error {
  /** @param {string} part */
  constructor(part) {
    super(`“${part.trim()}” is no address`);
    this.part = part;
  }
}

const ATOM = String.raw`[^\s()<>\[\]:;@\\,."\p{Cc}]+`;
const LOCAL = String.raw`(?:${ATOM}(?:\.${ATOM})*|"(?:[^"\\\r\n]|\\[^\r\n])*")`;
const LITERAL = String.raw`\[(?:IPv6:[0-9a-f:.]+|\d{1,3}(?:\.\d{1,3}){3})\]`;
const ADDRESS = new RegExp(String.raw`^${LOCAL}@(?:${ATOM}(?:\.${ATOM})*|${LITERAL})$`, 'iu');

/**
 * Reads the addresses of a header: groups become their members, comments and folds go, quotes stay where they are needed.
 *
 * @param {string} text
 * @returns {Mailbox[]}
 * @throws {AddressError}
 */
export function parseAddresses(text) {
  /** @type {Mailbox[]} */
  const found = [];
  let item = newItem();
  const finish = () => {
    const mailbox = read(item);
    if (mailbox) found.push(mailbox);
    item = newItem();
  };
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    const end = letter === '"' ? closing(text, at, '"') : letter === '(' ? closing(text, at, ')') : letter === '[' ? closing(text, at, ']') : at;
    const piece = text.slice(at, end + 1);
    at = end;
    item.whole += piece;
    if (letter === '(') item.comment = piece.slice(1, -1);
    else if (letter === '<' && item.angle === undefined) [item.angle, item.inAngle] = ['', true];
    else if (letter === '>' && item.inAngle) item.inAngle = false;
    else if (item.inAngle) item.angle += piece;
    else if (letter === ',' || letter === ';') {
      item.whole = item.whole.slice(0, -1);
      finish();
    } else if (letter === ':' && item.angle === undefined) item = newItem(); // the name of a group
    else if (item.angle !== undefined && /\S/.test(piece)) throw new AddressError(item.whole + text.slice(at + 1));
    else item.plain += piece;
  }
  finish();
  return found;
}

/** @returns {{ whole: string, plain: string, comment: string, angle: string | undefined, inAngle: boolean }} */
const newItem = () => ({ whole: '', plain: '', comment: '', angle: undefined, inAngle: false });

/**
 * @param {ReturnType<typeof newItem>} item
 * @returns {Mailbox | undefined} nothing for blanks and comments alone
 */
function read({ whole, plain, comment, angle, inAngle }) {
  if (angle === undefined && plain.trim() === '') return undefined;
  // An old route (`<@one,@two:ana@example.org>`) says nothing any more; blanks are allowed around dots and the @.
  const address = (angle ?? plain).replace(/^\s*@[^:"]*:/, '').trim().replace(/\s*([.@])\s*(?=(?:[^"]*"[^"]*")*[^"]*$)/g, '$1');
  if (inAngle || !ADDRESS.test(address)) throw new AddressError(whole);
  const name = angle === undefined ? comment : plain.replace(/"((?:[^"\\]|\\.)*)"/g, (_, inner) => inner.replace(/\\(.)/g, '$1'));
  return { name: name.replace(/\s+/g, ' ').trim(), address };
}

/**
 * Where what begins here ends; comments may stand in comments.
 *
 * @param {string} text
 * @param {number} start
 * @param {string} end
 */
function closing(text, start, end) {
  let depth = 0;
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '(' && end === ')') depth++;
    else if (text[at] === end && depth-- === 0) return at;
  }
  throw new AddressError(text.slice(start));
}
