/** @import { Command, Context } from '../context.js' */
/** @import { Envelope, ListedMessage, Meta, Reply } from '../../types.js' */
/** @import { Output } from '../output.js' */
/** @import { Place } from '../places/place.js' */
import { formatMessage } from '../../load/inline.js';
import { Failure } from '../failures.js';
import { unfolded } from '../headers.js';
import { listed } from '../places/part.js';
import { DEAD_LETTER_OPTIONS, PLACE_OPTIONS, placesOf } from '../places/place.js';
import { printable, printableLines } from '../printable.js';
import { paintState, replyOf } from '../row.js';
import { asDate, fromNow } from '../times.js';
import { anId } from '../values.js';
import { wrap } from '../width.js';

/** @typedef {{ address: string, state: string, reply?: Reply }} Recipient */
/** @typedef {{ message: ListedMessage, envelope: Envelope, meta: Meta, recipients: Recipient[] }} Shown */

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
    const { where, dead } = placesOf(values);
    const place = await context.open(where);
    const isDead = dead !== undefined && (await place.host.read('meta', id)) === undefined;
    const shown = await readAll(isDead ? await context.open(dead) : place, id, isDead);
    if (values.raw) {
      const raw = formatMessage(shown.envelope);
      return out.write(out.isTerminal ? printableLines(new TextDecoder().decode(raw)) : raw);
    }
    return values.json ? out.json(asJson(shown)) : write(context, shown);
  },
};

/**
 * @param {Place} place
 * @param {string} id
 * @param {boolean} isDead
 * @returns {Promise<Shown>}
 */
async function readAll({ host, storage }, id, isDead) {
  const [left] = await storage.get(id); // says what is wrong where something is
  const [whole, record] = [await host.read('envelope', id), await host.read('meta', id)];
  const message = await listed(host, id, isDead);
  if (!whole || !record || !message) throw new Failure('it was removed meanwhile');
  // `get` has judged what it gives; who is left out of it, the record says.
  const { recipients } = /** @type {Envelope} */ (whole.value);
  const meta = /** @type {Meta} */ (record.value);
  return { message, envelope: { ...left, recipients }, meta, recipients: recipientsOf(recipients, message, meta) };
}

/**
 * What became of each recipient.
 *
 * @param {string[]} addresses
 * @param {ListedMessage} message
 * @param {Meta} meta
 * @returns {Recipient[]}
 */
function recipientsOf(addresses, { state }, { deliveredIndexes = [], failed = [], replies = [] }) {
  const [delivered, givenUp] = [new Set(deliveredIndexes), new Set(failed.flatMap(({ indexes }) => indexes))];
  const said = new Map(replies.flatMap(({ reply, indexes }) => indexes.map((index) => [index, reply])));
  return addresses.map((address, i) => {
    const reply = said.get(i);
    return { address, state: givenUp.has(i) ? 'failed' : delivered.has(i) ? 'delivered' : state, ...(reply && { reply }) };
  });
}

/** @param {Shown} shown */
function asJson({ message: { id, state, due, attempts }, envelope, meta, recipients }) {
  const { sender, headers, message = '', timestamp } = envelope;
  const { firstAttempt, scheduled, lease, untold, notice } = meta;
  return {
    id, state, due, attempts, firstAttempt, scheduled, lease, untold, notice, received: timestamp ?? undefined, sender,
    recipients, headers, size: sizeOf(message),
  };
}

/**
 * @param {Context} context
 * @param {Shown} shown
 */
async function write({ out }, { message: { id, state, due, attempts }, envelope, meta: { firstAttempt, lease }, recipients }) {
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
    await writeWrapped(out, name.padEnd(11), 11, value, name === 'state' ? state : undefined);
  }
  await out.line('\nrecipients');
  for (const { address, state, reply } of recipients) {
    await writeWrapped(out, `  ${paintState(out, state)}${' '.repeat(11 - state.length)}`, 13, address);
    if (reply) await writeWrapped(out, ' '.repeat(13), 13, replyOf(reply));
  }
  if (headers.length > 0) await out.line('\nheaders');
  for (const [name, value] of headers) await writeWrapped(out, '  ', 4, `${name}: ${unfolded(value)}`);
}

/**
 * Text behind a start; the lines after the first one begin below it.
 *
 * @param {Output} out
 * @param {string} start
 * @param {number} indent
 * @param {string} text
 * @param {string} [state] whose colour the text has
 */
async function writeWrapped(out, start, indent, text, state) {
  const [first, ...more] = wrap(printable(text), out.columns - indent);
  await out.line(`${start}${state ? paintState(out, state) : first}`);
  for (const line of more) await out.line(`${' '.repeat(indent)}${line}`);
}

/** @param {Uint8Array | string} message */
function sizeOf(message) {
  return typeof message === 'string' ? Buffer.byteLength(message) : message.length;
}
