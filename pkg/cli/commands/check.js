/** @import { Command } from '../context.js' */
/** @import { Findings } from '../../types.js' */
import { PLACE_OPTIONS, whereOf } from '../places/place.js';
import { printable } from '../printable.js';

/**
 * What each kind of finding is.
 *
 * @type {{ [Kind in keyof Findings]: string }}
 */
export const KINDS = {
  orphanEnvelopes: 'an envelope that no list shows',
  orphanMeta: 'a record without its envelope',
  corrupt: 'cannot be read',
};

/** @type {Command} */
export const check = {
  summary: 'Reads every record and names what is not a whole message',
  about: ['It changes nothing, and ends with 1 if it has found something. `repair` clears what it finds.'],
  options: PLACE_OPTIONS,
  async run(context) {
    const { values, out, progress } = context;
    const where = whereOf(values);
    const { storage } = await context.open(where);
    const { metaSize } = await storage.getInfo();
    progress.show(() => `reading ${metaSize} messages`);
    const findings = await storage.check();
    progress.clear();
    const found = Object.values(findings).flat().length;
    if (values.json) await out.json(findings);
    else {
      for (const [kind, what] of Object.entries(KINDS)) {
        for (const id of findings[/** @type {keyof Findings} */ (kind)]) await out.line(`${printable(id)}  ${what}`);
      }
      const whole = `${metaSize} ${metaSize === 1 ? 'message' : 'messages'}, all whole`;
      await out.line(found === 0 ? whole : `${found} found, beside whole messages`);
    }
    return found > 0 ? 1 : 0;
  },
};
