/** Values of every kind that an extra field may have. */

/**
 * @param {import('./random.js').Random} random
 * @param {number} [depth]
 * @returns {unknown}
 */
export function randomValue(random, depth = 0) {
  const whole = (/** @type {number} */ most) => random.below(most);
  const part = () => random.below(2 ** 32) / 2 ** 32;
  const value = () => randomValue(random, depth + 1);
  return random.pick([
    () => new Date(Math.trunc((part() * 2 - 1) * 8.64e15)), () => (part() - 0.5) * 10 ** whole(300),
    () => whole(2 ** 53) * random.pick([1, -1]),
    () => BigInt(whole(2 ** 53)) ** BigInt(whole(5)) * random.pick([1n, -1n]),
    () => Array.from({ length: whole(60) }, () => String.fromCodePoint(random.pick([65, 0, 233, 0xfeff, 0x1f48c]))).join(''),
    () => new Uint8Array(whole(40)).map(() => whole(256)), () => random.pick([null, true, false]),
    ...(depth > 4 ? [] : [
      () => Array.from({ length: whole(5) }, value),
      () => Object.fromEntries(Array.from({ length: whole(5) }, () => [`k${whole(99)}`, value()])),
      () => new Map(Array.from({ length: whole(4) }, () => [value(), value()])),
      () => new Set(Array.from({ length: whole(4) }, value)),
    ]),
  ])();
}
