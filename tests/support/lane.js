/**
 * One stream of operations on messages of its own, the same for the page that makes them and for the test that knows
 * what must have come of them: both draw it from a seed and from what is there at the start.
 */
import { Random } from './random.js';

/** Around the sizes at which engines keep a value in a file of its own: 64 KiB in Chromium, 1 MiB in Firefox. */
const SIZES = [...Array(24).fill(0), ...Array(24).fill(300), 3_000, 3_000, 20_000, 20_000, 70_000, 150_000, 1_200_000];
const FEW = 3;
const MANY = 10;

/**
 * What a message has come to; never changed, only replaced.
 *
 * @typedef {{ timestamp: number, attempts: number, delivered: number[] }} State
 * @typedef {{ method: string, id: string, args: any[], count?: number, changes?: boolean }} Operation `changes` is
 *   false where nothing is to be written
 */

/** The envelope of a message: its id tells everything about it. */
export function envelopeOf(id) {
  const random = new Random(parseInt(id.slice(0, 8), 16));
  const recipients = Array.from({ length: 1 + random.below(8) }, (_, i) => `r${i}-${random.below(9)}@example.com`);
  const bytes = new Uint8Array(random.pick(SIZES));
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
  return {
    sender: random.pick([null, '', 'from@example.com']),
    recipients,
    headers: [['Subject', `Message ${id}`], ['X-Number', String(random.below(1e9))]],
    message: random.chance(3) ? `text ${id}\r\n` : bytes,
    note: { list: [random.below(9), null, 'x'] },
  };
}

/**
 * Operations without end. `messages` says at any time what has come of those that were given out.
 *
 * @param {number} seed
 * @param {Map<string, State>} messages
 * @returns {Generator<Operation, never>}
 */
export function* operations(seed, messages) {
  const random = new Random(seed);
  for (;;) {
    yield draw(random, messages);
  }
}

/** @returns {Operation} */
function draw(random, messages) {
  const id = messages.size > 0 ? random.pick([...messages.keys()]) : '';
  const state = messages.get(id);
  const choice = messages.size < FEW ? 0 : messages.size > MANY ? 9 : random.below(10);
  if (choice < 3) {
    const fresh = Array.from({ length: 4 }, () => random.below(2 ** 32).toString(16).padStart(8, '0')).join('');
    const timestamp = random.below(1e6);
    messages.set(fresh, { timestamp, attempts: 0, delivered: [] });
    return { method: 'write', id: fresh, args: [timestamp] };
  }
  if (choice < 5) {
    const count = state.attempts + 1;
    messages.set(id, { ...state, attempts: count });
    return { method: 'incrementAttempts', id, args: [], count };
  }
  if (choice < 7) {
    const marks = random.some(envelopeOf(id).recipients.map((_, i) => i));
    const delivered = [...new Set([...state.delivered, ...marks])].sort((a, b) => a - b);
    messages.set(id, { ...state, delivered });
    return { method: 'setRecipientsDelivered', id, args: [marks], changes: delivered.length > state.delivered.length };
  }
  if (choice < 8) {
    const timestamp = random.below(1e6);
    messages.set(id, { ...state, timestamp });
    return { method: 'setTimestamp', id, args: [timestamp], changes: timestamp !== state.timestamp };
  }
  messages.delete(id);
  return { method: 'remove', id, args: [] };
}

/**
 * Makes an operation on a storage.
 *
 * @param {any} storage
 * @param {Operation} operation
 */
export async function perform(storage, { method, id, args, count }) {
  if (method === 'write') return storage.write(envelopeOf(id), args[0], { id });
  const result = await storage[method](id, ...args);
  if (result !== count) throw new Error(`${method} of ${id} is the attempt ${result} and should be ${count}`);
}

/** What `get` and `load` must show of a message. */
export async function expected(id, { timestamp, attempts, delivered }) {
  const envelope = envelopeOf(id);
  const indexes = envelope.recipients.map((_, i) => i).filter((i) => !delivered.includes(i));
  const recipients = indexes.map((i) => envelope.recipients[i]);
  return { id, timestamp, attempts, indexes, envelope: await digested({ ...envelope, recipients }) };
}

/** Everything that a storage shows, as JSON can say it. */
export async function shown(storage) {
  const messages = [];
  for await (const [timestamp, id] of storage.load()) {
    messages.push(await storage.get(id).then(
      async ([envelope, ...rest]) => (
        { id, timestamp, attempts: rest[0], indexes: rest[1], envelope: await digested(envelope) }),
      (error) => ({ id, error: String(error) })));
  }
  return { messages, check: await storage.check().catch((error) => ({ failed: [String(error)] })) };
}

/** An envelope with a digest in the place of its bytes. */
async function digested({ message, ...rest }) {
  if (typeof message === 'string') return { ...rest, message };
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', message));
  return { ...rest, message: { length: message.length, sha256: String(digest) } };
}
