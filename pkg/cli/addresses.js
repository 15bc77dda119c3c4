/** @import { Headers } from './headers.js' */
import { quoted } from './arguments.js';
import { Failure } from './failures.js';
import { valuesOf } from './headers.js';
import { ADDRESS, QUOTED } from './values.js';

/**
 * Who a message is from, as its headers say: where it would have been returned to, else who has sent it, else its first
 * author.
 *
 * @param {Headers} headers
 * @returns {string} nothing for the null sender
 * @throws {Failure}
 */
export function senderOf(headers) {
  if (valuesOf(headers, 'return-path').some((value) => /^<\s*>$/.test(value))) return '';
  for (const name of ['return-path', 'sender', 'from']) {
    const [first] = addressesIn(headers, name);
    if (first !== undefined) return first;
  }
  throw new Failure('names no sender in From: say --from');
}

/**
 * Whom a message is to, as its headers say, each once.
 *
 * @param {Headers} headers
 * @returns {string[]}
 * @throws {Failure}
 */
export function recipientsOf(headers) {
  const all = ['to', 'cc', 'bcc'].flatMap((name) => addressesIn(headers, name));
  if (all.length === 0) throw new Failure('names no recipient in To, Cc or Bcc: say --to');
  // Domains are of any case (RFC 5321, section 2.4).
  return [...new Map(all.map((each) => [each.replace(/@[^@]*$/, (domain) => domain.toLowerCase()), each])).values()];
}

/**
 * @param {Headers} headers
 * @param {string} name
 */
function addressesIn(headers, name) {
  return valuesOf(headers, name).flatMap((list) => {
    try {
      return parseAddresses(list);
    } catch (error) {
      const { message } = /** @type {Error} */ (error);
      throw new Failure(`has something else than an address in ${name[0].toUpperCase()}${name.slice(1)}: ${quoted(message)}`);
    }
  });
}

/** The name of a group, or an address: alone, or between angle brackets behind a name and a route, which RFC 5321 ignores. */
const ELEMENT = new RegExp(`(?:${QUOTED}|[^<>:;@,"])*(?::|<(?:@[^:<>"]*:)? ?(${ADDRESS}) ?> ?(?![^,;]))`
  + `|(${ADDRESS}) ?(?:<(${ADDRESS})> ?)?(?![^,;])`, 'uy');

/**
 * The addresses in a list (RFC 5322, section 3.4), without names, comments and the names of groups. It gives all of them or
 * none: text that would be left out may be an address.
 *
 * @param {string} list on one line
 * @returns {string[]}
 * @throws {SyntaxError} whose message is the list from that on which cannot be read
 */
export function parseAddresses(list) {
  /** @type {string[]} */
  const found = [];
  const text = withoutComments(list);
  for (let at = 0; at < text.length;) {
    if (/[ ,;]/.test(text[at])) {
      at++;
      continue;
    }
    ELEMENT.lastIndex = at;
    const [element, named, alone, again = alone] = ELEMENT.exec(text) ?? [];
    // Some programs write an address in the place of its name.
    const isOne = alone?.replace(/^'(.*)'$/, '$1').toLowerCase() === again?.toLowerCase();
    if (element === undefined || !(isOne || alone === again)) throw new SyntaxError(text.slice(at));
    const address = named ?? again;
    if (address !== undefined) found.push(address);
    at += element.length;
  }
  return found;
}

const [OUTSIDE, INSIDE] = [new RegExp(`\\s+|${QUOTED}|[^]`, 'y'), /\\[^]|[^]/y];

/**
 * A list with a space in the place of each comment, and without white space beside an `@`.
 *
 * @param {string} list
 */
function withoutComments(list) {
  /** @type {string[]} */
  const kept = [];
  let [depth, start] = [0, 0];
  for (let at = 0; at < list.length;) {
    const pattern = depth > 0 ? INSIDE : OUTSIDE;
    pattern.lastIndex = at;
    const [token] = /** @type {RegExpExecArray} */ (pattern.exec(list));
    if (token === '(' && depth++ === 0) start = at;
    const isEnd = depth > 0 && token === ')' && --depth === 0;
    if (isEnd || depth === 0) {
      const more = isEnd || /^\s/.test(token) ? ' ' : token;
      if (more === '@' && kept.at(-1) === ' ') kept.pop();
      if (more !== ' ' || !/^[ @]$/.test(kept.at(-1) ?? '')) kept.push(more);
    }
    at += token.length;
  }
  return kept.join('') + (depth > 0 ? list.slice(start) : ''); // a comment that does not end cannot be read
}
