import { LETTERS } from '../pkg/load/decode.js';

/**
 * Writes bytes as text that compresses as well as the bytes themselves do. Base64 hides bytes from compression and costs
 * a quarter; here each byte is one letter, or two for the rarer ones. `pkg/load/decode.js` reads it.
 *
 * @param {Uint8Array} bytes
 * @returns {{ text: string, order: number[], size: number }} what `decode` takes, in its order
 */
export function encode(bytes) {
  /** @type {number[]} */
  const count = new Array(256).fill(0);
  for (const byte of bytes) count[byte]++;
  const letters = LETTERS.slice(0, -2);
  const [first, second] = LETTERS.slice(-2);
  const byCount = [...count.keys()].sort((a, b) => count[b] - count[a]);
  const order = byCount.slice(0, letters.length);
  // Of those with two letters any order is as good.
  const rarer = byCount.slice(letters.length).sort((a, b) => a - b);
  /** @type {string[]} */
  const code = [];
  [...order, ...rarer].forEach((byte, rank) => {
    const letter = letters[rank % letters.length];
    code[byte] = [letter, first + letter, second + letter][Math.floor(rank / letters.length)];
  });
  return { text: Array.from(bytes, (byte) => code[byte]).join(''), order, size: bytes.length };
}
