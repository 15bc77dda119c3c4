/** What foreign code throws: relays, policies, the functions of the options, listeners. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { message, onEachStorage, relayOf } from './support/queues.js';

const refused = { code: 550, message: '5.1.1 no such user' };
const later = { code: 450, message: '4.2.0 later' };
const thrown = new TypeError('x is not a function');
const throwing = () => {
  throw thrown;
};
const rejecting = async () => throwing();
const ways = [['at once', throwing], ['later', rejecting]];

onEachStorage('A queue', (scene) => {
  const { make, left } = scene;

  for (const answer of ['250 ok', 5, [null, null, null], { nobody: null }]) {
    test(`tells of an answer that is none with that very answer: ${JSON.stringify(answer)}`, async () => {
      const { queue, until } = make({ attempt: async () => answer });
      await queue.enqueue(message(['a', 'b']));
      await queue.flush();
      assert.equal((await until('error')).error.cause, answer);
      assert.deepEqual((await until('deferred')).recipients, ['a', 'b']);
    });
  }

  test('passes on how long a reply asks to wait', async () => {
    const reply = { code: 450, message: '4.2.0 later', retryAfter: 90_000 };
    const asked = [];
    const { queue, until } = make({ attempt: () => reply }, { backoff: (_envelope, _attempts, replies) => (asked.push(...replies), 1) });
    await queue.enqueue(message(['a']));
    await queue.flush();
    assert.deepEqual([(await until('deferred')).reply, asked], [reply, [reply]]);
  });

  test('hears of no event any more once the signal of its listener is aborted', async () => {
    const { queue } = make(relayOf());
    const heard = [];
    const controller = new AbortController();
    queue.addEventListener('queued', ({ type }) => heard.push(type), { signal: controller.signal });
    await queue.enqueue(message(['a']));
    controller.abort();
    await queue.enqueue(message(['b']));
    assert.deepEqual(heard, ['queued']);
  });

  for (const [when, fail] of ways) {
    test(`tells of what a relay throws ${when} with that very error, and tries again`, async () => {
      const { queue, until } = make({ attempt: fail });
      const [[, id]] = await queue.enqueue(message(['a']));
      await queue.flush();
      const { error, ...about } = await until('error');
      assert.equal(error, thrown);
      assert.equal(about.id, id);
      assert.deepEqual((await until('deferred')).recipients, ['a']);
    });

    test(`rejects with what a policy throws ${when}, and stores nothing`, async () => {
      const { queue } = make(relayOf());
      queue.addPolicy({ apply: fail });
      assert.equal(await queue.enqueue(message(['a'])).catch((error) => error), thrown);
      assert.equal(await left(), 0);
    });

    test(`waits as usual where a backoff or a destination fails ${when}, and tells of it`, async () => {
      const options = { backoff: fail, destination: { of: fail, pool: 1 } };
      const { queue, until } = make({ attempt: () => later }, options);
      await queue.enqueue(message(['a']));
      await queue.flush();
      assert.ok((await until('error')).error instanceof TypeError);
      assert.ok((await until('deferred')).timestamp > Date.now() + 30_000);
      await new Promise((resolve) => setImmediate(resolve)); // a rejection that nobody heard would end the program
    });

    test(`tells of what a policy throws ${when} for a notice, and keeps the message`, async () => {
      const { queue, until } = make(relayOf(() => refused));
      queue.addPolicy({ apply: ({ sender }) => (sender ? undefined : fail()) });
      await queue.enqueue(message(['a']));
      await queue.flush();
      assert.equal((await until('error')).error, thrown);
      assert.equal(await left(), 1);
    });

    test(`tells of what a bounceFactory throws ${when}, and sends the usual notice`, async () => {
      const { queue, until } = make(relayOf(() => refused), { bounceFactory: fail });
      await queue.enqueue(message(['a']));
      await queue.flush();
      assert.equal((await until('error')).error, thrown);
      assert.deepEqual((await until('bounced')).bounce.recipients, ['me@example.com']);
    });

    test(`tells of what a listener throws ${when}, and goes on with the other listeners and the message`, async () => {
      const { queue, until, types } = make(relayOf());
      const all = ['queued', 'attempt', 'delivered'];
      const heard = [];
      for (const type of all) {
        queue.addEventListener(type, fail);
        queue.addEventListener(type, { handleEvent: fail });
        queue.addEventListener(type, () => heard.push(type));
      }
      const [[, id]] = await queue.enqueue(message(['a']));
      await queue.flush();
      assert.deepEqual(heard, all);
      const { error, ...about } = await until('error');
      assert.equal(error, thrown);
      assert.deepEqual([about.id, about.attempts], [id, 0]);
      assert.equal(types().filter((type) => type === 'error').length, 6);
      assert.equal(await left(), 0);
    });

    test(`leaves what a listener to errors throws ${when} to the console, and tells the others`, async (t) => {
      const { mock } = t.mock.method(console, 'error', () => {});
      const { queue, events } = make(relayOf(throwing));
      const heard = [];
      queue.addEventListener('error', fail);
      queue.addEventListener('error', ({ detail }) => heard.push(detail.error));
      await queue.enqueue(message(['a']));
      await queue.flush();
      assert.deepEqual(mock.calls.map(({ arguments: [error] }) => error), [thrown]);
      assert.deepEqual(heard, [thrown]);
      assert.equal(events.filter(({ type }) => type === 'error').length, 1);
    });
  }

  test('tells of what a backoff throws with that very error', async () => {
    const { queue, until } = make(relayOf(() => later), { backoff: throwing });
    await queue.enqueue(message(['a']));
    await queue.flush();
    assert.equal((await until('error')).error, thrown);
  });

  test('hears a listener once however often it is added, and no more when it is removed', async () => {
    const { queue } = make(null);
    const heard = [];
    const listener = function ({ type }) {
      heard.push([type, this === queue]);
    };
    const object = { handleEvent: ({ type }) => heard.push([type, 'object']) };
    for (const each of [listener, listener, object]) queue.addEventListener('queued', each);
    queue.addEventListener('queued', () => heard.push('once'), { once: true });
    queue.addEventListener('queued', null);
    await queue.enqueue(message(['a']));
    await queue.enqueue(message(['b']));
    assert.deepEqual(heard, [['queued', true], ['queued', 'object'], 'once', ['queued', true], ['queued', 'object']]);
    for (const each of [listener, object]) queue.removeEventListener('queued', each);
    await queue.enqueue(message(['c']));
    assert.equal(heard.length, 5);
  });
});
