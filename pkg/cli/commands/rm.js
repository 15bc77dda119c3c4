/** @import { Command } from '../context.js' */
/** @import { Place } from '../places/place.js' */
import { YES } from '../context.js';
import { Failure } from '../failures.js';
import { listed } from '../places/part.js';
import { PLACE_OPTIONS, queueOn, whereOf } from '../places/place.js';
import { anId } from '../values.js';

/** @type {Command} */
export const rm = {
  summary: 'Removes messages that wait',
  about: [
    'Nobody gets a removed message, and its sender is not told. What is being sent, or was delivered and is kept, stays.',
    'A dead letter is removed by naming its place as the queue: rm --level DEAD-LETTER ID.',
    'With --force a message goes whatever its state is, also one whose record cannot be read.',
  ],
  operands: { name: 'ID', least: 1, most: Infinity, read: anId },
  options: { ...PLACE_OPTIONS, ...YES, force: { help: 'removes whatever is there under the id' } },
  async run(context) {
    const { values, operands, out } = context;
    const where = whereOf(values);
    const place = await context.open(where);
    const { length } = operands;
    await context.confirm(`Remove ${length === 1 ? `message ${operands[0]}` : `${length} messages`} for good?`);
    return context.each(async (id) => {
      await (values.force ? removeAny(place, id) : remove(place, id));
      await (values.json ? out.json({ id, removed: true }) : out.line(`${id} is removed`));
    });
  },
};

/**
 * Why a message is not removed that is there.
 *
 * @type {Record<string, string>}
 */
const STAYS = { sending: 'it is being sent, and stays', delivered: 'it was delivered, and is kept for a while' };

/**
 * @param {Place} place
 * @param {string} id
 */
async function remove({ storage, host }, id) {
  if (await queueOn(storage, undefined).cancel(id)) return;
  const message = await listed(host, id);
  throw new Failure(message ? STAYS[message.state] ?? 'its sender is still to be told, and it stays: --force removes it'
    : 'there is no such message');
}

/**
 * @param {Place} place
 * @param {string} id
 */
async function removeAny({ storage, host }, id) {
  const records = await Promise.all([host.read('meta', id), host.read('envelope', id)]);
  if (records.every((record) => record === undefined)) throw new Failure('there is no such message');
  await storage.remove(id);
}
