/** @import { Command } from '../context.js' */
import { KeyError } from '../../load/inline.js';
import { Failure } from '../failures.js';
import { listed } from '../places/part.js';
import { DEAD_LETTER_OPTIONS, PLACE_OPTIONS, placesOf, queueOn } from '../places/place.js';
import { anId } from '../values.js';

/** @type {Command} */
export const retry = {
  summary: 'Lets messages be due now',
  about: [
    'A message that waits is attempted as soon as a service, or `flush`, works on the queue.',
    'With --dead-letter a message that was given up and is kept there goes back into the queue under another id, for those who were given up.',
  ],
  operands: { name: 'ID', least: 1, most: Infinity, read: anId },
  options: { ...PLACE_OPTIONS, ...DEAD_LETTER_OPTIONS },
  async run(context) {
    const { values, out } = context;
    const { where, dead } = placesOf(values);
    const place = await context.open(where);
    const queue = queueOn(place.storage, dead && (await context.open(dead)).storage);
    /** @type {string[]} ids under which dead letters are queued again */
    const queued = [];
    queue.addEventListener('queued', ({ detail }) => void queued.push(detail.id));
    return context.each(async (id) => {
      queued.length = 0;
      const before = await listed(place.host, id);
      await queue.retry(id).catch((error) => {
        if (error instanceof KeyError) throw new Failure(`there is no such message that waits${dead ? ' or was given up' : ''}`);
        throw error;
      });
      if (before?.state === 'sending' && queued.length === 0) throw new Failure('it is being sent, and stays as it is');
      if (values.json) return out.json({ id, retried: true, ...(queued.length > 0 && { queued }) });
      return out.line(queued.length > 0 ? `${id} is queued again: ${queued.join(', ')}` : `${id} is due now`);
    });
  },
};
