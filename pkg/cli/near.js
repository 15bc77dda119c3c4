/**
 * The word of a list that somebody may have meant.
 *
 * @param {string} word
 * @param {string[]} words
 * @returns {string | undefined} nothing if none is near
 */
export function nearest(word, words) {
  const [best] = words.map((each) => ({ each, away: distance(word, each) })).sort((a, b) => a.away - b.away);
  if (best && best.away <= Math.max(1, Math.floor(word.length / 3))) return best.each;
  return words.find((each) => word.length > 1 && each.startsWith(word));
}

/**
 * How many letters are to be put in, left out, replaced or swapped with their neighbour.
 *
 * @param {string} one
 * @param {string} other
 */
function distance(one, other) {
  const rows = [Array.from({ length: other.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= one.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1] ? 0 : 1;
      rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + same);
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      if (swapped) rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[one.length][other.length];
}
