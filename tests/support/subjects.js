import { inspect } from 'node:util';
import { AsyncDictStorage, DictStorage } from '../../pkg/load/inline.js';
import { CopyingDict, SlowDict } from './dicts.js';
import { MemoryHost, Store } from './host.js';

/**
 * The storages that every behaviour is tried on. `open` begins with nothing; it gives a storage, `another` one over the
 * same dictionaries (in another tab, after a restart), and the two Maps that are underneath.
 *
 * @typedef {object} Subject
 * @property {string} name
 * @property {boolean} sync whether it answers at once and throws
 * @property {(options?: { deadline?: number, poll?: number, pause?: () => Promise<unknown> }) => Opened} open
 *
 * @typedef {object} Opened
 * @property {any} storage
 * @property {() => any} another
 * @property {Map<string, any>} envelope
 * @property {Map<string, any>} meta
 * @property {() => string} text everything that is kept, to be compared: equal if no bit of it has changed
 */

/**
 * @param {string} name
 * @param {boolean} sync
 * @param {(kept: Store, options: any) => any} make
 * @returns {Subject}
 */
function subject(name, sync, make) {
  return {
    name,
    sync,
    open(options = {}) {
      const kept = new Store();
      const text = () => inspect([kept.envelope, kept.meta], EVERYTHING);
      const { pause, ...rest } = options;
      const another = () => make(kept, { pause, rest });
      return { storage: another(), another, envelope: kept.envelope, meta: kept.meta, text };
    },
  };
}

const EVERYTHING = { depth: null, maxArrayLength: null, maxStringLength: null, breakLength: Infinity, compact: true };

/** @type {Subject[]} */
export const subjects = [
  subject('DictStorage on Maps', true, ({ envelope, meta }) => new DictStorage(envelope, meta)),
  subject('DictStorage on dictionaries that copy', true, ({ envelope, meta }) =>
    new DictStorage(copying(envelope), copying(meta))),
  subject('AsyncDictStorage on Maps', false, ({ envelope, meta }, { rest }) =>
    new AsyncDictStorage(envelope, meta, rest)),
  subject('AsyncDictStorage on dictionaries that promise', false, ({ envelope, meta }, { pause, rest }) =>
    new AsyncDictStorage(slow(envelope, pause), slow(meta, pause), rest)),
  subject('AsyncDictStorage on a host', false, (store, { pause, rest }) =>
    new AsyncDictStorage(new MemoryHost(store, { pause }), rest)),
];

export const asyncSubjects = subjects.filter(({ sync }) => !sync);
export const syncSubjects = subjects.filter(({ sync }) => sync);

// One dictionary object for each Map, as there is in one process: storages over the same ones know of each other.
const copies = new WeakMap();
const slows = new WeakMap();

function copying(map) {
  if (!copies.has(map)) copies.set(map, new CopyingDict(map));
  return copies.get(map);
}

function slow(map, pause) {
  if (!slows.has(map)) slows.set(map, new SlowDict(map, pause));
  return slows.get(map);
}
