// The one place where text of a mail becomes text that drives no terminal.

/**
 * Control characters, escape among them; format characters, which turn the direction of text or are not seen; separators
 * of lines; halves of characters.
 */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const HARMFUL_BUT_LINES = /[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]|(?![\n\t])\p{Cc}/gu;

/**
 * Text on one line that a terminal shows and does not obey: what is harmful is written as `\u{1b}`.
 *
 * @param {string} text
 */
export function printable(text) {
  return text.replace(HARMFUL, escaped);
}

/**
 * The same for text of several lines; line feeds and tabs stay, and CRLF is a line feed.
 *
 * @param {string} text
 */
export function printableLines(text) {
  return text.replace(/\r\n/g, '\n').replace(HARMFUL_BUT_LINES, escaped);
}

/**
 * A value as JSON on one line, which a program reads as what it was, and a terminal does not obey.
 *
 * @param {unknown} value
 */
export function printableJson(value) {
  const units = (/** @type {string} */ found) => (
    Array.from({ length: found.length }, (_, i) => `\\u${found.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''));
  return JSON.stringify(value).replace(HARMFUL, units);
}

/** @param {string} found */
function escaped(found) {
  return `\\u{${/** @type {number} */ (found.codePointAt(0)).toString(16)}}`;
}
