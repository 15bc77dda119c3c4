import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { DictStorage, Queue, TransientRelayError } from '../pkg/load/inline.js';
import { message, relayOf, storages, watch } from './support/queues.js';

const refused = { code: 550, message: '5.1.1 no such user' };
const later = { code: 450, message: '4.2.0 later' };

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

  test('reports a message that cannot be read, and leaves it there', async () => {
    for (const envelope of [undefined, 'text', { sender: 'a' }, { get sender() { throw new Error('no'); } }]) {
      const envelopes = new Map();
      const storage = new DictStorage(envelopes, new Map());
      const relay = relayOf();
      const queue = new Queue(storage, relay);
      const { until } = watch(queue);
      const [[, id]] = await queue.enqueue(message(['a']));
      if (envelope === undefined) envelopes.delete(id);
      else envelopes.set(id, envelope);
      await queue.flush();
      if (envelope !== undefined) assert.equal((await until('error')).error.code, 'corrupt');
      assert.equal(relay.calls.length, 0);
      await queue.stop();
    }
  });
});

for (const { name, open } of storages) {
  describe(`A queue on ${name}`, () => {
    let opened;
    beforeEach(() => {
      opened = open();
    });
    afterEach(() => opened.close());

    test('judges an answer by the recipients that the relay was given, whatever it does to them', async () => {
      const queue = new Queue(opened.storage, {
        attempt(envelope) {
          envelope.recipients.length = 0;
          envelope.recipients.push('x', 'y', 'z');
          return [null, refused, later];
        },
      }, { backoff: () => 60_000, bounceFactory: () => null });
      const { events } = watch(queue);
      const [[, id]] = await queue.enqueue(message(['a', 'b', 'c']));
      await queue.flush();
      const of = (type) => events.find((event) => event.type === type)?.recipients;
      assert.deepEqual([of('delivered'), of('failed'), of('deferred')], [['a'], ['b'], ['c']]);
      assert.deepEqual((await opened.storage.get(id))[2], [2]);
    });

    test('has nothing under way after a flush that was not started, also when something is due again', async () => {
      const queue = new Queue(opened.storage, {
        async attempt() {
          for (let i = 0; i < 10; i++) await undefined;
          throw new TransientRelayError('Busy');
        },
      }, { backoff: () => 0 });
      for (let i = 0; i < 5; i++) await queue.enqueue(message(['a']));
      await queue.flush();
      assert.equal(queue.getInfo().inAttempt, 0);
    });

    for (const remains of [false, true]) {
      const what = remains ? 'whose message is there for others' : 'whose message is gone';
      test(`a dead letter ${what} is queued once, however often its retry is cut short`, async () => {
        const deadLetter = new DictStorage();
        let good = false;
        const relay = relayOf(() => (good ? null : [refused, remains ? later : null]));
        const make = (storage, letters) => new Queue(storage, relay, {
          deadLetter: letters, backoff: () => 1e6, bounceFactory: () => null,
        });
        const first = make(opened.storage, deadLetter);
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
        for (let i = 0; i < 3; i++) await assert.rejects(make(opened.storage, cut).retry(id), /cut/);
        await first.retry(id);
        assert.equal((await opened.storage.getInfo()).metaSize, remains ? 2 : 1);
        assert.equal(deadLetter.getInfo().size, 0);
        good = true;
        relay.calls.length = 0;
        await first.flush();
        const served = relay.calls.flatMap(({ recipients }) => recipients).sort();
        assert.deepEqual(served, remains ? ['a', 'b'] : ['a']);
      });
    }
  });
}

test('Who enqueues one message after another lets everything else of the program have its turn', async () => {
  const relay = {
    attempt() {
      for (const end = performance.now() + 2; performance.now() < end;);
      return null;
    },
  };
  const queue = new Queue(new DictStorage(), relay);
  queue.start();
  let turns = 0;
  let others = true;
  const turn = () => {
    turns++;
    if (others) setImmediate(turn);
  };
  setImmediate(turn);
  for (let i = 0; i < 50; i++) await queue.enqueue(message(['a']));
  others = false;
  assert.ok(turns > 1, `${turns} turns`);
  assert.ok(queue.getInfo().size < 50);
  await queue.stop();
});

test('What fails together does not come back together', async () => {
  const queue = new Queue(new DictStorage(), relayOf(() => later));
  const { events } = watch(queue);
  for (let i = 0; i < 20; i++) await queue.enqueue(message(['a']));
  await queue.flush();
  const times = events.filter(({ type }) => type === 'deferred').map(({ timestamp }) => timestamp);
  assert.equal(times.length, 20);
  assert.ok(Math.max(...times) - Math.min(...times) > 500, 'of 6,000 ms on each side of a minute');
  await queue.stop();
});
