/** A storage without room, in which nothing can be claimed. */
import assert from 'node:assert/strict';
import { writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { ClassicLevel } from 'classic-level';
import { levelHost } from '../pkg/hosts/level.js';
import { encodeMeta } from '../pkg/hosts/shared/codec.js';
import { AsyncDictStorage, Queue, QueueError } from '../pkg/load/inline.js';
import { smallDisk } from './support/disk.js';
import { MemoryHost, Store } from './support/host.js';
import { gate, message, relayOf, watch } from './support/queues.js';

const ok = { code: 250, message: '2.0.0 Ok' };
const later = { code: 451, message: '4.2.0 later' };

describe('A queue whose storage is full', () => {
  let store;
  let isFull;
  /** Who attempts what it cannot claim. */
  let alone;
  let queues;

  beforeEach(() => {
    store = new Store();
    [isFull, alone, queues] = [false, undefined, []];
  });
  afterEach(async () => {
    isFull = false;
    await Promise.all(queues.map((queue) => queue.stop()));
  });

  /** A host that takes nothing but removals while it is full. */
  function host(canTell = true) {
    const made = new MemoryHost(store);
    const commit = made.commit.bind(made);
    made.commit = (batch) => {
      if (isFull && batch.writes.some(({ value }) => value !== undefined)) throw new QueueError('full', 'no room');
      return commit(batch);
    };
    if (canTell) made.attemptAlone = async (owner) => (alone ??= owner) === owner;
    return made;
  }

  function make(relay, made = host(), options = {}) {
    const queue = new Queue(new AsyncDictStorage(made), relay, { lease: 60_000, ...options });
    queues.push(queue);
    return { queue, ...watch(queue) };
  }

  test('attempts one message at a time, each once, and removes what was delivered', async () => {
    let [atOnce, most] = [0, 0];
    const relay = relayOf(async () => {
      most = Math.max(most, ++atOnce);
      await new Promise(setImmediate);
      atOnce--;
      return ok;
    });
    const { queue, until, events } = make(relay);
    for (const to of ['a', 'b', 'c']) await queue.enqueue(message([to]));
    isFull = true;
    queue.start();
    for (const to of ['a', 'b', 'c']) await until('delivered', ({ recipients }) => recipients[0] === to);
    assert.deepEqual([relay.calls.length, most, store.meta.size], [3, 1, 0]);
    const refusals = events.filter(({ type }) => type === 'error');
    assert.deepEqual([...new Set(refusals.map(({ error }) => error.code))], ['full']);
  });

  test('remembers whom it delivered to, attempts them no more, and records them when there is room', async () => {
    const answers = [[ok, later], later];
    const relay = relayOf(() => answers[relay.calls.length - 1]);
    const { queue, until } = make(relay);
    const [[, id]] = await queue.enqueue(message(['a', 'b']));
    isFull = true;
    queue.start();
    await until('error', ({ error, envelope }) => envelope === undefined && error.code === 'full' && relay.calls.length === 1);
    await queue.flush({ signal: AbortSignal.abort() });
    assert.equal(store.meta.get(id).attempts, 0);
    isFull = false;
    await until('deferred');
    assert.deepEqual([store.meta.get(id).deliveredIndexes, store.meta.get(id).attempts], [[0], 1]);
    await queue.flush();
    assert.deepEqual(relay.calls.map(({ recipients }) => recipients), [['a', 'b'], ['b']]);
  });

  test('attempts again what was deferred as a whole, and removes it once it is delivered', async () => {
    const relay = relayOf(() => (relay.calls.length < 3 ? later : ok));
    const queue = new Queue(new AsyncDictStorage(host()), relay, { lease: 60_000, backoff: () => 5 });
    queues.push(queue);
    const { until } = watch(queue);
    await queue.enqueue(message(['a']));
    isFull = true;
    queue.start();
    await until('delivered');
    assert.deepEqual([relay.calls.length, store.meta.size], [3, 0]);
  });

  test('remembers them also when it is stopped and started again before there is room', async () => {
    const answers = [[ok, later], later];
    const relay = relayOf(() => answers[relay.calls.length - 1]);
    const { queue, until, events } = make(relay);
    const [[, id]] = await queue.enqueue(message(['a', 'b']));
    isFull = true;
    const refusals = () => events.filter(({ type }) => type === 'error').length;
    for (const begin of ['start', 'start', 'run']) {
      const before = refusals();
      const ended = queue[begin]();
      await until('error', () => refusals() > before && relay.calls.length > 0);
      await queue.stop();
      await ended;
    }
    assert.deepEqual([relay.calls.length, store.meta.get(id).attempts], [1, 0]);
    isFull = false;
    queue.start();
    const { recipients, replies } = await until('deferred');
    assert.deepEqual([recipients, replies], [['b'], [later]]);
    assert.deepEqual([store.meta.get(id).deliveredIndexes, store.meta.get(id).attempts], [[0], 1]);
    await queue.flush();
    assert.deepEqual(relay.calls.map(({ recipients }) => recipients), [['a', 'b'], ['b']]);
  });

  test('tells the sender of those who were refused once there is room', async () => {
    const refused = { code: 550, message: '5.1.1 no such user' };
    const relay = relayOf(({ sender }) => (sender ? refused : ok));
    const { queue, until } = make(relay);
    await queue.enqueue(message(['a']));
    isFull = true;
    queue.start();
    await until('attempt');
    isFull = false;
    await until('bounced');
    await until('delivered');
    assert.equal(relay.calls.length, 2);
  });

  for (const [what, options, answer] of /** @type {const} */ ([
    ['some are delivered to and others wait', {}, [ok, later]],
    ['is to be kept', { keepDelivered: 3_600_000 }, [ok, ok]],
  ])) {
    test(`goes on with other messages where the record of one of which ${what} has no room`, { timeout: 60_000 }, async () => {
      const relay = relayOf(({ recipients }) => answer.slice(0, recipients.length));
      const { queue, until } = make(relay, host(), { ...options, relayPool: 1 });
      await queue.enqueue(message(['a', 'b']));
      await queue.enqueue(message(['c']));
      isFull = true;
      queue.start();
      await until('attempt', ({ envelope }) => envelope.recipients[0] === 'c');
      isFull = false;
      await until('delivered', ({ recipients }) => recipients[0] === 'a');
      await until('delivered', ({ recipients }) => recipients[0] === 'c');
      assert.equal(relay.calls.length, 2);
    });
  }

  test('goes on with other messages where the record of one that was attempted cannot be read', { timeout: 60_000 }, async () => {
    const { opened, open } = gate();
    const relay = relayOf(({ recipients }) => (recipients.length > 1 ? opened : ok));
    const { queue, until } = make(relay, host(), { relayPool: 1 });
    const [[, id]] = await queue.enqueue(message(['a', 'b']));
    await queue.enqueue(message(['c']));
    queue.start();
    await until('attempt');
    const record = store.meta.get(id);
    store.meta.set(id, { ...record, format: 99 });
    open([ok, later]);
    assert.equal((await until('error')).error.code, 'newer-format');
    await until('delivered', ({ recipients }) => recipients[0] === 'c');
    store.meta.set(id, record);
    await until('deferred');
    assert.deepEqual(store.meta.get(id).deliveredIndexes, [0]);
    assert.equal(relay.calls.length, 2);
  });

  test('leaves whom another queue has given up meanwhile to be told of', { timeout: 60_000 }, async () => {
    const { opened, open } = gate();
    const refused = { code: 550, message: '5.1.1 no such user' };
    const { queue, until } = make(relayOf(({ sender }) => (sender ? opened : ok)));
    const [[, id]] = await queue.enqueue(message(['a', 'b']));
    isFull = true;
    queue.start();
    await until('attempt');
    queue.pause(); // or it might send the notice before its answer has come
    isFull = false;
    const other = make(relayOf(() => [refused, later]));
    await other.queue.run({ limit: 1 });
    assert.equal(store.meta.get(id).untold, 1);
    open([ok, refused]);
    await until('delivered');
    queue.resume();
    await until('delivered', ({ envelope }) => envelope.sender === null && envelope.message.includes('Final-Recipient: rfc822; a'));
  });

  test('leaves that to one queue', async () => {
    const relays = [relayOf(() => ok), relayOf(() => ok)];
    const [first, second] = relays.map((relay) => make(relay));
    for (const to of ['a', 'b']) await first.queue.enqueue(message([to]));
    isFull = true;
    second.queue.start();
    await second.until('attempt');
    first.queue.start();
    for (const to of ['a', 'b']) await second.until('delivered', ({ recipients }) => recipients[0] === to);
    assert.deepEqual(relays.map((relay) => relay.calls.length), [0, 2]);
  });

  test('attempts nothing where its host cannot tell whether it is the only one', async () => {
    const relay = relayOf(() => ok);
    const { queue, until } = make(relay, host(false));
    await queue.enqueue(message(['a']));
    isFull = true;
    queue.start();
    await until('error', ({ error }) => error.code === 'full');
    assert.equal(relay.calls.length, 0);
    isFull = false;
    await until('delivered');
    assert.equal(relay.calls.length, 1);
  });

  test('records what it delivered beside what another queue makes of the message', async () => {
    const { opened, open } = gate();
    const { queue, until } = make(relayOf(() => opened));
    const [[, id]] = await queue.enqueue(message(['a', 'b']));
    isFull = true;
    queue.start();
    await until('attempt');
    isFull = false;
    const other = make(relayOf(() => [later, later]));
    await other.queue.flush();
    open([ok, later]);
    await until('deferred');
    assert.deepEqual(store.meta.get(id).deliveredIndexes, [0]);
  });
});

describe('A queue on a LevelDB whose disk is full', () => {
  const disk = smallDisk();
  after(() => disk?.remove());

  test('attempts each message once, though LevelDB has to be opened again, which it cannot be before there is room', {
    skip: disk ? false : 'nothing can be mounted here', timeout: 300_000,
  }, async () => {
    const db = new ClassicLevel(join(disk.folder, 'db'));
    const storage = new AsyncDictStorage(levelHost(db));
    const relay = relayOf(() => ok);
    const queue = new Queue(storage, relay, { lease: 60_000, relayPool: 4 });
    const { until, events } = watch(queue);
    const names = Array.from({ length: 24 }, (_, i) => `${i}@example.com`);
    for (const to of names) await queue.enqueue(message([to]));
    const ballast = join(disk.folder, 'ballast');
    assert.throws(() => writeFileSync(ballast, new Uint8Array(2 ** 24)), { code: 'ENOSPC' });
    queue.start();
    await until('error', ({ error }) => error.code === 'full');
    rmSync(ballast);
    for (const to of names) await until('delivered', ({ recipients }) => recipients[0] === to);
    await queue.stop();
    assert.deepEqual(relay.calls.map(({ recipients: [to] }) => to).sort(), names.sort());
    const codes = new Set(events.filter(({ type }) => type === 'error').map(({ error }) => error.code));
    assert.deepEqual([...codes].filter((code) => code !== 'full' && code !== 'unknown-outcome'), []);
    assert.deepEqual(await storage.getInfo(), { size: 0, metaSize: 0 });
    await db.close();
  });
});

test('a message to as many recipients as a record can mark is recorded after each attempt, however many give somebody up', async () => {
  const recipients = Array.from({ length: 6_000 }, (_, i) => `u${i}@example.com`);
  const limit = 1_500 + recipients.length * 5 / 8;
  const host = new MemoryHost();
  const commit = host.commit.bind(host);
  host.commit = (batch) => {
    const isLarge = batch.writes.some(({ dict, value }) => dict === 'meta' && value && encodeMeta(value).length > limit);
    if (isLarge) throw new QueueError('too-large', `a record is larger than ${limit} bytes`);
    return commit(batch);
  };
  const times = new Map();
  const relay = relayOf(({ recipients }) => recipients.map((recipient, i) => {
    times.set(recipient, (times.get(recipient) ?? 0) + 1);
    return [ok, ...Array(recipients.length - 2).fill(later), { code: 550, message: '5.1.1 no such user' }][i];
  }));
  const queue = new Queue(new AsyncDictStorage(host), relay, { backoff: () => 0 });
  await queue.enqueue({ ...message(recipients), sender: '' });
  for (let attempts = 1; attempts <= 6; attempts++) {
    await queue.run();
    assert.equal([...times.values()].filter((count) => count === attempts).length, recipients.length - 2 * (attempts - 1));
  }
});
