import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { AsyncDictStorage } from '../pkg/load/inline.js';
import { NOBODY, anEnvelope, idOf, ids, outcome, queueError } from './support/calls.js';
import { SlowDict } from './support/dicts.js';
import { MemoryHost, Store } from './support/host.js';
import { asyncSubjects } from './support/subjects.js';

/** Stops all clocks: time goes as `t.mock.timers.tick` says. */
function stopClocks(t) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  t.mock.method(performance, 'now', () => Date.now());
}

/** Lets everything happen that waits for no timer. */
async function turns() {
  for (let i = 0; i < 30; i++) await turn();
}

/** The next message of somebody who waits, which must come. */
async function next(waiting) {
  const { value, error, failed } = await outcome(() => waiting.next());
  if (failed) throw error;
  return value.done ? 'the end' : value.value;
}

/** Takes what comes until it is that; others may come before, or twice. */
async function until(waiting, timestamp, id) {
  for (let left = 1000; left > 0; left--) {
    const message = await next(waiting);
    if (message[0] === timestamp && message[1] === id) return;
    assert.notEqual(message, 'the end', `it ended without ${timestamp}, ${id}`);
  }
  assert.fail(`${timestamp}, ${id} did not come`);
}

for (const { name, open } of asyncSubjects) {
  describe(name, () => {
    test('wait begins with every message that is there', async () => {
      const { storage } = open();
      for (let i = 1; i <= 30; i++) await storage.write(anEnvelope(), i, { id: idOf(i) });
      const waiting = storage.wait();
      const seen = new Map();
      while (seen.size < 30) {
        const [timestamp, id] = await next(waiting);
        seen.set(id, timestamp);
      }
      for (let i = 1; i <= 30; i++) assert.equal(seen.get(idOf(i)), i);
      await storage.close();
    });

    test('wait goes on with what this object writes, before and while somebody asks for it', async () => {
      const { storage } = open();
      const waiting = storage.wait();
      const asked = next(waiting);
      await turn();
      await storage.write(anEnvelope(), 5, { id: idOf(1) });
      assert.deepEqual(await asked, [5, idOf(1)]);
      await storage.write(anEnvelope(), 6, { id: idOf(2) });
      await storage.write(anEnvelope(), 7, { id: idOf(3) });
      await until(waiting, 7, idOf(3));
      await storage.close();
    });

    test('wait yields every changed timestamp', async () => {
      const { storage } = open();
      await storage.write(anEnvelope(), 5, { id: idOf(1) });
      const waiting = storage.wait();
      await until(waiting, 5, idOf(1));
      await storage.setTimestamp(idOf(1), 6);
      await until(waiting, 6, idOf(1));
      await storage.change(idOf(1), null, { timestamp: 7, attempts: 1 });
      await until(waiting, 7, idOf(1));
      await storage.close();
    });

    test('wait yields a message that repair lists again', async () => {
      const { storage, meta } = open();
      await storage.write(anEnvelope(), 5, { id: idOf(1) });
      meta.set(idOf(1), { timestamp: 'soon', attempts: 0 });
      const waiting = storage.wait();
      const asked = until(waiting, 0, idOf(1));
      await turn();
      await storage.repair({ requeue: [idOf(1)] });
      await asked;
      await storage.close();
    });

    test('wait ends on close, asked before or after it', async () => {
      const { storage } = open();
      await storage.write(anEnvelope(), 5, { id: idOf(1) });
      const [one, two] = [storage.wait(), storage.wait()];
      await until(one, 5, idOf(1));
      await until(two, 5, idOf(1));
      const asked = next(one);
      await turn();
      await storage.close();
      assert.deepEqual([await asked, await next(one), await next(two)], ['the end', 'the end', 'the end']);
    });

    test('wait ends on close in the midst of looking through everything', async () => {
      for (let turns = 0; turns < 12; turns++) {
        const { storage } = open();
        for (let i = 0; i < 20; i++) await storage.write(anEnvelope(), 5);
        const waiting = storage.wait();
        const asked = next(waiting);
        for (let i = 0; i < turns; i++) await undefined;
        await storage.close();
        for (let message = await asked; message !== 'the end'; ) message = await next(waiting);
      }
    });

    test('wait of a closed storage ends at once', async () => {
      const { storage } = open();
      await storage.close();
      const { failed, error, value } = await outcome(() => storage.wait().next());
      if (failed) assert.equal(error.code, 'closed');
      else assert.equal(value.done, true);
    });

    test('two who wait both get everything', async () => {
      const { storage } = open();
      const [one, two] = [storage.wait(), storage.wait()];
      const asked = [until(one, 5, idOf(1)), until(two, 5, idOf(1))];
      await storage.write(anEnvelope(), 5, { id: idOf(1) });
      await Promise.all(asked);
      await storage.close();
    });

    test('who stops to wait disturbs nobody else, and can begin anew', async () => {
      const { storage } = open();
      await storage.write(anEnvelope(), 5, { id: idOf(1) });
      const other = storage.wait();
      for await (const _ of storage.wait()) break;
      await until(other, 5, idOf(1));
      await storage.write(anEnvelope(), 6, { id: idOf(2) });
      await until(other, 6, idOf(2));
      for await (const [timestamp] of storage.wait()) if (timestamp === 6) break;
      await storage.close();
    });

    test('return ends what was asked for before, and disturbs nobody else', async () => {
      const { storage } = open();
      const [one, other] = [storage.wait(), storage.wait()];
      const asked = [one.next(), one.next()];
      const others = next(other);
      await turn();
      assert.deepEqual(await one.return(), { done: true, value: undefined });
      for (const step of await Promise.all(asked)) assert.deepEqual(step, { done: true, value: undefined });
      assert.equal((await one.next()).done, true);
      await storage.write(anEnvelope(), 5, { id: idOf(1) });
      assert.deepEqual(await others, [5, idOf(1)]);
      await storage.close();
    });

    test('return without a next begins nothing', async () => {
      const { storage } = open();
      const waiting = storage.wait();
      assert.deepEqual(await waiting.return(), { done: true, value: undefined });
      assert.deepEqual(await waiting.next(), { done: true, value: undefined });
      await storage.close();
    });

    test('who does not keep up misses no message', async () => {
      const { storage } = open();
      const waiting = storage.wait();
      const first = next(waiting);
      await storage.write(anEnvelope(), 0, { id: idOf(0) });
      await first;
      await Promise.all(Array.from({ length: 1500 }, (_, i) =>
        storage.write({ sender: null, recipients: ['a@example.com'] }, i, { id: idOf(i + 1) })));
      const seen = new Set();
      while (seen.size < 1500) {
        const [, id] = await next(waiting);
        if (id !== idOf(0)) seen.add(id);
      }
      await storage.close();
    });

    test('what is removed is not yielded any more', async () => {
      const { storage } = open();
      await storage.write(anEnvelope(), 5, { id: idOf(1) });
      await storage.remove(idOf(1));
      await storage.write(anEnvelope(), 6, { id: idOf(2) });
      assert.deepEqual(await next(storage.wait()), [6, idOf(2)]);
      await storage.close();
    });
  });
}

