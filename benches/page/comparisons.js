/** What is compared in a page: in each comparison our side and its rivals do the same over databases of their own. */
import { AsyncDictStorage } from '../../pkg/load/inline.js';
import { indexedDBHost } from '../../pkg/hosts/indexeddb.js';
import { makeEnvelopes } from '../messages.js';
import { IdbOutbox } from '../rivals/idb.js';
import { MetaStore } from '../rivals/transactions.js';
import { WorkboxOutbox } from '../rivals/workbox.js';

/**
 * One side of a comparison. `run` is what is timed, over `count` messages; it returns a checksum by which the sides can
 * be seen to have done the same. What comes before it is not timed.
 *
 * @typedef {object} Side
 * @property {() => Promise<unknown>} [before]
 * @property {(count: number) => Promise<number>} run
 * @property {() => unknown} [end]
 *
 * @typedef {{ count: number, rounds: number, sides: Record<string, (name: string) => Promise<Side>> }} Comparison
 */

/** @typedef {'strict' | 'relaxed'} Durability */

/** Milliseconds since the epoch, about now: no small integers. */
const TIMESTAMP = 1_700_000_000_000;
const envelopes = makeEnvelopes(1000);

/** How many messages are handed over at once. */
const AT_ONCE = 100;
/** How many follow each other before it is the other side's turn: few, so that both meet the same load. */
const IN_TURN = 20;

/** @param {number} listed how many messages `load` lists */
export function comparisons(listed) {
  /** @type {Record<string, Comparison>} */
  const all = {
    'write-at-once': atOnce({ idb: idbTogether('strict') }),
    'write-at-once-each': atOnce({ idb: idbEach('strict') }),
    'write-at-once-workbox': atOnce({ workbox }),
    'write-awaited-strict': awaited('strict'),
    'write-awaited-relaxed': awaited('relaxed'),
    'increment-awaited': incrementing({ order: inTurn, count: IN_TURN, rounds: 10, messages: IN_TURN }),
    'increment-awaited-unknown': incrementing({ order: inTurn, count: 100, rounds: 2, messages: 100, known: false }),
    'increment-at-once': incrementing({ order: together, count: AT_ONCE, rounds: 5, messages: AT_ONCE }),
    'increment-one-message': incrementing({ order: together, count: AT_ONCE, rounds: 5, messages: 1 }),
    load: listing(listed),
  };
  return all;
}

/**
 * @param {Comparison['sides']} rivals
 * @returns {Comparison}
 */
function atOnce(rivals) {
  return { count: AT_ONCE, rounds: 5, sides: { ours: writing('strict', together), ...rivals } };
}

/**
 * @param {Durability} durability
 * @returns {Comparison}
 */
function awaited(durability) {
  const idb = async (/** @type {string} */ name) => {
    const outbox = await IdbOutbox.open(name, durability);
    return writer(outbox, inTurn);
  };
  return { count: IN_TURN, rounds: 10, sides: { ours: writing(durability, inTurn), idb } };
}

/**
 * @param {Durability} durability
 * @param {typeof together} order
 */
function writing(durability, order) {
  return async (/** @type {string} */ name) => writer(open(name, durability), order);
}

/** @param {Durability} durability */
function idbEach(durability) {
  return async (/** @type {string} */ name) => writer(await IdbOutbox.open(name, durability), together);
}

/** @param {Durability} durability */
function idbTogether(durability) {
  return async (/** @type {string} */ name) => {
    const outbox = await IdbOutbox.open(name, durability);
    return {
      run: async (/** @type {number} */ count) => {
        await outbox.writeAll(envelopes.slice(0, count), TIMESTAMP);
        return count;
      },
      end: () => outbox.close(),
    };
  };
}

/** @param {string} name */
async function workbox(name) {
  return writer(new WorkboxOutbox(name), together);
}

/**
 * @param {{ write: (envelope: any, timestamp: number) => Promise<unknown>, close?: () => unknown }} outbox
 * @param {typeof together} order
 * @returns {Side}
 */
