/** Records of ours are less deep. What is deeper may have no end, and is taken for another one. */
const DEPTH = 10;

/**
 * Whether two meta records say the same, the fields of other versions of this package included: a field without a value
 * says nothing. Garbage is compared too, so that it can be replaced by a commit that has seen it.
 *
 * @param {any} one
 * @param {any} other
 * @param {number} [depth]
 * @returns {boolean}
 */
export function sameMeta(one, other, depth = 0) {
  if (Object.is(one, other)) return true;
  if (!isObject(one) || !isObject(other) || depth > DEPTH) return false;
  const [said, others] = [plain(one), plain(other)];
  let fields = 0;
  for (const name in said) {
    if (said[name] === undefined) continue;
    fields++;
    if (!sameMeta(said[name], others[name], depth + 1)) return false;
  }
  for (const name in others) if (others[name] !== undefined) fields--;
  return fields === 0;
}

/**
 * What a structured clone says, by name.
 *
 * @param {any} object
 * @returns {any}
 */
function plain(object) {
  if (object instanceof Date) return { time: object.getTime() };
  if (object instanceof Map || object instanceof Set) return [...object];
  return object;
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === 'object' && value !== null;
}
