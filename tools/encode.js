/**
 * Writes bytes as text that compresses as well as the bytes themselves do. Base64 hides bytes from compression and costs
 * a quarter; here each byte is one letter, or two for the rarer ones. `pkg/load/decode.js` reads it.
 *
 * @param {Uint8Array} bytes
 * @returns {{ text: string, letters: string, order: number[], size: number }} what `decode` takes, in its order
 */
export function encode(bytes) {
  /** @type {number[]} */
  const count = new Array(256).fill(0);
  for (const byte of bytes) count[byte]++;
  const order = [...count.keys()].sort((a, b) => count[b] - count[a]);
  // Those that stand in a string of JavaScript as they are.
  const letters = Array.from({ length: 95 }, (_, code) => String.fromCharCode(code + 32))
    .filter((letter) => !/["'`$\\]/.test(letter));
  const [first, second] = letters.splice(-2);
  /** @type {string[]} */
  const code = [];
  order.forEach((byte, rank) => {
    const letter = letters[rank % letters.length];
    code[byte] = [letter, first + letter, second + letter][Math.floor(rank / letters.length)];
  });
  const text = Array.from(bytes, (byte) => code[byte]).join('');
  return { text, letters: letters.join('') + first + second, order, size: bytes.length };
}
