/** The letters that stand in a string of JavaScript as they are. */
export const LETTERS = Array.from({ length: 95 }, (_, code) => String.fromCharCode(code + 32))
  .filter((letter) => !/["'`$\\]/.test(letter)).join('');

/**
 * The bytes of a module that is written as text: each byte is one letter, or two for the rarer ones, of which the first
 * is one of the last two letters.
 *
 * @param {string} text
 * @param {number[]} order the bytes of one letter, in the order of the letters; the others follow as they are
 * @param {number} size in bytes
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function decode(text, order, size) {
  const bytes = new Uint8Array(size);
  const single = LETTERS.length - 2;
  const all = new Set(order);
  for (let byte = 0; byte < 256; byte++) all.add(byte);
  const values = [...all];
  let length = 0;
  let row = 0;
  for (const letter of text) {
    const place = LETTERS.indexOf(letter);
    if (place >= single) row = place - single + 1;
    else {
      bytes[length++] = values[row * single + place];
      row = 0;
    }
  }
  return bytes;
}
