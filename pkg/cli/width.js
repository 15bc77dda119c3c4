// How many columns of a terminal text takes. It was made printable before.

/** East Asian wide and fullwidth characters, and pictures. */
const WIDE = new RegExp('[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\ua960-\\ua97c\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f'
  + '\\uff00-\\uff60\\uffe0-\\uffe6\\u{20000}-\\u{3fffd}]|\\p{Emoji_Presentation}', 'u');
const COMBINING = /[\p{Mn}\p{Me}]/u;

/** @param {string} character */
function columnsOf(character) {
  if (character < '\u0300') return 1;
  if (COMBINING.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** @param {string} text */
export function widthOf(text) {
  let width = 0;
  for (const character of text) width += columnsOf(character);
  return width;
}

/**
 * As much of a text as fits, with `…` where it was cut.
 *
 * @param {string} text
 * @param {number} columns
 */
export function cut(text, columns) {
  if (widthOf(text) <= columns) return text;
  return `${head(text, columns - 1)}…`;
}

/**
 * @param {string} text
 * @param {number} columns
 */
export function pad(text, columns) {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

/**
 * Lines that fit, broken between words where there are any.
 *
 * @param {string} text
 * @param {number} columns
 * @returns {string[]}
 */
export function wrap(text, columns) {
  const lines = [];
  let rest = text;
  for (;;) {
    const fitting = head(rest, columns); // and not the width of all: a text has many lines
    if (fitting.length === rest.length) return [...lines, rest];
    const whole = fitting || String.fromCodePoint(/** @type {number} */ (rest.codePointAt(0)));
    const gap = rest[whole.length] === ' ' ? whole.length : whole.lastIndexOf(' ');
    const line = gap > 0 ? rest.slice(0, gap) : whole;
    lines.push(line);
    rest = rest.slice(line.length).trimStart();
  }
}

/**
 * @param {string} text
 * @param {number} columns
 */
function head(text, columns) {
  let [width, end] = [0, 0];
  for (const character of text) {
    width += columnsOf(character);
    if (width > columns) break;
    end += character.length;
  }
  return text.slice(0, end);
}
