/** @import { Command } from '../context.js' */
import { KeyError } from '../../load/inline.js';
import { Failure, isAboutOne } from '../failures.js';
import { DEAD_LETTER_OPTIONS, PLACE_OPTIONS, deadLetterOf, queueOn, whereOf } from '../places/place.js';
import { anId } from '../values.js';

/** @type {Command} */
export const retry = {
  summary: 'Lets messages be due now',
  about: [
    'A message that waits is attempted as soon as a service, or `flush`, works on the queue.',
    'With --dead-letter a message that was given up and is kept there goes back into the queue, for those who were given up.',
  ],
  operands: { name: 'ID', least: 1, most: Infinity, read: anId },
  options: { ...PLACE_OPTIONS, ...DEAD_LETTER_OPTIONS },
  async run(context) {
    const { values, operands, out, signal } = context;
    const where = whereOf(values);
    const dead = values['dead-letter'] === undefined ? undefined : deadLetterOf(where, values['dead-letter']);
    const place = await context.open(where);
    const queue = queueOn(place.storage, dead && (await context.open(dead)).storage);
    let failed = 0;
    for (const id of operands) {
      if (signal.aborted) throw new Failure(`interrupted before ${id}`);
      try {
        await queue.retry(id);
        await (values.json ? out.json({ id, retried: true }) : out.line(`${id} is due now`));
      } catch (error) {
        if (!isAboutOne(error)) throw error;
        failed++;
        if (error instanceof KeyError) context.tell(`${id}: there is no such message that waits${dead ? ' or was given up' : ''}`);
        else context.tellFailure(id, error);
      }
    }
    return failed > 0 ? 1 : 0;
  },
};
