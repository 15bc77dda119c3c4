/** @typedef {[name: string, value: string][]} Headers */

/**
 * A value on one line.
 *
 * @param {string} value
 */
export function unfolded(value) {
  return value.replace(/\r?\n[ \t]/g, ' ').trim();
}

/**
 * The values of all headers of a name, each on one line.
 *
 * @param {Headers | undefined} headers
 * @param {string} name in lower case
 */
export function valuesOf(headers, name) {
  return (headers ?? []).filter(([each]) => each.toLowerCase() === name).map(([, value]) => unfolded(value));
}

/** @param {Headers | undefined} headers */
export function subjectOf(headers) {
  return valuesOf(headers, 'subject')[0] ?? '';
}
