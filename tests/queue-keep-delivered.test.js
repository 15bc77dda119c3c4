/** Messages that stay for a while after they were delivered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DictStorage, KeyError } from '../pkg/load/inline.js';
import { all, message, onEachStorage, relayOf } from './support/queues.js';

const KEPT = 3_600_000;
const answers = { no: { code: 550, message: '5.1.1 no such user' }, ok: { code: 250, message: '2.0.0 Ok' } };

onEachStorage('A queue that keeps what was delivered', (scene) => {
  const { make, left } = scene;

  /** A queue that has delivered a message to these recipients, as far as their names say. */
  async function delivered(t, recipients, options) {
    t.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 });
    const relay = relayOf((envelope) => envelope.recipients.map((to) => answers[to] ?? null));
    const { queue, events } = make(relay, { keepDelivered: KEPT, ...options });
    const enqueue = async () => (await queue.enqueue(message(recipients), { key: 'one' }))[0][1];
    const id = await enqueue();
    await queue.flush(); // the message
    await queue.flush(); // the notice
    const attempts = relay.calls.length;
    return { queue, events, relay, enqueue, id, attempts, pass: (time) => t.mock.timers.tick(time) };
  }

  for (const recipients of [['ok', 'ok'], ['ok', 'no'], ['no']]) {
    test(`attempts nothing of it, and a repeat of its key stores nothing: ${recipients}`, async (t) => {
      const { queue, relay, enqueue, id, attempts, pass } = await delivered(t, recipients);
      const before = await left();
      for (let round = 0; round < 2; round++) {
        assert.equal(await enqueue(), id);
        await queue.flush();
        await queue.run();
        const [{ state, due, replies }] = (await all(queue.list())).filter((one) => one.id === id);
        assert.deepEqual([state, due], ['delivered', 1_700_000_000_000 + KEPT]);
        assert.deepEqual(replies, [...new Set(recipients)].map((to) => answers[to]));
        const { waiting, due: now, deferred, sending } = await queue.count();
        assert.deepEqual([waiting, now, deferred, sending], [0, 0, 0, 0]);
        pass(KEPT / 2 - 1);
      }
      assert.deepEqual([relay.calls.length, await left()], [attempts, before]);
      pass(2);
      await queue.run();
      assert.equal(await left(), 0);
      assert.notEqual(await queue.run().then(enqueue).then(left), 0);
    });
  }

  test('leaves it there although another queue keeps nothing itself', async (t) => {
    const WEEK = 7 * 86_400_000;
    const { relay, enqueue, id, attempts, pass } = await delivered(t, ['ok'], { keepDelivered: WEEK });
    const { queue: other } = make(relay);
    for (let round = 0; round < 2; round++) {
      await other.run();
      assert.equal(await enqueue(), id);
      assert.deepEqual([relay.calls.length, await left()], [attempts, 1]);
    }
    pass(WEEK + 1);
    await other.run();
    assert.equal(await left(), 0);
  });

  test('neither retries nor cancels it', async (t) => {
    const { queue, id } = await delivered(t, ['ok']);
    await assert.rejects(queue.retry(id), KeyError);
    assert.equal(await queue.cancel(id), false);
    await queue.run();
    assert.equal(await left(), 1);
  });

  test('keeps it as long where its sender is told late', async (t) => {
    let isAway = true;
    const bounceQueue = {
      async enqueue(envelope) {
        if (isAway) throw new Error('away');
        return [[envelope, 'elsewhere']];
      },
    };
    const { queue, events, id, pass } = await delivered(t, ['ok', 'no'], { bounceQueue });
    isAway = false;
    await queue.flush();
    assert.equal(events.filter(({ type }) => type === 'bounced').length, 1);
    pass(KEPT - 60_000); // some milliseconds of the day have passed meanwhile
    await queue.run();
    assert.deepEqual((await all(queue.list())).map((one) => [one.id, one.state]), [[id, 'delivered']]);
    pass(60_001);
    await queue.run();
    assert.equal(await left(), 0);
  });

  test('queues a dead letter of it again', async (t) => {
    const { queue, relay, id, attempts } = await delivered(t, ['ok', 'no'], {
      deadLetter: new DictStorage(), bounceFactory: () => null,
    });
    await queue.retry(id);
    await queue.run();
    assert.deepEqual(relay.calls.slice(attempts).map(({ recipients }) => recipients), [['no']]);
  });
});
