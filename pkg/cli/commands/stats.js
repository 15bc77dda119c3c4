/** @import { Command } from '../context.js' */
import { DEAD_LETTER_OPTIONS, PLACE_OPTIONS, placesOf, queueOn } from '../places/place.js';
import { asDate, fromNow } from '../times.js';

/** @type {Command} */
export const stats = {
  summary: 'Counts the messages by state',
  about: [
    'due counts those of waiting and deferred whose time has come. messages counts also what is kept as delivered and what '
      + 'cannot be read. It looks through the whole queue.',
  ],
  options: { ...PLACE_OPTIONS, ...DEAD_LETTER_OPTIONS },
  async run(context) {
    const { values, out, progress } = context;
    const { where, dead } = placesOf(values);
    const { storage } = await context.open(where);
    const queue = queueOn(storage, dead && (await context.open(dead)).storage);
    const { metaSize } = await storage.getInfo();
    progress.show(() => `counting ${metaSize} messages`);
    const counts = await queue.count();
    progress.clear();
    if (values.json) return out.json({ ...counts, messages: metaSize });
    const { waiting, deferred, due, sending, failed, oldestDue } = counts;
    const shown = { messages: metaSize, waiting, deferred, due, sending, ...(dead && { failed }) };
    const digits = String(metaSize).length;
    for (const [name, count] of Object.entries(shown)) await out.line(`${name.padEnd(10)}${String(count).padStart(digits)}`);
    if (oldestDue !== null) {
      await out.line(`oldest    ${asDate(oldestDue)}`);
      await out.line(`          ${fromNow(oldestDue, Date.now())}`);
    }
  },
};
