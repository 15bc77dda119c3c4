/** @import { Command, Context } from '../context.js' */
/** @import { Place } from '../places/place.js' */
/** @import { QueueEventDetails, Relay, RunResult } from '../../types.js' */
import { PermanentRelayError, QueueError, TransientRelayError } from '../../load/inline.js';
import { httpRelay, smtpRelay } from '../../relays.js';
import { UsageError, isAboutOne, sentenceOf } from '../failures.js';
import { installed } from '../libraries.js';
import { DEAD_LETTER_OPTIONS, PLACE_OPTIONS, idsOf, placesOf, queueOn } from '../places/place.js';
import { writeRow } from '../row.js';
import { asDate } from '../times.js';
import { aCount, aDuration, aUrl } from '../values.js';

const OUTCOMES = /** @type {const} */ (['delivered', 'deferred', 'failed']);

/** @type {Command} */
export const flush = {
  summary: 'Attempts what is due and what was deferred, once',
  about: [
    'Writes what became of the recipients of each message, and a summary. It ends with 1 if somebody has not got a message.',
    'Everything else is as a queue does it unless told otherwise: the waits, when it gives up, and that the sender is told then. '
      + 'What was never attempted and is planned for later waits, and what others are sending is left to them.',
    'After ctrl-c no attempt begins, and those under way end.',
  ],
  options: {
    ...PLACE_OPTIONS, ...DEAD_LETTER_OPTIONS,
    smtp: {
      value: 'URL', help: 'sends by this SMTP server, through nodemailer: smtps://user:password@mail.example.com',
      read: aUrl('smtp', 'smtps'),
    },
    http: { value: 'URL', help: 'posts to this URL', read: aUrl('http', 'https') },
    limit: { value: 'NUMBER', help: 'makes so many attempts at most', read: aCount },
    'keep-delivered': {
      value: 'TIME', help: 'keeps what was delivered for so long, as the service does whose queue it is', read: aDuration,
    },
  },
  async run(context) {
    const { values, out, progress, signal } = context;
    const { where, dead } = placesOf(values);
    if ((values.smtp === undefined) === (values.http === undefined)) {
      throw new UsageError('say how to send: --smtp URL or --http URL');
    }
    const relay = values.http === undefined ? await overSmtp(context, values.smtp) : httpRelay(values.http);
    const place = await context.open(where);
    const deadLetter = dead && (await context.open(dead, { create: true })).storage;
    const keepDelivered = values['keep-delivered'];
    const queue = queueOn(place.storage, deadLetter, relay, keepDelivered === undefined ? {} : { keepDelivered });
    /** @type {Set<string | undefined>} messages, and what is no message's, that something went wrong with */
    const wrong = new Set();
    let ended = 0;
    for (const type of OUTCOMES) {
      queue.addEventListener(type, ({ detail }) => {
        ended++;
        write(context, type, detail);
        progress.show(() => `${ended} outcomes; ctrl-c begins no more attempts`);
      });
    }
    queue.addEventListener('error', ({ detail: { id, error } }) => {
      const isAnswer = error instanceof TransientRelayError || error instanceof PermanentRelayError;
      if (isAnswer) return;
      wrong.add(id);
      context.tell(`${id ? `${id}: ` : ''}${sentenceOf(error)}`);
    });
    progress.show(() => 'looking for what is due');
    const limit = values.limit ?? Infinity;
    let result = await queue.flush({ signal, limit });
    // Those who are told of what was given up are told now.
    if (result.failed > 0) result = sum(result, await queue.run({ signal, limit: limit - result.attempted }));
    progress.show(() => 'looking for what cannot be read');
    if (!signal.aborted) {
      for await (const [id, error] of unreadable(place, result.left)) {
        if (!wrong.has(id)) context.tell(`${id}: ${sentenceOf(error)}`);
        wrong.add(id);
      }
    }
    progress.clear();
    if (values.json) await out.json({ type: 'end', ...result });
    else {
      const { attempted, delivered, deferred, failed, left, nextDue } = result;
      await out.line(`attempted ${attempted}: delivered ${delivered}, deferred ${deferred}, failed ${failed}`);
      await out.line(`left ${left}${nextDue === null ? '' : `, next ${asDate(nextDue)}`}`);
    }
    if (context.isInterrupted) context.tell('interrupted: what is due was not all attempted');
    return context.isInterrupted || result.deferred + result.failed + wrong.size > 0 ? 1 : 0;
  },
};

/**
 * The messages that are never attempted, since their records cannot be read.
 *
 * @param {Place} place
 * @param {number} left how many the queue has found
 * @returns {AsyncGenerator<[id: string, error: QueueError], void>}
 */
async function* unreadable({ host, storage }, left) {
  const { metaSize } = await storage.getInfo();
  if (left >= metaSize) return;
  const readable = new Set(); // among them what is kept, and what others are sending
  for await (const { id } of queueOn(storage, undefined).list()) readable.add(id);
  for await (const id of idsOf(host)) {
    const error = readable.has(id) ? undefined : await storage.get(id).then(() => undefined, (reason) => reason);
    if (error === undefined || (error instanceof QueueError && error.code === 'no-such-message')) continue; // it came or went meanwhile
    if (!isAboutOne(error)) throw error;
    yield [id, error];
  }
}

/**
 * What two runs came to, one after the other.
 *
 * @param {RunResult} one
 * @param {RunResult} other
 * @returns {RunResult}
 */
function sum(one, other) {
  const { attempted, delivered, deferred, failed } = one;
  return {
    ...other, attempted: attempted + other.attempted, delivered: delivered + other.delivered,
    deferred: deferred + other.deferred, failed: failed + other.failed,
  };
}

/**
 * @param {Context} context
 * @param {typeof OUTCOMES[number]} type
 * @param {QueueEventDetails[typeof OUTCOMES[number]]} detail
 */
function write({ out, progress, values }, type, { id, attempts, recipients, replies, timestamp }) {
  progress.clear();
  if (values.json) return out.json({ type, id, attempts, recipients, replies, ...(type === 'deferred' && { timestamp }) });
  const said = replies.filter((reply) => reply !== undefined);
  return writeRow(out, { id, state: type, attempts, replies: said, ...(type === 'deferred' && { due: timestamp }) });
}

/**
 * @param {Context} context
 * @param {string} url
 * @returns {Promise<Relay>}
 */
async function overSmtp(context, url) {
  const { library } = await installed('--smtp', 'nodemailer');
  const transport = (library.default ?? library).createTransport(url);
  context.atEnd(() => transport.close()); // the connections of a pool
  return smtpRelay(transport);
}
