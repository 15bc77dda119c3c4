import { AsyncDictStorage, DictStorage } from '../../pkg/load/inline.js';
import { all, anEnvelope, idOf } from './calls.js';
import { SlowDict } from './dicts.js';
import { Faults, faultyDict, faultyHost } from './faults.js';
import { MemoryHost, Store } from './host.js';

/** Attempted twice, delivered to the second of three recipients. */
export const WHOLE = idOf(1);
/** Whatever happens to others, it stays as it is. */
export const OTHER = idOf(2);
/** The envelope that a write left which was cut short. */
export const CUT = idOf(4);
/** A good envelope whose meta record was damaged. */
export const CORRUPT = idOf(5);
/** Not there. */
export const NEW = idOf(6);

/** A store that has seen a little of everything. */
export function aStore() {
  const store = new Store();
  for (const id of [OTHER, WHOLE, CUT, CORRUPT]) store.envelope.set(id, anEnvelope());
  store.meta.set(OTHER, { timestamp: 20, attempts: 0 });
  store.meta.set(WHOLE, { timestamp: 10, attempts: 2, deliveredIndexes: [1] });
  store.meta.set(CORRUPT, { timestamp: 'never', attempts: 0 });
  return store;
}

/**
 * Every call there is. `writes`: it changes something; `commits`: it hands something over, even if that changes
 * nothing; `repeatable`: made again after an outcome that is unknown, it does what it should have done.
 *
 * @typedef {object} Operation
 * @property {(storage: any) => any} run
 * @property {boolean} [writes]
 * @property {boolean} [commits]
 * @property {boolean} [repeatable]
 * @property {string} [about] the message that it is about
 */

const write = (id) => (storage) => storage.write(anEnvelope(), 30, { id });

/** @type {Record<string, Operation>} */
export const OPERATIONS = {
  'write under a generated id': { run: (s) => s.write(anEnvelope(), 30), writes: true },
  'write under a new id': { run: write(NEW), writes: true, repeatable: true, about: NEW },
  'write under an id cut short': { run: write(CUT), writes: true, repeatable: true, about: CUT },
  'write under an id that is there': { run: write(WHOLE), commits: true, repeatable: true, about: WHOLE },
  setTimestamp: { run: (s) => s.setTimestamp(WHOLE, 50), writes: true, repeatable: true, about: WHOLE },
  incrementAttempts: { run: (s) => s.incrementAttempts(WHOLE), writes: true, about: WHOLE },
  setRecipientsDelivered: {
    run: (s) => s.setRecipientsDelivered(WHOLE, [2, 1]),
    writes: true,
    repeatable: true,
    about: WHOLE,
  },
  change: {
    run: (s) => s.change(WHOLE, { timestamp: 10 }, { attempts: 9, lease: { until: 5, owner: 'me' }, delivered: [0] }),
    writes: true,
    repeatable: true,
    about: WHOLE,
  },
  'change that is not as expected': { run: (s) => s.change(WHOLE, { attempts: 77 }, { attempts: 0 }), about: WHOLE },
  get: { run: (s) => s.get(WHOLE), about: WHOLE },
  remove: { run: (s) => s.remove(WHOLE), writes: true, repeatable: true, about: WHOLE },
  'remove of an envelope alone': { run: (s) => s.remove(CUT), writes: true, repeatable: true, about: CUT },
  'remove of nothing': { run: (s) => s.remove(NEW), commits: true, repeatable: true, about: NEW },
  load: { run: (s) => all(s.load()) },
  getInfo: { run: (s) => s.getInfo() },
  check: { run: (s) => s.check() },
  repair: { run: (s) => s.repair({ minAge: 0 }), writes: true, repeatable: true },
  requeue: { run: (s) => s.repair({ requeue: [CORRUPT] }), writes: true, repeatable: true },
};

/** Everything in a store that is a whole message, as a text to compare, read by a storage of its own. */
export function listed({ envelope, meta }) {
  const storage = new DictStorage(envelope, meta);
  const messages = [...storage.load()].map(([timestamp, id]) => [id, timestamp, storage.get(id), meta.get(id).lease]);
  // A generated id is another one each time.
  for (const message of messages) if (!/^0{31}/.test(message[0])) message[0] = 'generated';
  return JSON.stringify(messages.sort(([one], [other]) => (one < other ? -1 : 1)), (_, value) => value ?? 'none');
}

/**
 * The storages that misbehaving dictionaries and hosts are put under.
 *
 * @type {{ name: string, sync: boolean, atomic: boolean, over: (store: Store, faults: any, options?: any) => any }[]}
 */
export const SETTINGS = [
  {
    name: 'DictStorage on dictionaries',
    sync: true,
    atomic: false,
    over: ({ envelope, meta }, faults) =>
      new DictStorage(faultyDict(envelope, faults, 'envelope'), faultyDict(meta, faults, 'meta')),
  },
  {
    name: 'AsyncDictStorage on dictionaries',
    sync: false,
    atomic: false,
    over: ({ envelope, meta }, faults, options) => new AsyncDictStorage(
      faultyDict(new SlowDict(envelope), faults, 'envelope'), faultyDict(new SlowDict(meta), faults, 'meta'), options,
    ),
  },
  {
    name: 'AsyncDictStorage on a host',
    sync: false,
    atomic: true,
    over: (store, faults, options) => new AsyncDictStorage(faultyHost(new MemoryHost(store), faults), options),
  },
];

/**
 * The number of calls on the dictionaries that an operation makes, and the whole messages before and after it.
 */
export async function rehearse(setting, run) {
  const [store, faults] = [aStore(), new Faults()];
  const before = listed(store);
  const storage = setting.over(store, faults, {});
  const result = await run(storage);
  return { calls: faults.calls, before, after: listed(store), result };
}
