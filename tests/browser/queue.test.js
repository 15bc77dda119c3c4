/** Queues in two tabs over one database. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inEngines } from '../support/engines.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, Queue, indexedDBHost */

const MESSAGES = process.env.LONG ? 1_000 : 60;

inEngines('Queues', (scene) => {
  /** Opens a queue in a tab, whose relay holds a lock of the site for each message that it attempts. */
  const open = (tab) => tab.evaluate(([name]) => {
    const storage = new AsyncDictStorage(indexedDBHost(name));
    globalThis.seen = { attempted: [], clashes: [] };
    const relay = {
      attempt: ({ recipients: [to] }) => navigator.locks.request(`${name} ${to}`, { ifAvailable: true }, async (lock) => {
        if (!lock) globalThis.seen.clashes.push(to);
        globalThis.seen.attempted.push(to);
        await new Promise((resolve) => setTimeout(resolve, 5));
        return globalThis.offline ? { code: 450, message: 'offline' } : null;
      }),
    };
    globalThis.queue = new Queue(storage, relay, { relayPool: 5 });
    globalThis.storage = storage;
    globalThis.queue.start();
  }, [scene.name]);
  const enqueue = (tab, from, count) => tab.evaluate(async ([from, count]) => {
    const numbers = Array.from({ length: count }, (_, i) => from + i);
    await Promise.all(numbers.map((n) => globalThis.queue.enqueue({ sender: '', recipients: [`${n}@example.com`] })));
  }, [from, count]);
  /** Resolves when the storage is empty. */
  const emptied = (tab) => tab.evaluate(async () => {
    for (;;) {
      if ((await globalThis.storage.getInfo()).metaSize === 0) return true;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  const seen = (tab) => tab.evaluate(() => globalThis.seen);
  const close = (tab) => tab.evaluate(async () => {
    await globalThis.queue.stop();
    await globalThis.storage.close();
  });

  test('two tabs never attempt a message at once, and deliver each one once', async () => {
    const [one, other] = scene.tabs;
    await Promise.all([open(one), open(other)]);
    await Promise.all([enqueue(one, 0, MESSAGES), enqueue(other, MESSAGES, MESSAGES)]);
    await emptied(one);
    const [here, there] = [await seen(one), await seen(other)];
    assert.deepEqual([...here.clashes, ...there.clashes], []);
    const attempted = [...here.attempted, ...there.attempted];
    assert.equal(attempted.length, 2 * MESSAGES);
    assert.equal(new Set(attempted).size, 2 * MESSAGES);
    await Promise.all([close(one), close(other)]);
  });

  test('a tab delivers what another one has written', async () => {
    const [one, other] = scene.tabs;
    await open(one);
    await other.evaluate(([name]) => new AsyncDictStorage(indexedDBHost(name))
      .write({ sender: '', recipients: ['a@example.com'] }, Date.now()), [scene.name]);
    await emptied(one);
    assert.deepEqual((await seen(one)).attempted, ['a@example.com']);
    await close(one);
  });

  test('what waits is attempted as soon as the browser is online again', async () => {
    const [tab] = scene.tabs;
    await open(tab);
    await tab.evaluate(() => new Promise((resolve) => {
      globalThis.offline = true;
      globalThis.queue.addEventListener('deferred', resolve, { once: true });
      globalThis.queue.enqueue({ sender: '', recipients: ['a@example.com'] });
    }));
    await tab.evaluate(() => {
      globalThis.offline = false;
      dispatchEvent(new Event('online'));
    });
    await emptied(tab);
    assert.equal((await seen(tab)).attempted.length, 2);
    await close(tab);
  });
});
