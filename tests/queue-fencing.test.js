/** What owners do who stood still for longer than their leases. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { AsyncDictStorage, Queue } from '../pkg/load/inline.js';
import { MemoryHost, Store } from './support/host.js';
import { gate, message, relayOf, watch } from './support/queues.js';

const LEASE = 100;
const later = { code: 450, message: '4.2.0 later' };
const refused = { code: 550, message: '5.1.1 no such user' };

describe('An owner that stood still for longer than its lease', { timeout: 1_500_000 }, () => {
  const ends = [];
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });

  /** A queue on a host of its own; while it is frozen, none of the host's calls begins or ends. */
  const open = (store, attempt, options = {}) => {
    let frozen = gate();
    frozen.open();
    const host = new MemoryHost(store, { pause: () => frozen.opened });
    const storage = new AsyncDictStorage(host);
    const queue = new Queue(storage, { attempt }, { lease: LEASE, ...options });
    ends.push(async () => {
      frozen.open();
      await queue.stop();
      await storage.close();
    });
    return { queue, storage, ...watch(queue), freeze: () => void (frozen = gate()), thaw: () => frozen.open() };
  };

  /**
   * The first queue stands still while its relay has the message, for longer than its lease: until another queue has
   * attempted it. Then its relay answers. What the record says before that and after it, and what both have told.
   */
  const standStill = async (answer, { others, ...options } = {}) => {
    const store = new Store();
    const { opened: answered, open: release } = gate();
    const first = open(store, () => answered, options);
    const [[, id]] = await first.queue.enqueue(message(['a', 'b']));
    const attempting = first.queue.flush();
    await first.until('attempt');
    first.freeze();
    const other = open(store, others, options);
    other.queue.start();
    await other.until('attempt');
    await Promise.race(['delivered', 'deferred'].map((type) => other.until(type)));
    await other.queue.stop();
    const before = structuredClone(store.meta.get(id));
    release(answer);
    first.thaw();
    await attempting;
    return { before, after: store.meta.get(id), first, other, store };
  };
  const losses = ({ events }) => events.filter(({ error }) => error?.code === 'lease-lost').length;
  const types = ({ events }) => events.map(({ type }) => type).filter((type) => !['queued', 'attempt', 'error'].includes(type));

  test('records whom it delivered to, and changes neither timestamp nor attempts', async () => {
    const { before, after, first } = await standStill([null, later], { others: () => later });
    assert.deepEqual([before.attempts, before.deliveredIndexes, before.lease], [2, undefined, undefined]);
    assert.deepEqual(after, { ...before, deliveredIndexes: [0] });
    assert.deepEqual([losses(first), types(first)], [1, ['delivered']]);
  });

  test('does not give up those whom it saw fail, and tells nobody', async () => {
    const { before, after, first, store } = await standStill([refused, refused], { others: () => later });
    assert.deepEqual(after, before);
    assert.deepEqual([losses(first), types(first), store.meta.size], [1, [], 1]);
  });

  test('does not remove what is left for others', async () => {
    const { after, first } = await standStill(null, { others: () => [null, later] });
    assert.deepEqual([after.attempts, after.deliveredIndexes, losses(first)], [2, [0, 1], 1]);
  });

  test('brings back nothing of a message that is gone by then, and hears of it', async () => {
    const { before, first, store } = await standStill([null, refused], { others: () => null });
    assert.equal(before, undefined);
    assert.deepEqual([store.meta.size, store.envelope.size], [0, 0]);
    assert.deepEqual([losses(first), types(first)], [1, ['delivered']]);
  });

  test('before its notice was stored leaves the telling to whoever has claimed the message since', async () => {
    const store = new Store();
    const told = [];
    const bounceQueue = {
      async enqueue(envelope) {
        told.push(envelope.recipients);
        return [[envelope, 'elsewhere']];
      },
    };
    const { opened: begun, open: begin } = gate();
    const first = open(store, () => refused, {
      bounceQueue,
      bounceFactory: async (failed) => {
        first.freeze();
        begin();
        return { ...failed, sender: '', recipients: ['first@example.com'] };
      },
    });
    await first.queue.enqueue(message(['a']));
    const attempting = first.queue.flush();
    await begun;
    const other = open(store, relayOf().attempt, { bounceQueue });
    other.queue.start();
    await other.until('bounced');
    await other.queue.stop();
    first.thaw();
    await attempting;
    assert.deepEqual(told, [['me@example.com']]);
    assert.deepEqual([losses(first), types(first), store.meta.size], [1, ['failed'], 0]);
  });
});
