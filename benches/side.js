/**
 * One side of a comparison: the operations of one implementation, each over all messages.
 *
 * Import it once for each side, with the side's name as the query (`./side.js?ours`): a module that was loaded under
 * two addresses is compiled twice, so that no call site here learns the objects of both sides.
 */

/** How to load each side; the second rival is a second copy of the first one. */
const CLASSES = {
  ours: async () => (await import('../pkg/load/inline.js')).DictStorage,
  rival: async () => (await import('./rivals/maps.js')).MapsStorage,
  // @ts-expect-error: the compiler looks for a file of that name
  'rival-again': async () => (await import('./rivals/maps.js?again')).MapsStorage,
};

/** @typedef {{ storage: any, ids: string[], envelopes: object[], messages: number }} Run */

/** Milliseconds since the epoch, about now: no small integers. */
const TIMESTAMP = 1_700_000_000_000;
const RETRY = 60_000;
const DELIVERED = [[0], [1], [2]];
const CHUNK = 1000;

const side = new URL(import.meta.url).search.slice(1);
const Storage = await CLASSES[side]();

/**
 * A storage with nothing in it yet.
 *
 * @param {object[]} envelopes
 * @param {number} messages
 * @returns {Run}
 */
export function begin(envelopes, messages) {
  return { storage: new Storage(), ids: [], envelopes, messages };
}

/**
 * What is timed, in this order. Each returns a checksum over what it was answered, so that nothing can be optimised
 * away and both sides can be seen to have done the same.
 *
 * @type {Record<string, (run: Run) => number>}
 */
export const operations = {
  write: inChunks(({ storage, ids, envelopes }, from, to) => {
    for (let i = from; i < to; i++) ids.push(storage.write(envelopes[i % envelopes.length], TIMESTAMP + i));
    return ids.length;
  }),

  setTimestamp: inChunks(({ storage, ids }, from, to) => {
    for (let i = from; i < to; i++) storage.setTimestamp(ids[i], TIMESTAMP + RETRY + i);
    return to;
  }),

  incrementAttempts: inChunks(({ storage, ids }, from, to) => {
    let sum = 0;
    for (let i = from; i < to; i++) sum += storage.incrementAttempts(ids[i]);
    return sum;
  }),

  setRecipientsDelivered: inChunks(({ storage, ids }, from, to) => {
    for (let i = from; i < to; i++) storage.setRecipientsDelivered(ids[i], DELIVERED[i % DELIVERED.length]);
    return to;
  }),

  get: inChunks(({ storage, ids }, from, to) => {
    let sum = 0;
    for (let i = from; i < to; i++) {
      const [envelope, attempts, rcptIndexes] = storage.get(ids[i]);
      sum += envelope.message.length + envelope.recipients.length + attempts + rcptIndexes[0] + rcptIndexes[1];
    }
    return sum;
  }),

  load({ storage }) {
    let sum = 0;
    for (const [timestamp, id] of storage.load()) sum += timestamp - TIMESTAMP + id.length;
    return sum;
  },

  getInfo: inChunks(({ storage }, from, to) => {
    let sum = 0;
    for (let i = from; i < to; i++) {
      const { size, metaSize } = storage.getInfo();
      sum += size + metaSize;
    }
    return sum;
  }),

  remove: inChunks(({ storage, ids }, from, to) => {
    for (let i = from; i < to; i++) storage.remove(ids[i]);
    const { size, metaSize } = storage.getInfo();
    return size + metaSize;
  }),
};

/**
 * All messages, some at a time: a loop that is called often is optimised once and stays so, while one long call would
 * be timed together with the compiler that overtakes it.
 *
 * @param {(run: Run, from: number, to: number) => number} some
 * @returns {(run: Run) => number}
 */
function inChunks(some) {
  return (run) => {
    let sum = 0;
    for (let from = 0; from < run.messages; from += CHUNK) sum += some(run, from, Math.min(from + CHUNK, run.messages));
    return sum;
  };
}
