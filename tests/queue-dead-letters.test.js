/** Messages that are given up and kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryLevel } from 'memory-level';
import { denoKvHost } from '../pkg/hosts/deno-kv.js';
import { durableObjectHost } from '../pkg/hosts/durable-object.js';
import { indexedDBHost } from '../pkg/hosts/indexeddb.js';
import { levelHost } from '../pkg/hosts/level.js';
import { redisHost } from '../pkg/hosts/redis.js';
import { AsyncDictStorage, DictStorage, KeyError, Queue } from '../pkg/load/inline.js';
import { MemoryHost } from './support/host.js';
import { all, message, onEachStorage, relayOf } from './support/queues.js';

const refused = { code: 550, message: '5.1.1 no such user' };
const later = { code: 450, message: '4.2.0 later' };

onEachStorage('A queue', (scene) => {
  const { make } = scene;

  test('what is given up is kept where dead letters go, and can be queued again', async () => {
    const deadLetter = new DictStorage();
    let good = false;
    const relay = relayOf(({ sender }) => (good || !sender ? null : [null, refused]));
    const { queue, until } = make(relay, { deadLetter });
    const [[, id]] = await queue.enqueue(message(['a', 'b']));
    await queue.flush();
    await until('bounced');
    assert.deepEqual(deadLetter.get(id)[0].recipients, ['b']);
    assert.deepEqual(deadLetter.get(id)[0].message, 'Hello!\r\n');
    const [listed] = await all(queue.list({ state: 'failed' }));
    assert.deepEqual([listed.attempts, listed.replies], [1, [refused]]);
    good = true;
    await queue.retry(id);
    await queue.flush();
    const again = await until('delivered', ({ recipients }) => recipients[0] === 'b');
    assert.notEqual(again.id, id); // a server that knows the id would take it for a repeat
    assert.equal(deadLetter.getInfo().size, 0);
    while (await scene.left() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await assert.rejects(queue.retry(id), KeyError);
  });

  test('what was queued again while nobody could be told is not kept, sent and told of anew', async () => {
    const deadLetter = new DictStorage();
    let good = false;
    const relay = relayOf(() => (good ? null : refused));
    const { queue, until } = make(relay, { deadLetter, bounceQueue: { enqueue: () => Promise.reject(new Error('away')) } });
    const [[, id]] = await queue.enqueue(message(['a']));
    await queue.flush();
    await until('error');
    good = true;
    await queue.retry(id);
    await queue.flush();
    await until('delivered');
    while (await scene.left() > 0) await queue.flush();
    assert.deepEqual([deadLetter.getInfo().size, relay.calls.length], [0, 2]);
  });

  test('the storage of a queue is no place for its dead letters', () => {
    assert.throws(() => make(null, { deadLetter: scene.storage }), {
      name: 'TypeError', message: 'options.deadLetter: expected another storage, got that of the queue',
    });
  });

  for (const remains of [false, true]) {
    const what = remains ? 'whose message is there for others' : 'whose message is gone';
    test(`a dead letter ${what} is queued once, however often its retry is cut short`, async () => {
      const deadLetter = new DictStorage();
      let good = false;
      const relay = relayOf(() => (good ? null : [refused, remains ? later : null]));
      const open = (storage, letters) => new Queue(storage, relay, {
        deadLetter: letters, backoff: () => 1e6, bounceFactory: () => null,
      });
      const first = open(scene.storage, deadLetter);
      const [[, id]] = await first.enqueue(message(['a', 'b']));
      await first.flush();
      assert.deepEqual(deadLetter.get(id)[0].recipients, ['a']);
      // It is cut short between what it writes and what it takes off.
      const { envelopeDb, metaDb } = deadLetter;
      const cut = new DictStorage(envelopeDb, new Proxy(metaDb, {
        get(target, key) {
          if (key === 'delete') return () => assert.fail('cut');
          const value = Reflect.get(target, key, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      }));
      for (let i = 0; i < 3; i++) await assert.rejects(open(scene.storage, cut).retry(id), /cut/);
      await first.retry(id);
      assert.equal((await scene.storage.getInfo()).metaSize, remains ? 2 : 1);
      assert.equal(deadLetter.getInfo().size, 0);
      good = true;
      relay.calls.length = 0;
      await first.flush();
      const served = relay.calls.flatMap(({ recipients }) => recipients).sort();
      assert.deepEqual(served, remains ? ['a', 'b'] : ['a']);
    });
  }
});

test('a retry is done once its message is queued, which is due within a minute whatever comes after that', async () => {
  const host = new MemoryHost();
  const commit = host.commit.bind(host);
  let fails = false;
  host.commit = async (batch) => {
    if (fails && batch.writes.every(({ dict }) => dict === 'meta')) throw new Error('away');
    return commit(batch);
  };
  const deadLetter = new DictStorage();
  const relay = relayOf(() => refused);
  const queue = new Queue(new AsyncDictStorage(host), relay, { deadLetter, bounceFactory: () => null });
  const [[, id]] = await queue.enqueue(message(['a']));
  await queue.run();
  fails = true;
  await queue.retry(id);
  const [{ due, state }] = await all(queue.list());
  assert.deepEqual([deadLetter.getInfo().size, state], [0, 'waiting']);
  assert.ok(due <= Date.now() + 60_000);
});

test('a queue keeps no dead letters in another storage at the place of its own', () => {
  const [kv, client, object] = [
    { getMany() {}, list() {}, atomic() {} }, { sendCommand() {}, duplicate() {}, on() {} }, { transaction() {}, list() {} },
  ];
  const level = new MemoryLevel();
  for (const [isOne, one, other] of [
    [true, indexedDBHost('mail'), indexedDBHost('mail', { durability: 'relaxed' })],
    [false, indexedDBHost('mail'), indexedDBHost('failed')],
    [true, redisHost(client), redisHost(client, { prefix: 'slimta-queue' })],
    [false, redisHost(client), redisHost(client, { prefix: 'failed' })],
    [true, denoKvHost(kv), denoKvHost(kv, { prefix: ['slimta-queue'] })],
    [false, denoKvHost(kv), denoKvHost(kv, { prefix: ['slimta-queue', 'failed'] })],
    [true, levelHost(level), levelHost(level)],
    [false, levelHost(level), levelHost(level.sublevel('failed'))],
    [true, durableObjectHost(object), durableObjectHost(object)],
    [false, levelHost(level), indexedDBHost('mail')],
  ]) {
    const options = { deadLetter: new AsyncDictStorage(other) };
    const made = () => new Queue(new AsyncDictStorage(one), null, options);
    if (isOne) assert.throws(made, { name: 'TypeError', message: /^options\.deadLetter: expected another storage/ });
    else assert.doesNotThrow(made);
  }
});
