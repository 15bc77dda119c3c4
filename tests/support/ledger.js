import { isDeepStrictEqual } from 'node:util';
import { envelopeOf, expected, operations } from './lane.js';

const LANES = 4;
const REFUSALS = 1_000;

/**
 * What must be in a database whose program ends at any moment: all that was acknowledged, and of the one operation
 * that was under way in each lane everything or nothing.
 */
export class Ledger {
  #random;
  /** @type {{ seed: number, messages: [string, import('./lane.js').State][], done: number }[]} */
  #lanes;
  acknowledged = 0;
  /** Messages that are not what was acknowledged but something that they were, or never were. */
  lost = 0;
  /** Messages that are listed and cannot be read, or differ, and what `check` reports. */
  torn = 0;
  /** Changes that the engine refused, saying that nothing was written, before they were made again. */
  refused = 0;
  /** @type {string[]} */
  differences = [];

  /** @param {import('./random.js').Random} random */
  constructor(random) {
    this.#random = random;
    this.#lanes = this.#divide([]);
  }

  /** @param {number} lane */
  acknowledge(lane) {
    this.#lanes[lane].done++;
    this.acknowledged++;
  }

  /** @param {string} error */
  refuse(error) {
    this.refused++;
    if (this.refused > REFUSALS) throw new Error(`refused again and again: ${error}`);
    return null;
  }

  /** What was acknowledged cannot be read: the engine does not open it. */
  loseAll() {
    this.lost += this.acknowledged;
  }

  toString() {
    const more = this.refused > 0 ? `, ${this.refused} refused` : '';
    return `${this.acknowledged.toLocaleString('en')} acknowledged, ${this.lost} lost, ${this.torn} torn${more}`;
  }

  /**
   * Compares what a storage shows with what it must show, takes it as what is there from now on, and returns the lanes
   * that go on from there.
   *
   * @param {Awaited<ReturnType<typeof import('./lane.js').shown>>} found
   */
  async settle({ messages, check }) {
    const left = new Map(messages.map((message) => [message.id, message]));
    if (left.size !== messages.length) this.#tear('a message is listed twice');
    for (const [finding, ids] of Object.entries(check)) for (const id of ids) this.#tear(`check: ${id}: ${finding}`);
    for (const lane of this.#lanes) {
      const state = new Map(lane.messages);
      const ids = new Set(state.keys());
      const course = operations(lane.seed, state);
      for (let i = 0; i < lane.done; i++) ids.add(course.next().value.id);
      const acknowledged = new Map(state);
      const { id: open } = course.next().value;
      for (const id of ids.add(open)) {
        const possible = id === open ? [acknowledged.get(id), state.get(id)] : [acknowledged.get(id)];
        await this.#compare(id, left.get(id), possible);
        left.delete(id);
      }
    }
    for (const id of left.keys()) this.#tear(`${id}: was never written`);
    this.#lanes = this.#divide(messages.filter(({ error }) => !error).map((message) => [message.id, stateOf(message)]));
    return this.#lanes;
  }

  async #compare(id, found, possible) {
    for (const state of possible) {
      if (isDeepStrictEqual(found, state && (await expected(id, state)))) return;
    }
    const difference = `${id}: found ${JSON.stringify(found)}, acknowledged ${JSON.stringify(possible)}`;
    if (found && !isDeepStrictEqual(found, found.error ? null : await expected(id, stateOf(found)))) {
      this.#tear(difference);
    } else {
      this.lost++;
      this.differences.push(difference);
    }
  }

  #tear(difference) {
    this.torn++;
    this.differences.push(difference);
  }

  /** New lanes, among which all messages are divided. */
  #divide(messages) {
    const lanes = Array.from({ length: LANES }, () => (
      { seed: this.#random.below(2 ** 32), messages: /** @type {[string, any][]} */ ([]), done: 0 }));
    for (const entry of messages) this.#random.pick(lanes).messages.push(entry);
    return lanes;
  }
}

/** What a message that is shown has come to. */
function stateOf({ id, timestamp, attempts, indexes }) {
  const delivered = envelopeOf(id).recipients.map((_, i) => i).filter((i) => !indexes.includes(i));
  return { timestamp, attempts, delivered };
}
