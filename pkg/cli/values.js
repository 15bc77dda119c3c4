// What the values of options and the operands of commands may be. Each reads a text, or throws what was expected.

import { STATES } from '../binding/arguments.js';
import { durationOf, timeOf } from './times.js';

/** @param {string} text */
export function anId(text) {
  if (!/^[0-9a-f]{32}$/.test(text)) throw new TypeError('the id of a message, 32 hexadecimal digits in lower case');
  return text;
}

/** @param {string} text */
export function aText(text) {
  if (text === '') throw new TypeError('a text that is not empty');
  return text;
}

/** @param {string} text */
export function aCount(text) {
  if (!/^\d{1,15}$/.test(text)) throw new TypeError('a whole number from 0');
  return Number(text);
}

/** @param {string} text */
export function aState(text) {
  if (!STATES.includes(text)) throw new TypeError(`one of ${STATES.join(', ')}`);
  return /** @type {import('../types.js').MessageState} */ (text);
}

/** @param {string} text */
export function aDuration(text) {
  const duration = durationOf(text);
  if (duration === undefined) throw new TypeError('a time such as 90s, 15m, 2h or 5d');
  return duration;
}

/** @param {string} text */
export function aTime(text) {
  const time = timeOf(text, Date.now());
  if (time === undefined) throw new TypeError('a time such as 2030-01-31T08:00Z or, from now, +90s, +15m, +2h, +5d');
  return time;
}

/** The sources of patterns: a text in quotes, and an address (RFC 5322, section 3.4.1). */
export const QUOTED = /"(?:\\[^\r\n]|[^"\\\r\n])*"/.source;
const ATOM = /[^\s()<>[\]:;@\\,"]/.source;
export const ADDRESS = `(?:${QUOTED}|${ATOM})+@(?:\\[[^\\s[\\]\\\\]*\\]|${ATOM}+)`;
const ADDRESS_ALONE = new RegExp(`^${ADDRESS}$`);

/**
 * An address without a name. Whether it can be delivered to is for others to say.
 *
 * @param {string} text
 */
export function anAddress(text) {
  const address = text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text;
  if (!ADDRESS_ALONE.test(address)) throw new TypeError('an address such as you@example.com');
  return address;
}

/**
 * An address, or nothing for the null sender.
 *
 * @param {string} text
 */
export function aSender(text) {
  return text === '' || text === '<>' ? '' : anAddress(text);
}

/**
 * @param {string[]} schemes
 * @returns {(text: string) => string}
 */
export function aUrl(...schemes) {
  return (text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (!url || !schemes.includes(url.protocol.slice(0, -1)) || !url.hostname) {
      throw new TypeError(`a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`);
    }
    if (/^redis/.test(url.protocol) && !/^\/?\d*$/.test(url.pathname)) {
      throw new TypeError('a URL whose path is the number of a database or nothing');
    }
    if (/^http/.test(url.protocol) && url.username + url.password) throw new TypeError('a URL without user name and password');
    return text;
  };
}

/** @param {string} text */
export function aPrefix(text) {
  if (text === '' || /[{}]/.test(text)) throw new TypeError('a text without braces');
  return text;
}
