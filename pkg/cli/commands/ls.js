/** @import { Command } from '../context.js' */
/** @import { Envelope, ListedMessage } from '../../types.js' */
/** @import { Output } from '../output.js' */
/** @import { Place } from '../places/place.js' */
import { Failure, UsageError } from '../failures.js';
import { DEAD_LETTER_OPTIONS, PLACE_OPTIONS, placesOf, queueOn } from '../places/place.js';
import { printable } from '../printable.js';
import { writeHead, writeRow } from '../row.js';
import { aCount, aState } from '../values.js';
import { cut } from '../width.js';
import { subjectOf } from '../headers.js';

/** @type {Command} */
export const ls = {
  summary: 'Lists the messages with their states',
  about: [
    'A message is waiting (never attempted), sending (somebody has claimed it), deferred (to be attempted again), failed '
      + '(given up, in the dead letter) or delivered (kept for a while).',
    'DUE is when it is attempted next, when its claim ends or, of what failed, when it was given up. TRIES is how often it '
      + 'was attempted.',
  ],
  options: {
    ...PLACE_OPTIONS, ...DEAD_LETTER_OPTIONS,
    state: { value: 'STATE', help: 'only those in this state', read: aState },
    limit: { value: 'NUMBER', help: 'so many at most', read: aCount },
    long: { help: 'from whom and to whom it is, and its subject, too', short: 'l' },
  },
  async run(context) {
    const { values, out, signal } = context;
    const { where, dead } = placesOf(values);
    if (values.state === 'failed' && !dead) throw new UsageError('--state failed lists a dead letter: name it with --dead-letter');
    const place = await context.open(where);
    const deadLetter = dead && (await context.open(dead));
    const { state, limit, long = false } = values;
    const list = queueOn(place.storage, deadLetter?.storage).list({ state, limit, envelopes: long });
    let count = 0;
    for await (const message of list) {
      if (context.isInterrupted) throw new Failure('interrupted: the list is not whole');
      if (signal.aborted) return;
      if (values.json) await out.json(long ? withoutBody(message) : message);
      else {
        if (count === 0) await writeHead(out);
        await writeRow(out, message);
        if (message.envelope) await writeEnvelope(out, message.envelope);
      }
      count++;
    }
    if (state !== undefined || limit !== undefined || signal.aborted) return;
    const missing = (await sizeOf(place)) + (await sizeOf(deadLetter)) - count;
    if (missing > 0) context.tell(`not listed: ${missing}, whose records cannot be read or that came meanwhile; \`check\` tells`);
  },
};

/**
 * @param {Output} out
 * @param {Envelope} envelope
 */
async function writeEnvelope(out, { sender, recipients, headers }) {
  const [first = '', ...others] = recipients;
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  await out.line(cut(`  ${printable(`${sender || '<>'} to ${first}${more}`)}`, out.columns));
  await out.line(cut(`  ${printable(subjectOf(headers))}`.trimEnd(), out.columns));
}

/** @param {Place | undefined} place */
async function sizeOf(place) {
  return place ? (await place.storage.getInfo()).metaSize : 0;
}

/** @param {ListedMessage} message */
function withoutBody({ envelope, ...rest }) {
  return envelope ? { ...rest, sender: envelope.sender, recipients: envelope.recipients, headers: envelope.headers } : rest;
}
