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

  test('what a worker was sending when it ended is sent by another context as soon as that is known', { timeout: 300_000 }, async () => {
    const [tab] = scene.tabs;
    const attempts = await tab.evaluate(async ([name, url]) => {
      const source = `import { AsyncDictStorage, Queue } from '${url}load/inline.js';
        import { indexedDBHost } from '${url}hosts/indexeddb.js';
        const attempt = () => (postMessage('sending'), new Promise(() => {}));
        const queue = new Queue(new AsyncDictStorage(indexedDBHost('${name}')), { attempt });
        queue.start();
        queue.enqueue({ sender: '', recipients: ['a@example.com'] });`;
      const script = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
      const worker = new Worker(script, { type: 'module' });
      await new Promise((resolve) => worker.addEventListener('message', resolve, { once: true }));
      const storage = new AsyncDictStorage(indexedDBHost(name));
      const queue = new Queue(storage, { attempt: () => null });
      const delivered = new Promise((resolve) => queue.addEventListener('delivered', resolve, { once: true }));
      queue.start();
      const { attempted, left } = await queue.flush(); // by now it has met the claim
      worker.terminate();
      const { detail } = await delivered;
      await queue.stop();
      await storage.close();
      return [attempted, left, detail.attempts];
    }, [scene.name, scene.url]);
    assert.deepEqual(attempts, [0, 1, 2]);
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
