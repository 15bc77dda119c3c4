/**
 * One of several contexts that change the same few messages at random, and its journal of what was acknowledged. Pages
 * and workers run it.
 */
import { envelope } from '/support/behaviours.js';
import { Random } from '/support/random.js';

const LANES = 3;
const MESSAGES = 6;

/**
 * @typedef {object} Journal
 * @property {string[]} written
 * @property {[id: string, count: number][]} counted what `incrementAttempts` answered
 * @property {[id: string, position: number][]} marked
 * @property {[id: string, from: number][]} moved timestamps that were set one higher
 * @property {string[]} removed
 * @property {string[]} missed messages that were gone
 * @property {string[]} wrong what may not happen
 */

/**
 * @param {any} storage
 * @param {number} seed
 * @param {number} milliseconds
 * @returns {Promise<Journal>}
 */
export async function contend(storage, seed, milliseconds) {
  const random = new Random(seed);
  const journal = { written: [], counted: [], marked: [], moved: [], removed: [], missed: [], wrong: [] };
  const end = performance.now() + milliseconds;
  // On a busy machine a context may have had no turn by then.
  const isOver = () => performance.now() >= end && journal.written.length > 0 && journal.counted.length > 0;
  await Promise.all(Array.from({ length: LANES }, async () => {
    while (!isOver()) {
      const known = [];
      for await (const message of storage.load()) known.push(message);
      for (let i = 0; i < 10; i++) await step(storage, random, journal, known);
    }
  }));
  return journal;
}

async function step(storage, random, journal, known) {
  if (known.length < MESSAGES || random.chance(20)) {
    const id = await storage.write(envelope(), 0);
    journal.written.push(id);
    known.push([0, id]);
    return;
  }
  const message = random.pick(known);
  const [timestamp, id] = message;
  try {
    const choice = random.below(20);
    if (choice < 8) {
      journal.counted.push([id, await storage.incrementAttempts(id)]);
    } else if (choice < 13) {
      const position = random.below(3);
      await storage.setRecipientsDelivered(id, [position]);
      journal.marked.push([id, position]);
    } else if (choice < 19) {
      const done = await storage.change(id, { timestamp }, { timestamp: timestamp + 1 });
      if (done) journal.moved.push([id, timestamp]);
      message[0]++; // whoever was first, it is higher now
    } else {
      await storage.remove(id);
      journal.removed.push(id);
      known.splice(known.indexOf(message), 1);
      await storage.incrementAttempts(id);
      journal.wrong.push(`${id} was counted after it was removed`);
    }
  } catch (error) {
    if (error.code === 'no-such-message') journal.missed.push(id);
    else journal.wrong.push(String(error));
    if (known.includes(message)) known.splice(known.indexOf(message), 1);
  }
}
