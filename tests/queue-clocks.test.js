/** Clocks that were wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { message, onEachStorage, relayOf } from './support/queues.js';

const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
const later = { code: 451, message: '4.2.0 later' };

onEachStorage('A queue after a clock that was ahead by a year', (scene) => {
  const { make, another } = scene;

  /** A message that was deferred by that clock, and a queue with the right one. */
  async function deferred(t, options) {
    t.mock.timers.enable({ apis: ['Date'], now: NOW + YEAR });
    const { queue } = make(relayOf(() => later), options);
    const [[, id]] = await queue.enqueue(message(['a']));
    await queue.run();
    t.mock.timers.setTime(NOW);
    const relay = relayOf(() => later);
    return { id, relay, ...make(relay, options, another()) };
  }

  test('attempts at once what was to be tried again then', async (t) => {
    const { queue, relay } = await deferred(t);
    assert.equal((await queue.run()).attempted, 1);
    const { attempted, nextDue } = await queue.run();
    assert.deepEqual([attempted, relay.calls.length], [0, 1]);
    assert.ok(nextDue < NOW + HOUR, String(new Date(nextDue)));
  });

  test('leaves it to its time where the caller says when to try again', async (t) => {
    const { queue } = await deferred(t, { backoff: () => HOUR });
    assert.equal((await queue.run()).attempted, 0);
  });

  test('attempts it when it is told to', async (t) => {
    const { queue, id } = await deferred(t, { backoff: () => HOUR });
    await queue.retry(id);
    assert.equal((await queue.run()).attempted, 1);
  });

  test('leaves what is planned for a day far away', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: NOW });
    const { queue } = make(relayOf());
    await queue.enqueue(message(['a']), { at: NOW + YEAR });
    assert.equal((await queue.run()).attempted, 0);
  });
});
