/** @import { DictHost, DictName } from '../../types.js' */

/**
 * A page in the order of ids: the last one is the cursor of the next page, if there may be one.
 *
 * @param {[string, unknown?][]} entries
 * @param {number} limit
 * @returns {{ entries: [string, unknown?][], next?: string }}
 */
export function pageOf(entries, limit) {
  return entries.length < limit ? { entries } : { entries, next: entries[entries.length - 1][0] };
}

/**
 * How many entries both dictionaries have, for engines that do not know.
 *
 * @param {Pick<DictHost, 'page'>} host
 */
export async function countPages(host) {
  const count = async (/** @type {DictName} */ dict) => {
    let size = 0;
    for (let page, cursor; !page || (cursor = page.next); size += page.entries.length) {
      page = await host.page(dict, cursor, 1000);
    }
    return size;
  };
  return { size: await count('envelope'), metaSize: await count('meta') };
}
