/** Two versions of the package at work on one storage, in Node or in a page: what each does. */

/** How many messages each of the two versions is given. */
export const MESSAGES = 120;

/**
 * Addresses say what becomes of them: the old version defers `new` each time, the new one defers `old` a few times, both
 * defer `soon` at first, deliver to `any` at once and refuse `no`.
 */
const KINDS = [['any'], ['soon', 'any'], ['old', 'new'], ['no'], ['any', 'no', 'soon'], ['new', 'no', 'old', 'soon']];

export const REPLIES = {
  deferred: { code: 450, message: '4.2.0 later' }, delivered: { code: 250, message: '2.0.0 Ok' },
  refused: { code: 550, message: '5.1.1 no such user' },
};

/** The message of this number, as the version writes it that has this name. */
export function messageOf(version, number) {
  const kinds = KINDS[number % KINDS.length];
  const recipients = kinds.map((kind) => `${kind}.${version}${number}@example.com`);
  return { sender: `${version}${number}@example.org`, recipients, message: 'Hello!\r\n', extra: { number } };
}

/**
 * A relay of the version that has this name, and all that it did: `[what, address]`. A notice is a message to a sender.
 *
 * @param {string} version
 */
export function relayOf(version) {
  const done = [];
  const seen = {};
  const answer = (address) => {
    const kind = address.endsWith('.org') ? 'any' : address.split('.')[0];
    const times = seen[address] = (seen[address] ?? 0) + 1;
    const defers = { any: 0, no: 0, soon: 1, old: 8, new: Infinity, [version]: 0 }[kind];
    const said = times <= defers ? 'deferred' : kind === 'no' ? 'refused' : 'delivered';
    done.push([said, address]);
    return REPLIES[said];
  };
  return {
    done,
    async attempt({ recipients }) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
      return recipients.map(answer);
    },
  };
}

/** What both queues are told: to try again soon, whatever was deferred. */
export const OPTIONS = { backoff: () => 20 + Math.random() * 80, relayPool: 20 };

/** So many recipients the old version leaves, at least, of those that only the new one delivers to. */
const LEFT = 25;

/**
 * A queue at work on a storage: gives it its messages, and collects its errors. The roll out of a new version has this order: `enqueue` of
 * the old one, `enqueue` of the new one, `stop` of the old one, while the new one does what is left.
 */
export function work({ Queue }, version, storage) {
  const relay = relayOf(version);
  const errors = [];
  const queue = new Queue(storage, relay, OPTIONS);
  queue.addEventListener('error', ({ detail: { error } }) => errors.push(`${error.code}: ${error.message}`));
  queue.start();
  const left = () => new Set(relay.done.flatMap(([said, to]) => (said === 'deferred' && to.startsWith('new.') ? [to] : []))).size;
  return {
    done: relay.done, errors,
    async enqueue() {
      await Promise.all(Array.from({ length: MESSAGES }, (_, i) => queue.enqueue(messageOf(version, i))));
      while (version === 'old' && left() < LEFT) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    stop: () => queue.stop(),
  };
}

/** Resolves when nothing is left in a storage. */
export async function emptied(storage) {
  while ((await storage.getInfo()).metaSize > 0) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** What no version knows. */
export const UNKNOWN = { sooner: 'or later', list: [1, { two: true }] };

/**
 * What is left of a record with fields that the new version alone, or neither, knows, when each version had its turn.
 *
 * @param {Record<'old' | 'new', { Queue: any, storage: any, host: any }>} versions
 */
export async function attemptByTurns(versions) {
  const { host, storage } = versions.new;
  const id = await storage.write({ sender: '', recipients: ['a@x', 'b@x', 'c@x', 'd@x'], extra: [5, 'five'] }, 0);
  const record = async () => (await host.read('meta', id)).value;
  const more = { ...UNKNOWN, firstAttempt: 5, scheduled: 2 };
  await host.commit({ checks: [], writes: [{ dict: 'meta', id, value: { ...await record(), ...more } }] });
  const attempt = async (version) => {
    const relay = { attempt: ({ recipients }) => recipients.map((_, i) => (i === 0 ? null : REPLIES.deferred)) };
    const queue = new versions[version].Queue(versions[version].storage, relay, { backoff: () => 3_600_000 });
    await queue.flush();
    await queue.stop();
    return record();
  };
  const records = [await attempt('new'), await attempt('old'), await attempt('new')];
  const [{ extra }] = await storage.get(id);
  await versions.old.storage.remove(id); // it may do that
  return { records, extra, left: await storage.getInfo() };
}

/**
 * What the old version says of a message of whose failures nobody was told yet, and what becomes of it.
 *
 * @param {Record<'old' | 'new', { Queue: any, storage: any }>} versions
 */
export async function meetNewerRecord(versions) {
  const { storage } = versions.old;
  const id = await storage.write({ sender: 'me@example.org', recipients: ['no.1@example.com', 'any.1@example.com'] }, 0);
  let isAway = true;
  const told = [];
  const bounceQueue = {
    async enqueue(envelope) {
      if (isAway) throw new Error('away');
      told.push(...envelope.recipients);
      return [[envelope, 'elsewhere']];
    },
  };
  const relay = relayOf('new');
  const queue = new versions.new.Queue(versions.new.storage, relay, { bounceQueue });
  await queue.flush();
  const code = (promise) => promise.then(() => 'none', (error) => error.code);
  const codes = [];
  for (const call of [
    () => storage.get(id), () => storage.setTimestamp(id, 0), () => storage.incrementAttempts(id),
    () => storage.change(id, null, { timestamp: 0 }), () => storage.setRecipientsDelivered(id, [0]),
  ]) codes.push(await code(call()));
  let attempts = 0;
  const older = new versions.old.Queue(storage, { attempt: () => void attempts++ });
  await older.flush();
  await older.stop();
  isAway = false;
  await queue.flush();
  await queue.flush();
  await queue.stop();
  return { codes, attempts, told, done: relay.done.map(([said]) => said), left: await storage.getInfo() };
}
