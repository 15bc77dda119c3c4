/** Messages that nobody wants any more after a time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DictStorage, KeyError } from '../pkg/load/inline.js';
import { all, message, onEachStorage, relayOf } from './support/queues.js';

const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;
const later = { code: 451, message: '4.2.0 later' };

onEachStorage('A message that expires', (scene) => {
  const { make, left, record } = scene;

  function started(t, answer, options) {
    t.mock.timers.enable({ apis: ['Date'], now: NOW });
    const relay = relayOf(answer);
    const made = make(relay, options);
    const enqueue = async (expires, recipients = ['a@b']) => (
      (await made.queue.enqueue(message(recipients), { expires }))[0][1]);
    return { ...made, relay, enqueue, pass: (time) => t.mock.timers.tick(time) };
  }

  test('is attempted as any other one before that', async (t) => {
    const { queue, relay, enqueue, pass } = started(t, () => null);
    await enqueue(NOW + HOUR);
    pass(HOUR - 1);
    await queue.run();
    assert.deepEqual([relay.calls.length, await left()], [1, 0]);
  });

  test('is given up then, and neither its sender nor the dead letter hears of it', async (t) => {
    const deadLetter = new DictStorage();
    const { queue, relay, events, enqueue, pass } = started(t, () => null, { deadLetter });
    const id = await enqueue(new Date(NOW + HOUR), ['a@b', 'c@d']);
    assert.equal((await record(id)).expires, NOW + HOUR);
    pass(HOUR);
    const { attempted, failed } = await queue.run();
    assert.deepEqual([attempted, failed], [1, 1]);
    assert.deepEqual([relay.calls.length, await left(), deadLetter.getInfo().size], [0, 0, 0]);
    const told = events.filter(({ type }) => type !== 'queued');
    assert.deepEqual(told.map(({ type, recipients }) => [type, recipients]), [['failed', ['a@b', 'c@d']]]);
    assert.deepEqual([...new Set(told[0].replies.map((reply) => reply.code))], [451]);
    await assert.rejects(queue.retry(id), KeyError);
  });

  test('is put off no longer than until then', async (t) => {
    const { queue, events, relay, enqueue, pass } = started(t, () => later, { backoff: () => 5 * HOUR });
    await enqueue(NOW + HOUR);
    await queue.run();
    const [{ state, due }] = await all(queue.list());
    assert.deepEqual([state, due], ['deferred', NOW + HOUR]);
    assert.equal(events.find(({ type }) => type === 'deferred').timestamp, NOW + HOUR);
    pass(HOUR);
    await queue.run();
    assert.deepEqual([relay.calls.length, await left()], [1, 0]);
  });

  test('tells of those who were refused before that', async (t) => {
    const refused = { code: 550, message: '5.1.1 no such user' };
    const { queue, events, enqueue, pass } = started(t, ({ sender }) => (sender ? [refused, later] : null));
    await enqueue(NOW + HOUR, ['a@b', 'c@d']);
    await queue.run();
    pass(HOUR);
    await queue.run();
    await queue.run();
    assert.equal(await left(), 0);
    const bounced = events.filter(({ type }) => type === 'bounced');
    assert.deepEqual(bounced.map(({ recipients }) => recipients), [['a@b']]);
  });

  test('does so in every part that a policy makes of it', async (t) => {
    const { queue, enqueue, pass } = started(t, () => null);
    queue.addPolicy({ apply: (envelope) => envelope.recipients.map((to) => ({ ...envelope, recipients: [to] })) });
    await enqueue(NOW + HOUR, ['a@b', 'c@d']);
    pass(HOUR);
    assert.equal((await queue.run()).failed, 2);
  });

  test('is refused where that is no time, or would be before it is due', async () => {
    const { queue } = make(relayOf(() => null));
    const enqueue = (options) => queue.enqueue(message(['a@b']), options);
    await assert.rejects(enqueue({ expires: 'soon' }), { name: 'TypeError', message: /options\.expires: .* got the string "soon"/ });
    await assert.rejects(enqueue({ expires: NaN }), { message: /options\.expires: / });
    for (const options of [{ at: 5, expires: 5 }, { expires: HOUR }]) {
      await assert.rejects(enqueue(options), {
        name: 'RangeError', message: `options.expires: expected a time after options.at, or after now, got the number ${options.expires}`,
      });
    }
    assert.equal(await left(), 0);
  });
});
