/** @import { Envelope } from '../types.js' */
/** @import { Context } from './context.js' */
import { instance } from '../binding/instance.js';

/**
 * Where the recipients of one message are that were given up by one attempt after another: under the id of the
 * message, then under ids that follow from it.
 *
 * @param {string} id
 */
function* places(id) {
  yield id;
  for (let number = 1; ; number++) yield instance().glue.Decisions.derived(id, `given up ${number}`);
}

/**
 * Keeps recipients that are given up. A repeat keeps them once.
 *
 * @param {Context} context
 * @param {string} id
 * @param {Envelope} envelope with these recipients
 * @returns {Promise<void>}
 */
export async function keep({ deadLetter }, id, envelope) {
  if (!deadLetter) return;
  for (const place of places(id)) {
    const kept = await find(deadLetter, place);
    if (!kept) {
      await deadLetter.write(envelope, Date.now(), { id: place });
      return;
    }
    if (kept.recipients.join('\0') === envelope.recipients.join('\0')) return;
  }
}

/**
 * What was kept of a message, with the ids under which it is.
 *
 * @param {NonNullable<Context['deadLetter']>} deadLetter
 * @param {string} id
 */
export async function* keptOf(deadLetter, id) {
  for (const place of places(id)) {
    const envelope = await find(deadLetter, place);
    if (!envelope) return;
    yield { place, envelope };
  }
}

/**
 * The id under which a dead letter is queued again: its own, unless the message is here still for those of its
 * recipients that were not given up. The dead letter remembers it, as its attempts: a repeat does not queue it twice.
 *
 * @param {NonNullable<Context['deadLetter']>} deadLetter
 * @param {Context['storage']} storage
 * @param {string} place
 */
export async function idToQueue(deadLetter, storage, place) {
  let [, chosen] = await deadLetter.get(place);
  if (chosen === 0) {
    const attempts = await find(storage, place) ? ANOTHER : SAME;
    chosen = await deadLetter.change(place, { attempts: 0 }, { attempts }) ? attempts : (await deadLetter.get(place))[1];
  }
  return chosen === SAME ? place : instance().glue.Decisions.derived(place, 'again');
}

const SAME = 1;
const ANOTHER = 2;

/**
 * @param {NonNullable<Context['deadLetter']>} storage
 * @param {string} id
 * @returns {Promise<Envelope | undefined>}
 */
async function find(storage, id) {
  try {
    return (await storage.get(id))[0];
  } catch (error) {
    if (/** @type {any} */ (error)?.code === 'no-such-message') return undefined;
    throw error;
  }
}
