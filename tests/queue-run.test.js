/** Runs and flushes: what they attempt, when they end, and what they resolve with. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DictStorage, Queue } from '../pkg/load/inline.js';
import { gate, message, onEachStorage, relayOf, watch } from './support/queues.js';

const later = { code: 450, message: '4.2.0 later' };
const refused = { code: 550, message: '5.1.1 no such user' };
const nothing = { attempted: 0, delivered: 0, deferred: 0, failed: 0 };

onEachStorage('A run', (scene) => {
  const { make, left } = scene;

  test('attempts what is due at one time in the order in which it was queued', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `${i}@example.com`);
    const tried = [];
    const { queue } = make(relayOf(({ recipients }) => (tried.push(...recipients), null)), { relayPool: 1 });
    for (const name of names) await queue.enqueue(message([name]), { at: 1000 });
    await queue.run();
    assert.deepEqual(tried, names);
  });

  test('of what somebody let be due before its time ends nothing, and puts nothing off', async () => {
    const { queue, events } = make({ attempt: () => later });
    const [[, id]] = await queue.enqueue(message(['a']));
    await queue.run();
    for (let i = 0; i < 8; i++) {
      await queue.retry(id);
      assert.equal((await queue.run()).attempted, 1);
    }
    const times = events.filter(({ type }) => type === 'deferred').map(({ timestamp }) => timestamp);
    assert.deepEqual(times, Array(9).fill(times[0]));
  });

  test('attempts what is due, each message once, and tells what came of it and what is left', async () => {
    const answers = { a: null, b: [null, later, refused], c: later };
    const relay = relayOf(({ message: body }) => answers[new TextDecoder().decode(body)]);
    const { queue, events } = make(relay, { backoff: () => 0, bounceFactory: () => null });
    for (const body of Object.keys(answers)) {
      await queue.enqueue(message(['x', 'y', 'z'], { message: new TextEncoder().encode(body) }));
    }
    const at = Date.now() + 3_600_000;
    await queue.enqueue(message(['planned']), { at });
    const { nextDue, ...result } = await queue.run();
    assert.deepEqual(result, { attempted: 3, delivered: 2, deferred: 2, failed: 1, left: 3 });
    assert.equal(nextDue, Math.min(...events.filter(({ type }) => type === 'deferred').map((event) => event.timestamp)));
    assert.equal(await left(), 3);
  });

  test('leaves what was deferred to its time; a flush attempts it, and leaves what is planned for later', async () => {
    const { queue } = make(relayOf((_envelope, attempts) => (attempts ? null : later)));
    const at = Date.now() + 3_600_000;
    await queue.enqueue(message(['a']));
    await queue.enqueue(message(['planned']), { at });
    assert.equal((await queue.run()).deferred, 1);
    const again = await queue.run();
    assert.deepEqual({ ...again, nextDue: 0 }, { ...nothing, left: 2, nextDue: 0 });
    assert.deepEqual(await queue.flush(), { ...nothing, attempted: 1, delivered: 1, left: 1, nextDue: at });
    assert.deepEqual(await queue.flush(), { ...nothing, left: 1, nextDue: at });
  });

  test('leaves what others have claimed, and tells when the claim ends', async () => {
    const id = await scene.storage.write(message(['a']), 0);
    const until = Date.now() + 3_600_000;
    await scene.storage.change(id, null, { lease: { until, owner: 'another' }, attempts: 1, timestamp: until });
    const { queue } = make(relayOf());
    for (const method of ['run', 'flush']) {
      assert.deepEqual(await queue[method](), { ...nothing, left: 1, nextDue: until });
    }
  });

  test('begins no attempt after its time, beyond its limit, or once its signal is aborted', async () => {
    for (let i = 0; i < 5; i++) await scene.storage.write(message([`${i}`]), i);
    const controller = new AbortController();
    const relay = relayOf((_envelope, _attempts, calls) => {
      if (calls === 3) controller.abort();
    });
    const { queue } = make(relay, { relayPool: 1 });
    assert.deepEqual(await queue.run({ until: Date.now() - 1 }), { ...nothing, left: 5, nextDue: 0 });
    assert.deepEqual(await queue.run({ limit: 0 }), { ...nothing, left: 5, nextDue: 0 });
    const limited = await queue.run({ limit: 2, until: new Date(Date.now() + 60_000) });
    assert.deepEqual(limited, { ...nothing, attempted: 2, delivered: 2, left: 3, nextDue: 2 });
    const aborted = await queue.run({ signal: controller.signal });
    assert.deepEqual(aborted, { ...nothing, attempted: 1, delivered: 1, left: 2, nextDue: 3 });
    assert.equal((await queue.flush({ signal: controller.signal })).attempted, 0);
    assert.equal((await queue.flush({ limit: Infinity })).left, 0);
    assert.deepEqual(relay.calls.map(({ recipients }) => recipients[0]), ['0', '1', '2', '3', '4']);
  });

  test('ends when its signal is aborted, also where another attempt keeps it waiting', async () => {
    const { opened: answered, open } = gate();
    const { queue, until } = make({ attempt: () => answered }, { relayPool: 1 });
    queue.start();
    await queue.enqueue(message(['a']));
    await until('attempt');
    await queue.enqueue(message(['b']));
    const controller = new AbortController();
    const run = queue.run({ signal: controller.signal });
    setImmediate(() => controller.abort());
    assert.deepEqual({ ...await run, nextDue: 0 }, { ...nothing, left: 2, nextDue: 0 });
    open(null);
  });

  test('counts what the queue attempts meanwhile that is started', async () => {
    const { opened: answered, open } = gate();
    const { queue, until } = make({ attempt: () => answered });
    queue.start();
    await queue.enqueue(message(['a']));
    await until('attempt');
    const run = queue.flush();
    open(null);
    assert.deepEqual(await run, { ...nothing, attempted: 1, delivered: 1, left: 0, nextDue: null });
  });

  test('of two at once attempts each message once', async () => {
    for (let i = 0; i < 20; i++) await scene.storage.write(message([`${i}`]), 0);
    const relay = relayOf();
    const { queue } = make(relay);
    const [one, two] = await Promise.all([queue.run(), queue.flush()]);
    assert.deepEqual([one.attempted + two.attempted, one.left, two.left, relay.calls.length], [20, 0, 0, 20]);
  });

  test('of a queue without a relay, or that is paused, attempts nothing and tells what is left', async () => {
    await scene.storage.write(message(['a']), 5);
    const { queue } = make(null);
    assert.deepEqual(await queue.run(), { ...nothing, left: 1, nextDue: 5 });
    const paused = make(relayOf()).queue;
    paused.pause();
    assert.deepEqual(await paused.flush(), { ...nothing, left: 1, nextDue: 5 });
  });

  test('refuses options that are none', async () => {
    const { queue } = make(relayOf());
    for (const [method, options, expected] of [
      ['run', { when: 1 }, /^TypeError: options\.when: expected one of until, limit, signal$/],
      ['flush', { until: 1 }, /^TypeError: options\.until: expected one of limit, signal$/],
      ['run', 5, /^TypeError: options: expected an object, got the number 5$/],
      ['run', { until: 'soon' }, /^TypeError: options\.until: expected a finite number or a valid Date/],
      ['run', { limit: -1 }, /^RangeError: options\.limit: expected a whole number from 0, got the number -1$/],
      ['flush', { limit: '1' }, /^TypeError: options\.limit: expected a number of messages/],
      ['run', { signal: {} }, /^TypeError: options\.signal: expected an AbortSignal/],
    ]) {
      await assert.rejects(queue[method](options), (error) => {
        assert.match(String(error), expected);
        return true;
      });
    }
  });
});

describe('A queue that wakes', () => {
  test('hurries what was deferred, also when the page becomes visible, and not what is planned for later', async () => {
    const page = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
    Object.assign(globalThis, { document: page });
    try {
      const relay = relayOf((_envelope, attempts) => (attempts ? null : later));
      const queue = new Queue(new DictStorage(), relay);
      const { until } = watch(queue);
      queue.start();
      await queue.enqueue(message(['planned']), { at: Date.now() + 3_600_000 });
      await queue.enqueue(message(['a']));
      await until('deferred');
      page.visibilityState = 'visible';
      page.dispatchEvent(new Event('visibilitychange'));
      await until('delivered');
      await queue.stop();
      assert.deepEqual(relay.calls.map(({ recipients }) => recipients[0]), ['a', 'a']);
    } finally {
      Reflect.deleteProperty(globalThis, 'document');
    }
  });
});