describe('others', () => {
  test('what others do comes through subscribe, without looking through everything', async () => {
    const store = new Store();
    const [host, elsewhere] = [new MemoryHost(store), new AsyncDictStorage(new MemoryHost(store))];
    const storage = new AsyncDictStorage(host);
    const waiting = storage.wait();
    const asked = next(waiting);
    await turn();
    let pages = 0;
    host.page = () => {
      pages++;
      return { entries: [] };
    };
    await elsewhere.write(anEnvelope(), 5, { id: idOf(1) });
    assert.deepEqual(await asked, [5, idOf(1)]);
    await elsewhere.setTimestamp(idOf(1), 6);
    await until(waiting, 6, idOf(1));
    assert.equal(pages, 0);
    await storage.close();
  });

  test('a host that says that it has missed something is looked through, and odd ids are passed over', async () => {
    const store = new Store();
    const [host, elsewhere] = [new MemoryHost(store), new AsyncDictStorage(new MemoryHost(store))];
    let notify;
    host.subscribe = (callback) => {
      notify = callback;
      return () => {};
    };
    const storage = new AsyncDictStorage(host);
    const waiting = storage.wait();
    const asked = next(waiting);
    await turn();
    await elsewhere.write(anEnvelope(), 5, { id: idOf(1) });
    for (const odd of [5, null, {}, Symbol('id'), 'no id']) notify(odd);
    notify();
    assert.deepEqual(await asked, [5, idOf(1)]);
    await storage.close();
  });

  test('what others do is found by looking through everything where there is no subscribe', async () => {
    const store = new Store();
    const elsewhere = new AsyncDictStorage(new MemoryHost(store));
    const storage = new AsyncDictStorage(new MemoryHost(store, { silent: true }), { poll: 2 });
    const waiting = storage.wait();
    const asked = until(waiting, 5, idOf(1));
    await turn();
    await elsewhere.write(anEnvelope(), 5, { id: idOf(1) });
    await asked;
    await elsewhere.setTimestamp(idOf(1), 6);
    await until(waiting, 6, idOf(1));
    await elsewhere.remove(idOf(1));
    await elsewhere.write(anEnvelope(), 7, { id: idOf(2) });
    await until(waiting, 7, idOf(2));
    await storage.close();
  });

  for (const [what, silent, period] of [['who hears nothing of others', true, 5_000], ['who hears of others', false, 60_000]]) {
    test(`unless told otherwise, ${what} looks through everything every ${period / 1_000} seconds`, async (t) => {
      stopClocks(t);
      const host = new MemoryHost(new Store(), { silent });
      const looks = t.mock.method(host, 'page').mock;
      const storage = new AsyncDictStorage(host);
      const asked = storage.wait().next();
      await turns();
      for (let look = 1; look < 4; look++) {
        assert.equal(looks.callCount(), look);
        t.mock.timers.tick(period - 1);
        await turns();
        assert.equal(looks.callCount(), look);
        t.mock.timers.tick(1);
        await turns();
      }
      await storage.close();
      assert.equal((await asked).done, true);
    });
  }

  test('what somebody else does to plain dictionaries is found', async () => {
    const [envelopes, meta] = [new Map(), new Map()];
    const storage = new AsyncDictStorage(new SlowDict(envelopes), new SlowDict(meta), { poll: 2 });
    const asked = until(storage.wait(), 5, idOf(1));
    await turn();
    envelopes.set(idOf(1), anEnvelope());
    meta.set(idOf(1), { timestamp: 5, attempts: 0 });
    await asked;
    await storage.close();
  });

  test('what others did while the page slept is found when it becomes visible', async () => {
    const page = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
    globalThis.document = page;
    try {
      const store = new Store();
      const host = new MemoryHost(store);
      const storage = new AsyncDictStorage(host);
      const waiting = storage.wait();
      const asked = next(waiting);
      await turn();
      store.listeners.clear(); // the page sleeps and hears nothing
      await new AsyncDictStorage(new MemoryHost(store)).write(anEnvelope(), 5, { id: idOf(1) });
      page.dispatchEvent(new Event('visibilitychange'));
      page.visibilityState = 'visible';
      page.dispatchEvent(new Event('visibilitychange'));
      assert.deepEqual(await asked, [5, idOf(1)]);
      await storage.close();
      assert.equal(await next(waiting), 'the end');
    } finally {
      delete globalThis.document;
    }
  });

  test('a host is subscribed to once, when somebody waits, and not any more after close', async () => {
    const store = new Store();
    const storage = new AsyncDictStorage(new MemoryHost(store));
    assert.equal(store.listeners.size, 0, 'nobody waits yet');
    const waits = [storage.wait(), storage.wait()];
    waits.forEach((waiting) => waiting.next());
    await turn();
    assert.equal(store.listeners.size, 1);
    await storage.close();
    assert.equal(store.listeners.size, 0);
  });

  test('a host may notify with ids that are none', async () => {
    const host = new MemoryHost();
    let notify;
    host.subscribe = (callback) => {
      notify = callback;
      return () => {};
    };
    const storage = new AsyncDictStorage(host);
    const waiting = storage.wait();
    const asked = next(waiting);
    await turn();
    for (const strange of [5, null, {}, '', 'x', '\ud800', Symbol('s'), [], idOf(77)]) notify(strange);
    await storage.write(anEnvelope(), 5, { id: idOf(1) });
    assert.deepEqual(await asked, [5, idOf(1)]);
    await storage.close();
  });
});

