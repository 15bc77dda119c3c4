/** @import { Command, Context } from '../context.js' */
/** @import { Envelope, ListedMessage, Meta, Reply } from '../../types.js' */
/** @import { Place } from '../places/place.js' */
import { formatMessage } from '../../load/inline.js';
import { unfolded } from '../headers.js';
import { listed } from '../places/part.js';
import { DEAD_LETTER_OPTIONS, PLACE_OPTIONS, deadLetterOf, whereOf } from '../places/place.js';
import { printable, printableLines } from '../printable.js';
import { paintState, replyOf } from '../row.js';
import { asDate, fromNow } from '../times.js';
import { anId } from '../values.js';
import { wrap } from '../width.js';

/** @typedef {{ address: string, state: string, reply?: Reply }} Recipient */

/** @type {Command} */
export const show = {
  summary: 'Shows one message: its envelope, and what became of each recipient',
  about: ['With --raw it writes the message as it is sent. A terminal gets it with its control characters escaped.'],
  operands: { name: 'ID', least: 1, most: 1, read: anId },
  options: {
    ...PLACE_OPTIONS, ...DEAD_LETTER_OPTIONS,
    raw: { help: 'writes the message itself' },
  },
  async run(context) {
    const { values, operands: [id], out } = context;
    const where = whereOf(values);
    const dead = values['dead-letter'] === undefined ? undefined : deadLetterOf(where, values['dead-letter']);
    const place = await context.open(where);
    const isDead = dead !== undefined && (await place.host.read('meta', id)) === undefined;
    const { envelope, meta, message } = await readAll(isDead ? await context.open(dead) : place, id, isDead);
    if (values.raw) {
      const raw = formatMessage(envelope);
      return out.write(out.isTerminal ? printableLines(new TextDecoder().decode(raw)) : raw);
    }
    const recipients = envelope.recipients.map((address, i) => recipientOf(address, i, message, meta));
    return values.json ? out.json(asJson(message, envelope, meta, recipients)) : write(context, message, envelope, meta, recipients);
  },
};

/**
 * @param {Place} place
 * @param {string} id
 * @param {boolean} isDead
 * @returns {Promise<{ envelope: Envelope, meta: Meta, message: ListedMessage }>}
 */
async function readAll({ host, storage }, id, isDead) {
  const [left] = await storage.get(id); // says what is wrong where something is
  const [envelope, meta, message] = [await host.read('envelope', id), await host.read('meta', id), await listed(host, id, isDead)];
  if (!envelope || !meta || !message) await storage.get(id); // it was removed in between
  // `get` has judged what it gives; who is left out of it, the record says.
  const { recipients } = /** @type {Envelope} */ (envelope?.value);
  return { envelope: { ...left, recipients }, meta: /** @type {Meta} */ (meta?.value), message: /** @type {ListedMessage} */ (message) };
}

/**
 * @param {string} address
 * @param {number} index
 * @param {ListedMessage} message
 * @param {Meta} meta
 * @returns {Recipient}
 */
function recipientOf(address, index, { state }, { deliveredIndexes = [], failed = [], replies = [] }) {
  const reply = replies.find(({ indexes }) => indexes.includes(index))?.reply;
  const isFailed = failed.some(({ indexes }) => indexes.includes(index));
  const own = isFailed ? 'failed' : deliveredIndexes.includes(index) ? 'delivered' : state;
  return { address, state: own, ...(reply && { reply }) };
}

/**
 * @param {ListedMessage} message
 * @param {Envelope} envelope
 * @param {Meta} meta
 * @param {Recipient[]} recipients
 */
function asJson({ id, state, due, attempts }, { sender, headers, message = '', timestamp }, meta, recipients) {
  const { firstAttempt, scheduled, lease, untold, notice } = meta;
  return {
    id, state, due, attempts, firstAttempt, scheduled, lease, untold, notice, received: timestamp ?? undefined, sender,
    recipients, headers, size: sizeOf(message),
  };
}

/**
 * @param {Context} context
 * @param {ListedMessage} message
 * @param {Envelope} envelope
 * @param {Meta} meta
 * @param {Recipient[]} recipients
 */
async function write({ out }, { id, state, due, attempts }, envelope, { firstAttempt, lease }, recipients) {
  const now = Date.now();
  const time = (/** @type {number} */ time) => `${asDate(time)} (${fromNow(time, now)})`;
  const { sender, headers = [], message = '', timestamp } = envelope;
  const fields = {
    state, due: time(due), attempts: String(attempts),
    ...(firstAttempt !== undefined && { 'first try': time(firstAttempt) }),
    ...(state === 'sending' && lease && { claim: `of ${lease.owner}, until ${asDate(lease.until)}` }),
    ...(typeof timestamp === 'number' && { received: asDate(timestamp) }),
    sender: sender || '<>', body: `${sizeOf(message)} bytes`,
  };
  await out.line(id);
  for (const [name, value] of Object.entries(fields)) {
    const [first, ...more] = wrap(printable(value), out.columns - 11);
    await out.line(`${name.padEnd(11)}${name === 'state' ? paintState(out, first) : first}`);
    for (const line of more) await out.line(`${' '.repeat(11)}${line}`);
  }
  await out.line('\nrecipients');
  for (const { address, state, reply } of recipients) {
    const [first, ...more] = wrap(printable(address), out.columns - 13);
    await out.line(`  ${paintState(out, state)}${' '.repeat(Math.max(1, 11 - state.length))}${first}`);
    for (const line of [...more, ...(reply ? wrap(replyOf(reply), out.columns - 13) : [])]) await out.line(`${' '.repeat(13)}${line}`);
  }
  if (headers.length > 0) await out.line('\nheaders');
  for (const [name, value] of headers) {
    const [first, ...more] = wrap(printable(`${name}: ${unfolded(value)}`), out.columns - 4);
    await out.line(`  ${first}`);
    for (const line of more) await out.line(`    ${line}`);
  }
}

/** @param {Uint8Array | string} message */
function sizeOf(message) {
  return typeof message === 'string' ? Buffer.byteLength(message) : message.length;
}
