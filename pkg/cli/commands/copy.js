/** @import { Command, Context } from '../context.js' */
/** @import { DictHost, Meta } from '../../types.js' */
/** @import { Place } from '../places/place.js' */
import { QueueError } from '../../load/inline.js';
import { Failure, isAboutOne, sentenceOf } from '../failures.js';
import { PLACE_OPTIONS, idsOf, refuseSame, whereOf } from '../places/place.js';
import { aPrefix, aText, aUrl } from '../values.js';

/** How many messages are on their way at once. */
const AT_ONCE = 16;

/** @typedef {'copied' | 'there' | 'sending' | 'gone' | 'failed'} Outcome */

/** @type {Command} */
export const copy = {
  summary: 'Copies the messages of a queue to another place',
  about: [
    'A message goes as it is, under its id: attempts, who was delivered to, who was given up, the last replies, all that its record '
      + 'has. What is there already under its id is left alone, so after an interruption the same command goes on.',
    'A message that another program is sending is not copied, and the command ends with 1: repeat it later. On a LevelDB nobody '
      + 'can be sending: a claim there is what a program has left that has ended, and the copy has it until its time is over.',
    'The messages are in both places then. Stop what sends from the old place before, and begin to send from the new one after '
      + 'it: otherwise people get mail twice.',
  ],
  options: {
    ...PLACE_OPTIONS,
    'to-level': { value: 'PATH', help: 'to this LevelDB, which is made where there is none', read: aText },
    'to-redis': { value: 'URL', help: 'to this Redis server', read: aUrl('redis', 'rediss') },
    'to-prefix': { value: 'PREFIX', help: 'the prefix of its keys there (slimta-queue)', read: aPrefix },
  },
  async run(context) {
    const { values, out, progress, signal } = context;
    const from = whereOf(values);
    const to = whereOf({ level: values['to-level'], redis: values['to-redis'], prefix: values['to-prefix'] }, 'to-');
    refuseSame(from, to, 'level' in to ? '--to-level' : '--to-redis');
    const source = await context.open(from);
    const target = await context.open(to, { create: true });
    const { metaSize } = await source.storage.getInfo();
    /** @type {Record<Outcome, number>} */
    const counts = { copied: 0, there: 0, sending: 0, gone: 0, failed: 0 };
    let seen = 0;
    await inParallel(idsOf(source.host), signal, async (id) => {
      counts[await copyOne(context, source, target.host, id)]++;
      seen++;
      progress.show(() => `${seen} of ${metaSize} messages`);
    });
    progress.clear();
    const { copied, there, sending, failed } = counts;
    if (values.json) await out.json({ copied, there, sending, failed });
    else await out.line(`copied ${copied}, there already ${there}, being sent ${sending}, failed ${failed}`);
    if (signal.aborted) throw new Failure('interrupted: the same command goes on');
    if (sending > 0) context.tell('what is being sent was not copied: repeat the command when that has ended');
    return sending + failed > 0 ? 1 : 0;
  },
};

/**
 * @param {Context} context
 * @param {Place} source
 * @param {DictHost} target
 * @param {string} id
 * @returns {Promise<Outcome>}
 */
async function copyOne(context, { storage, host }, target, id) {
  try {
    await storage.get(id); // judges both records: what cannot be read is not copied
    const [meta, envelope] = [await host.read('meta', id), await host.read('envelope', id)];
    if (meta === undefined || envelope === undefined) return 'gone';
    const { lease } = /** @type {Meta} */ (meta.value);
    if (host.supports.writers === 'many' && lease && lease.until > Date.now()) return 'sending';
    const isMade = await target.commit({
      checks: [{ dict: 'envelope', id, version: null }, { dict: 'meta', id, version: null }],
      writes: [{ dict: 'envelope', id, value: envelope.value }, { dict: 'meta', id, value: meta.value }],
    });
    if (isMade) return 'copied';
    if ((await target.read('meta', id)) && (await target.read('envelope', id))) return 'there';
    throw new Failure('half of it is there: `repair` the other place first');
  } catch (error) {
    if (error instanceof QueueError && error.code === 'no-such-message') return 'gone';
    if (!isAboutOne(error)) throw error;
    context.tell(`${id}: ${sentenceOf(error)}`);
    return 'failed';
  }
}

/**
 * Does the same with each, some at a time, until all is done, one has failed, or nothing more is to begin.
 *
 * @template T
 * @param {AsyncIterator<T>} all
 * @param {AbortSignal} signal
 * @param {(one: T) => Promise<void>} work
 */
async function inParallel(all, signal, work) {
  let isOver = false;
  const lane = async () => {
    try {
      while (!isOver && !signal.aborted) {
        const { done, value } = await all.next();
        if (done) return;
        await work(value);
      }
    } finally {
      isOver = true; // of the others too: there is nothing left, or it failed
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: AT_ONCE }, lane));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
