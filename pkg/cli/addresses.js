/** @import { Headers } from './headers.js' */
import { quoted } from './arguments.js';
import { Failure } from './failures.js';
import { valuesOf } from './headers.js';
import { anAddress } from './values.js';

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
  return valuesOf(headers, name).flatMap(parseAddresses).map((address) => {
    try {
      return anAddress(address);
    } catch {
      throw new Failure(`has something else than an address in ${name[0].toUpperCase()}${name.slice(1)}: ${quoted(address)}`);
    }
  });
}

/**
 * The addresses in a list (RFC 5322, section 3.4), without names, comments and the names of groups.
 *
 * @param {string} list on one line
 * @returns {string[]}
 */
export function parseAddresses(list) {
  /** @type {string[]} */
  const found = [];
  let text = '';
  /** @type {string | undefined} what stands between angle brackets */
  let inner;
  let [isInside, isQuoted, comments] = [false, false, 0];
  const end = () => {
    if (inner !== undefined || text.trim() !== '') found.push((inner ?? text).trim());
    [text, inner, isInside] = ['', undefined, false];
  };
  for (const [token] of list.matchAll(/\\.|\[[^\]]*\]|[^]/g)) {
    if (comments > 0) comments += token === '(' ? 1 : token === ')' ? -1 : 0;
    else if (!isQuoted && token === '(') comments = 1;
    else if (!isQuoted && !isInside && token === '<') [inner, isInside] = ['', true];
    else if (!isQuoted && isInside && token === '>') isInside = false;
    else if (!isQuoted && !isInside && /^[,;]$/.test(token)) end();
    else if (!isQuoted && !isInside && token === ':') text = ''; // the name of a group
    else {
      if (token === '"') isQuoted = !isQuoted;
      if (isInside) inner += token;
      else text += token;
    }
  }
  end();
  return found.map((address) => address.replace(/^@[^:]*:/, '')); // a route, which RFC 5321 has servers ignore
}
