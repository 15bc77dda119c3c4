/** Records of ours are less deep. What is deeper may have no end, and is taken for another one. */
const DEPTH = 10;

/**
 * Whether two meta records say the same, the fields of other versions of this package included. Only what comes from
 * the store has an id.
 *
 * @param {any} one
 * @param {any} other
 * @returns {boolean}
 */
export function sameMeta(one, other) {
  return isObject(one) && isObject(other) ? same({ ...one, id: '' }, { ...other, id: '' }, 0) : Object.is(one, other);
}

/**
 * @param {any} one
 * @param {any} other
 * @param {number} depth
 * @returns {boolean}
 */
function same(one, other, depth) {
  if (Object.is(one, other)) return true;
  if (!isObject(one) || !isObject(other) || depth > DEPTH) return false;
  const [fields, others] = [fieldsOf(one), fieldsOf(other)];
  if (fields.size !== others.size) return false;
  for (const [name, value] of fields) if (!same(value, others.get(name), depth + 1)) return false;
  return true;
}

/**
 * What an object says, by name: a field without a value says nothing.
 *
 * @param {any} object
 * @returns {Map<unknown, unknown>}
 */
function fieldsOf(object) {
  if (object instanceof Map) return object;
  if (object instanceof Date) return new Map([['time', object.getTime()]]);
  const entries = Object.entries(object instanceof Set ? [...object] : object);
  return new Map(entries.filter(([, value]) => value !== undefined));
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === 'object' && value !== null;
}
