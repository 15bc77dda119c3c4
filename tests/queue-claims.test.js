/** Who attempts a message: claims, their leases, and those who come back late. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DictStorage, KeyError, Queue } from '../pkg/load/inline.js';
import { all, gate, message, onEachStorage, relayOf, watch } from './support/queues.js';

const later = { code: 450, message: '4.2.0 later' };

onEachStorage('Queues', (scene) => {
  const { make, left } = scene;

  test('two queues on one storage never attempt a message at once, and attempt each one once', async () => {
    const busy = new Set();
    const seen = new Map();
    const clashes = [];
    const relay = {
      async attempt({ recipients: [to] }) {
        if (busy.has(to)) clashes.push(to);
        busy.add(to);
        seen.set(to, (seen.get(to) ?? 0) + 1);
        for (let i = 0; i < 20; i++) await undefined;
        busy.delete(to);
        return null;
      },
    };
    for (let i = 0; i < 60; i++) await scene.storage.write(message([`${i}`]), 0);
    const [one, two] = [make(relay), make(relay, {}, scene.another())];
    await Promise.all([one.queue.flush(), two.queue.flush()]);
    await one.queue.flush();
    assert.deepEqual(clashes, []);
    assert.equal(seen.size, 60);
    assert.deepEqual([...new Set(seen.values())], [1]);
    assert.equal(await left(), 0);
  });

  test('what another deliverer holds is left to it until its lease ends, whatever the timestamp', async () => {
    const id = await scene.storage.write(message(['a']), 0);
    const lease = { until: Date.now() + 3_600_000, owner: 'another' };
    await scene.storage.change(id, null, { lease, attempts: 1 });
    const relay = relayOf();
    const { queue } = make(relay);
    await queue.flush();
    assert.equal(relay.calls.length, 0);
    await scene.storage.change(id, null, { lease: { until: Date.now() - 1, owner: 'another' } });
    await queue.flush();
    assert.deepEqual(relay.calls.map(({ attempts }) => attempts), [1]);
    assert.equal(await left(), 0);
  });

  test('a retry of a message that is being sent leaves it as it is', async () => {
    const id = await scene.storage.write(message(['a']), 0);
    const until = Date.now() + 3_600_000;
    await scene.storage.change(id, null, { lease: { until, owner: 'another' }, attempts: 1, timestamp: until });
    const { queue } = make(relayOf());
    await queue.retry(id);
    const [{ due, state }] = await all(queue.list());
    assert.deepEqual([due, state], [until, 'sending']);
  });

  test('what a queue held that has ended with its process is attempted at once, where one process alone can have it', async () => {
    for (const way of ['start', 'run']) {
      const id = await scene.storage.write(message(['a']), 0);
      const lease = { until: Date.now() + 3_600_000, owner: 'here:ended' };
      await scene.storage.change(id, null, { lease, attempts: 1, timestamp: lease.until });
      const relay = relayOf();
      const { queue, until } = make(relay);
      const delivered = until('delivered');
      await queue[way]();
      await delivered;
      assert.deepEqual(relay.calls.map(({ attempts }) => attempts), [1], way);
      await queue.stop();
      while (await left() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });

  test('a queue that lives keeps what it has claimed, whatever its name says of its end', async () => {
    const { opened, open } = gate();
    const sending = make({ attempt: () => opened });
    await sending.queue.enqueue(message(['a']));
    sending.queue.start();
    await sending.until('attempt');
    const relay = relayOf();
    const { queue } = make(relay, {}, scene.another());
    queue.start();
    await queue.run();
    await queue.flush();
    assert.equal(relay.calls.length, 0);
    open();
    await sending.until('delivered');
  });

  test('a claim is in the record before the relay has the message: lease, attempts, its end', async () => {
    let record;
    const before = Date.now();
    const { queue } = make({
      async attempt() {
        const [[due, id]] = await all(scene.storage.load());
        record = [due, (await scene.storage.get(id))[1], await scene.storage.change(id, { lease: null }, {})];
      },
    }, { lease: 60_000 });
    await queue.enqueue(message(['a']));
    await queue.flush();
    assert.ok(record[0] >= before + 60_000 && record[0] <= Date.now() + 60_000);
    assert.deepEqual(record.slice(1), [1, false]);
  });

  test('a long attempt renews its lease', async () => {
    const { opened: answered, open } = gate();
    let id;
    const { queue, until } = make({ attempt: () => answered }, { lease: 30 });
    queue.start();
    [[, id]] = await queue.enqueue(message(['a']));
    await until('attempt');
    const first = (await all(scene.storage.load()))[0][0];
    for (let due = first; due === first; [[due]] = await all(scene.storage.load())) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    open(null);
    await until('delivered');
    await assert.rejects(async () => scene.storage.get(id), KeyError);
  });

  test('one that comes back late marks whom it delivered to, says so, and changes nothing else', async () => {
    const { opened: answered, open } = gate();
    const { queue, until } = make({ attempt: () => answered });
    queue.start();
    const [[, id]] = await queue.enqueue(message(['a', 'b']));
    await until('attempt');
    const lease = { until: Date.now() + 60_000, owner: 'another' };
    await scene.storage.change(id, null, { lease, attempts: 2, timestamp: 77 });
    open([null, later]);
    const { error } = await until('error');
    assert.equal(error.code, 'lease-lost');
    await queue.stop();
    const [{ recipients }, attempts, indexes] = await scene.storage.get(id);
    assert.deepEqual([recipients, attempts, indexes], [['b'], 2, [1]]);
    assert.equal(await scene.storage.change(id, { lease, timestamp: 77 }, {}), true);
  });
});

describe('A queue on two Maps', () => {
  test('leaves a message alone that somebody else has claimed or changed while the relay had it', async () => {
    const changes = [
      [(storage, id) => storage.change(id, null, { attempts: 7, timestamp: Date.now() + 1e6 }), [7, ['b'], [1]]],
      [(storage, id) => storage.change(id, null, { lease: { until: Date.now() + 1e6, owner: 'x' } }), [1, ['b'], [1]]],
      [(storage, id) => storage.metaDb.set(id, { timestamp: Date.now() + 1e6, attempts: 2 }), [2, ['b'], [1]]],
    ];
    for (const [change, expected] of changes) {
      const storage = new DictStorage();
      let id;
      const queue = new Queue(storage, {
        attempt() {
          change(storage, id);
          return [null, later];
        },
      });
      [[, id]] = await queue.enqueue(message(['a', 'b']));
      await queue.flush();
      const [{ recipients }, attempts, indexes] = storage.get(id);
      assert.deepEqual([attempts, recipients, indexes], expected);
    }
  });

  test('does not remove what somebody else has claimed while the relay had it', async () => {
    const storage = new DictStorage();
    const lease = { until: Date.now() + 1e6, owner: 'x' };
    let id;
    const queue = new Queue(storage, { attempt: () => void storage.change(id, null, { lease, attempts: 2 }) });
    const { events } = watch(queue);
    [[, id]] = await queue.enqueue(message(['a']));
    await queue.flush();
    assert.equal(events.find(({ type }) => type === 'error').error.code, 'lease-lost');
    assert.equal(storage.change(id, { lease, attempts: 2 }, {}), true);
    assert.deepEqual(storage.get(id)[2], []);
  });
});

test('on dictionaries that other programs may reach, a claim says nothing of a process, and ends by time', async () => {
  const map = new Map();
  const reached = {
    get: (id) => map.get(id), has: (id) => map.has(id), set: (id, meta) => map.set(id, meta),
    delete: (id) => map.delete(id), keys: () => map.keys(), entries: () => map.entries(), get size() { return map.size; },
  };
  const owners = [];
  for (const metaDb of [new Map(), reached]) {
    const attempt = () => void owners.push([...metaDb.entries()][0][1].lease.owner);
    const queue = new Queue(new DictStorage(new Map(), metaDb), { attempt });
    await queue.enqueue(message(['a']));
    await queue.run();
  }
  assert.deepEqual(owners.map((owner) => owner.startsWith('here:')), [true, false]);
});
