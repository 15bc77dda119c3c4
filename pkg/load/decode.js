/**
 * The bytes of a module that is written as text: each byte is one letter, or two for the rarer ones, of which the first
 * is one of the last two letters.
 *
 * @param {string} text
 * @param {string} letters
 * @param {number[]} order the bytes from the most frequent one on
 * @param {number} size in bytes
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function decode(text, letters, order, size) {
  const bytes = new Uint8Array(size);
  const single = letters.length - 2;
  let length = 0;
  for (let i = 0, row = 0; i < text.length; i++) {
    const place = letters.indexOf(text[i]);
    if (place >= single) row = place - single + 1;
    else {
      bytes[length++] = order[row * single + place];
      row = 0;
    }
  }
  return bytes;
}
