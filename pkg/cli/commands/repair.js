/** @import { Command } from '../context.js' */
/** @import { Findings } from '../../types.js' */
import { YES } from '../context.js';
import { Failure } from '../failures.js';
import { PLACE_OPTIONS, whereOf } from '../places/place.js';
import { anId } from '../values.js';
import { KINDS } from './check.js';

/** @type {Command} */
export const repair = {
  summary: 'Clears what `check` finds',
  about: [
    'It clears envelopes that no list shows, of writes that were never acknowledged, and records without an envelope. What '
      + 'cannot be read stays: --requeue gives it a fresh record, `rm --force` removes it.',
    'A fresh record knows nothing of what was delivered: all recipients get the message, again perhaps.',
  ],
  options: {
    ...PLACE_OPTIONS, ...YES,
    requeue: { value: 'ID', help: 'gives a message a fresh record, due now', read: anId, many: true },
  },
  async run(context) {
    const { values, out, progress } = context;
    const where = whereOf(values);
    const { storage } = await context.open(where);
    const requeue = /** @type {string[]} */ (values.requeue ?? []);
    progress.show(() => 'reading every record');
    const { orphanEnvelopes, orphanMeta } = await storage.check();
    const orphans = [...orphanEnvelopes, ...orphanMeta].filter((id) => !requeue.includes(id)).length;
    progress.clear();
    if (orphans + requeue.length > 0) {
      await context.confirm(`Clear ${orphans} for good, and queue ${requeue.length} again for all their recipients?`);
    }
    if (context.signal.aborted) throw new Failure('interrupted: nothing was cleared');
    // Every host of this program commits a message at once: an envelope alone is no write under way.
    const cleared = await storage.repair({ minAge: 0, requeue });
    if (values.json) await out.json(cleared);
    else await write(out, cleared);
    const missing = requeue.filter((id) => !cleared.corrupt.includes(id));
    for (const id of missing) {
      context.tell(`${id}: it was not queued again: it is whole, or its envelope is missing or cannot be read`);
    }
    return missing.length > 0 ? 1 : 0;
  },
};

/**
 * @param {import('../output.js').Output} out
 * @param {Findings} cleared
 */
async function write(out, cleared) {
  for (const id of cleared.orphanEnvelopes) await out.line(`${id}  cleared: ${KINDS.orphanEnvelopes}`);
  for (const id of cleared.orphanMeta) await out.line(`${id}  cleared: ${KINDS.orphanMeta}`);
  for (const id of cleared.corrupt) await out.line(`${id}  queued again`);
  if (Object.values(cleared).flat().length === 0) await out.line('nothing to clear');
}
