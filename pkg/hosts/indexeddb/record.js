/**
 * What a meta record says without its id, which the store keeps in it.
 *
 * @param {any} record
 */
export function contentOf({ id: _, ...content }) {
  return content;
}