function writer(outbox, order) {
  return {
    run: (count) => order(count, async (i) => {
      await outbox.write(envelopes[i], TIMESTAMP + i);
      return 1;
    }),
    end: () => outbox.close?.(),
  };
}

/**
 * @param {object} how
 * @param {typeof together} how.order
 * @param {number} how.count
 * @param {number} how.rounds
 * @param {number} how.messages over how many messages the increments go
 * @param {boolean} [how.known] whether our side has seen the messages before
 * @returns {Comparison}
 */
function incrementing({ order, count, rounds, messages, known = true }) {
  return {
    count,
    rounds,
    sides: {
      async ours(name) {
        let storage = open(name, 'strict');
        /** @type {string[]} */
        const ids = [];
        for (let i = 0; i < messages; i++) ids.push(await storage.write(envelopes[i], TIMESTAMP + i));
        const forget = async () => {
          await storage.close();
          storage = open(name, 'strict');
          await storage.getInfo();
        };
        return {
          before: known ? undefined : forget,
          run: (count) => order(count, (i) => storage.incrementAttempts(ids[i % messages])),
          end: () => storage.close(),
        };
      },
      async 'by hand'(name) {
        const store = await MetaStore.open(name, 'strict');
        const records = makeRecords(messages);
        await store.fill(records);
        return {
          run: (count) => order(count, (i) => store.increment(records[i % messages].id)),
          end: () => store.close(),
        };
      },
    },
  };
}

/**
 * @param {number} count
 * @returns {Comparison}
 */
function listing(count) {
  /** @param {(store: MetaStore) => AsyncIterable<[number, string]>} list */
  const byHand = (list) => async (/** @type {string} */ name) => {
    const store = await MetaStore.open(name, 'relaxed');
    const records = makeRecords(count);
    for (let i = 0; i < count; i += 5000) await store.fill(records.slice(i, i + 5000));
    return { run: () => sumOf(list(store)), end: () => store.close() };
  };
  /** @type {Comparison['sides']} */
  const sides = {
    async ours(name) {
      const storage = open(name, 'relaxed');
      for (let i = 0; i < count; i += 5000) {
        const some = Array.from({ length: Math.min(5000, count - i) }, (_, j) => i + j);
        await Promise.all(some.map((j) => storage.write(SMALL, TIMESTAMP + j)));
      }
      return { run: () => sumOf(storage.load()), end: () => storage.close() };
    },
    'getAll, pages of 1,000': byHand((store) => store.byGetAll(1000)),
    'getAll, pages of 1,000, no generator': byHand((store) => store.byGetAllIterated(1000)),
    'getAll and getAllKeys, pages of 1,000': byHand((store) => store.byGetAllAndKeys(1000)),
    cursor: byHand((store) => store.byCursor()),
  };
  if ('getAllRecords' in IDBObjectStore.prototype) {
    sides['getAllRecords, pages of 1,000'] = byHand((store) => store.byGetAllRecords(1000));
  }
  return { count, rounds: 1, sides };
}

/** What listings never read. */
const SMALL = { sender: null, recipients: [] };

/** @param {AsyncIterable<[number, string]>} listing */
async function sumOf(listing) {
  let sum = 0;
  for await (const [timestamp, id] of listing) sum += timestamp - TIMESTAMP + id.length;
  return sum;
}

/**
 * @param {number} count
 * @param {(i: number) => Promise<number>} call
 */
async function together(count, call) {
  const calls = [];
  for (let i = 0; i < count; i++) calls.push(call(i));
  let sum = 0;
  for (const result of await Promise.all(calls)) sum += result;
  return sum;
}

/** @type {typeof together} */
async function inTurn(count, call) {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += await call(i);
  return sum;
}

/** @param {number} count */
function makeRecords(count) {
  return Array.from({ length: count }, (_, i) => ({
    id: crypto.randomUUID().replaceAll('-', ''), timestamp: TIMESTAMP + i, attempts: 0,
  }));
}

/**
 * @param {string} name
 * @param {Durability} durability
 */
function open(name, durability) {
  return new AsyncDictStorage(indexedDBHost(name, { durability }), { deadline: 600_000 });
}