describe('a failing host', () => {
  test('a host that fails while somebody waits says so to him, and who waits anew goes on', async () => {
    const host = new MemoryHost();
    const storage = new AsyncDictStorage(host, { deadline: 5000 });
    await storage.write(anEnvelope(), 5, { id: idOf(1) });
    const { page } = host;
    const cause = new Error('the disk is on fire');
    host.page = () => Promise.reject(cause);
    await queueError(() => storage.wait().next(), 'host', { cause });
    host.page = page;
    assert.deepEqual(await next(storage.wait()), [5, idOf(1)]);
    await storage.close();
  });

  test('unless told otherwise, a call on a host that answers nothing ends after 30 seconds', async (t) => {
    stopClocks(t);
    const host = new MemoryHost();
    host.read = () => new Promise(() => {});
    const storage = new AsyncDictStorage(host);
    let error;
    storage.get(NOBODY).catch((reason) => (error = reason));
    await turns();
    t.mock.timers.tick(29_999);
    await turns();
    assert.equal(error, undefined);
    t.mock.timers.tick(1);
    await turns();
    assert.equal(error.code, 'timeout');
  });

  test('a storage that is closed does not subscribe', async () => {
    const host = new MemoryHost();
    let subscriptions = 0;
    host.subscribe = () => {
      subscriptions++;
      return () => {};
    };
    const storage = new AsyncDictStorage(host);
    await storage.close();
    await outcome(() => storage.wait().next());
    assert.equal(subscriptions, 0);
  });

  test('a host that cannot subscribe says so to who waits, and the storage goes on', async () => {
    const host = new MemoryHost();
    const cause = new Error('no channel');
    host.subscribe = () => { throw cause; };
    const storage = new AsyncDictStorage(host);
    for (let i = 0; i < 2; i++) await queueError(() => storage.wait().next(), 'host', { cause });
    await storage.write(anEnvelope(), 5, { id: idOf(1) });
    assert.deepEqual(await ids(storage), [idOf(1)]);
    await storage.close();
  });

  test('a corrupt record is passed over by who waits', async () => {
    const store = new Store();
    const storage = new AsyncDictStorage(new MemoryHost(store));
    store.meta.set(idOf(1), { timestamp: NaN, attempts: 0 });
    store.meta.set(idOf(2), 'what');
    await storage.write(anEnvelope(), 5, { id: idOf(3) });
    assert.deepEqual(await next(storage.wait()), [5, idOf(3)]);
    await storage.close();
  });
});

test('who looks through everything only once still hears of what this storage does', async () => {
  const storage = new AsyncDictStorage(null, null, { poll: Infinity });
  const waiting = storage.wait();
  const asked = next(waiting);
  await turn();
  const id = await storage.write(anEnvelope(), 5);
  assert.deepEqual(await asked, [5, id]);
  await storage.close();
});
