/** @import { Glue } from '../wasm/glue.js' */
/** @import { WasmHalf } from './wasm-half.js' */
import { describe } from '../errors.js';

// What a queue finds out about a storage that is given to it.

/**
 * What a queue uses of a storage.
 *
 * @typedef {object} StorageParts
 * @property {WasmHalf<Glue.Storage>} wasm
 * @property {number | undefined} every how often a queue looks through everything, in milliseconds; never unless given
 * @property {() => import('./owners.js').Reach} reach how the end of a queue on it is known to others
 * @property {object} [place] see `DictHost`
 * @property {any[]} holders its host, or its dictionaries
 * @property {(hasMissed?: boolean) => void} listen hears of what others do from now on, where the host tells of it;
 *   whether something may have been missed
 */

/** @type {WeakMap<object, StorageParts>} */
const partsByStorage = new WeakMap();

/**
 * @param {object} storage
 * @param {StorageParts} parts
 */
export function keepParts(storage, parts) {
  partsByStorage.set(storage, parts);
}

/**
 * Whether two storages keep their messages in the same place, as far as their hosts can tell.
 *
 * @param {StorageParts} one
 * @param {StorageParts} other
 */
export const areOne = (one, other) => one.holders.some((holder) => (
  other.holders.some((each) => holder === each || holder.isSamePlace?.(each) === true)));

/**
 * @param {string} name
 * @param {any} storage
 * @returns {StorageParts}
 */
export function partsOf(name, storage) {
  const parts = typeof storage === 'object' && storage ? partsByStorage.get(storage) : undefined;
  if (parts) return parts;
  const expected = 'a DictStorage or AsyncDictStorage of this copy of the package';
  throw new TypeError(`${name}: expected ${expected}, got ${describe(storage)}`);
}
