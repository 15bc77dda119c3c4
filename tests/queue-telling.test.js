/** How a queue tells of those whom it has given up, where that fails at first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AsyncDictStorage, DictStorage, Queue, QueueError } from '../pkg/load/inline.js';
import { MemoryHost, Store } from './support/host.js';
import { all, message, onEachStorage, relayOf, watch } from './support/queues.js';

const refused = { code: 550, message: '5.1.1 no such user' };

onEachStorage('A queue', (scene) => {
  for (const options of [{ bounceFactory: () => new Promise(() => {}) }, { bounceQueue: { enqueue: () => new Promise(() => {}) } }]) {
    const [name] = Object.keys(options);
    test(`goes on where a ${name} answers nothing, and can be stopped meanwhile`, async () => {
      const relay = { attempt: ({ recipients: [to] }) => (to === 'a' ? refused : null) };
      const slow = scene.make(relay, { ...options, relayPool: 1, attemptTimeout: 50 });
      await slow.queue.enqueue(message(['a']));
      await slow.queue.enqueue(message(['b']));
      slow.queue.start();
      await slow.until('delivered'); // its place in the pool is free again
      assert.match((await slow.until('error')).error.message, /no answer in time/);
      await slow.queue.stop();

      const { queue, until } = scene.make(relay, options);
      queue.start();
      await queue.enqueue(message(['a']));
      await until('failed');
      await queue.stop({ timeout: 1 });
    });
  }

  test('tells once, whatever another kind of queue answers that has taken the notice', async () => {
    for (const answer of [{ name: 'job 1' }, true, 7, [1], [null], undefined]) {
      let told = 0;
      const bounceQueue = {
        async enqueue() {
          told++;
          return answer;
        },
      };
      const { queue, events } = scene.make({ attempt: () => refused }, { bounceQueue });
      await queue.enqueue(message(['a']));
      await queue.flush();
      await queue.flush();
      assert.deepEqual([told, await scene.left(), events.filter(({ type }) => type === 'error').length], [1, 0, 0], String(answer));
    }
  });

  test('tells the null sender nothing, whatever a queue that keeps dead letters has left to be told of', async () => {
    const host = Object.assign(new MemoryHost(), { commit: () => Promise.reject(new Error('away')) });
    const keeping = scene.make({ attempt: () => refused }, { deadLetter: new AsyncDictStorage(host) });
    const [[, id]] = await keeping.queue.enqueue(message(['a'], { sender: null }));
    await keeping.queue.flush();
    assert.equal((await scene.record(id)).untold, 1);
    const relay = relayOf(() => null);
    const { queue, types } = scene.make(relay);
    await queue.flush();
    assert.deepEqual([relay.calls, types(), await scene.left()], [[], ['removed'], 0]);
  });

  test('tries to tell of a failure with each flush, which puts the next try off no longer and ends nothing', async () => {
    let isAway = true;
    const told = [];
    const bounceQueue = {
      async enqueue(envelope) {
        if (isAway) throw new Error('away');
        told.push(...envelope.recipients);
        return [[envelope, 'elsewhere']];
      },
    };
    const { queue, events } = scene.make({ attempt: () => refused }, { bounceQueue });
    await queue.enqueue(message(['a', 'b']));
    await queue.flush();
    const [before] = await all(queue.list());
    for (let i = 0; i < 50; i++) await queue.flush();
    assert.deepEqual(await all(queue.list()), [before]);
    assert.equal(events.filter(({ type }) => type === 'error').length, 51);
    isAway = false;
    await queue.flush();
    await queue.flush();
    assert.deepEqual(told, ['me@example.com']);
    assert.equal(await scene.left(), 0);
  });

  test('tries to hand over a notice for about five days, at longer and longer waits, then keeps the message as a dead letter', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 });
    const [deadLetter, cause, tried] = [new DictStorage(), new Error('away'), []];
    const bounceQueue = {
      enqueue() {
        tried.push(Date.now());
        return Promise.reject(cause);
      },
    };
    const { queue, events } = scene.make({ attempt: () => refused }, { bounceQueue, deadLetter });
    const [[, id]] = await queue.enqueue(message(['a', 'b']));
    for (;;) {
      const { left, nextDue } = await queue.run();
      if (left === 0) break;
      t.mock.timers.tick(nextDue - Date.now());
    }
    // Each wait is up to a tenth longer or shorter.
    const minutes = tried.slice(1).map((time, i) => (time - tried[i]) / 60_000);
    for (const [i, usual] of [1, 5, 15, 30, 60, 120, ...minutes.slice(6).map(() => 240)].entries()) {
      assert.ok(minutes[i] > usual * 0.89 && minutes[i] < usual * 1.11, `${i}: ${minutes}`);
    }
    const days = (tried.at(-1) - tried[0]) / 86_400_000;
    assert.ok(days > 4.5 && days < 5.5, `${days} days`);
    const errors = events.filter(({ type }) => type === 'error');
    assert.deepEqual(errors.map((one) => [one.id, one.error]), tried.map(() => [id, cause]));
    assert.deepEqual([deadLetter.get(id)[0].recipients, await scene.left()], [['a', 'b'], 0]);
  });

  test('marks a notice and its message in their records, so that older versions of the package leave both alone', async () => {
    const { queue } = scene.make({ attempt: () => refused });
    await queue.enqueue(message(['a']));
    await queue.flush();
    assert.equal(await scene.left(), 2);
    for (const [, id] of await all(scene.storage.load())) {
      const { format, untold, notice } = await scene.record(id);
      assert.deepEqual([format, untold, notice], untold ? [2, 1, undefined] : [2, undefined, 'open']);
    }
  });
});

test('a notice that its storage never takes is tried again at longer and longer waits, and in the end nobody is told', { timeout: 60_000 }, async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 });
  const host = new MemoryHost();
  const commit = host.commit.bind(host);
  host.commit = (batch) => {
    const isNotice = batch.writes.some(({ value }) => value?.sender === null);
    if (isNotice) throw new QueueError('too-large', 'a record of at most 1 KiB');
    return commit(batch);
  };
  const queue = new Queue(new AsyncDictStorage(host), { attempt: () => refused });
  const { events } = watch(queue);
  await queue.enqueue(message(['a']));
  for (;;) {
    const { left, nextDue } = await queue.run();
    if (left === 0) break;
    t.mock.timers.tick(Math.max(1, nextDue - Date.now()));
  }
  const errors = events.filter(({ type }) => type === 'error').length;
  assert.ok(errors > 20 && errors < 60, `${errors} errors`);
});

test('a factory of notices that answers nothing is waited for no longer than a quarter of the lease', async () => {
  const storage = new DictStorage();
  const relay = relayOf(({ sender }) => (sender ? refused : null));
  const queue = new Queue(storage, relay, { lease: 200, bounceFactory: () => new Promise(() => {}) });
  const { until } = watch(queue);
  await queue.enqueue(message(['a']));
  queue.start();
  assert.match((await until('error')).error.message, /no answer in time/);
  await until('delivered', ({ envelope }) => envelope.sender === null);
  await queue.stop();
  assert.equal(relay.calls.length, 2);
});

test('a record that gives up recipients whom its message has not is told of as far as it goes', async () => {
  const storage = new DictStorage();
  const relay = relayOf(() => null);
  for (const [indexes, told] of [[[99], 0], [[0, 99], 1]]) {
    const id = storage.write(message(['a@b']), 0);
    storage.metaDb.set(id, {
      timestamp: 0, attempts: 1, deliveredIndexes: indexes, failed: [{ attempt: 1, indexes }], untold: 1, format: 2,
    });
    const queue = new Queue(storage, relay, { deadLetter: new DictStorage() });
    const { events } = watch(queue);
    await queue.run();
    assert.equal(events.filter(({ type }) => type === 'bounced').length, told);
    assert.deepEqual(events.filter(({ type }) => type === 'error'), []);
  }
});

test('a message of whose failures nobody was told yet is not among the delivered ones', async () => {
  const bounceQueue = { enqueue: () => Promise.reject(new Error('away')) };
  const queue = new Queue(new DictStorage(), relayOf(() => ({ code: 550, message: 'no' })), { bounceQueue });
  await queue.enqueue(message(['a@b']));
  await queue.run();
  const states = [];
  for await (const { state } of queue.list()) states.push(state);
  assert.deepEqual(states, ['deferred']);
});

test('what a queue hears late of its own messages is no other hand: nothing is removed by one', async () => {
  const store = new Store();
  const host = new MemoryHost(store);
  const foreign = 'f'.repeat(32);
  let answer = Promise.resolve();
  const read = host.read.bind(host);
  host.read = async (dict, id) => {
    if (id === foreign) await answer;
    return read(dict, id);
  };
  const queue = new Queue(new AsyncDictStorage(host), relayOf(() => null));
  const { events, until } = watch(queue);
  queue.addEventListener('queued', () => store.listeners.forEach(({ notify }) => notify(foreign)));
  queue.start();
  for (let i = 0; i < 12; i++) {
    // The queue reads the foreign message first, or this one: there is no order.
    let open = () => {};
    answer = new Promise((resolve) => (open = resolve));
    await queue.enqueue(message([`u${i}`]));
    await until('delivered', ({ recipients }) => recipients[0] === `u${i}`);
    while (store.meta.size > 0) await new Promise(setImmediate);
    open();
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
  }
  await queue.stop();
  assert.deepEqual(events.filter(({ type }) => type === 'removed'), []);
});
