/** The IndexedDB host when the database is silent or lost, on a stand-in; tests/browser/ has the real thing. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { IDBFactory, IDBKeyRange, forceCloseDatabase } from 'fake-indexeddb';
import { indexedDBHost } from '../pkg/hosts/indexeddb.js';
import { AsyncDictStorage } from '../pkg/load/inline.js';
import { anEnvelope, idOf, ids, queueError } from './support/calls.js';
import { faultyFactory } from './support/factory.js';

globalThis.IDBKeyRange = IDBKeyRange;

let beneath;
beforeEach(() => {
  beneath = new IDBFactory();
});

const faulty = (plan) => faultyFactory({ ...plan, beneath });
const host = (indexedDB = beneath) => indexedDBHost('outbox', { indexedDB });
const batch = (number) => ({
  checks: [{ dict: 'envelope', id: idOf(number), version: null }],
  writes: [
    { dict: 'envelope', id: idOf(number), value: { number } },
    { dict: 'meta', id: idOf(number), value: { timestamp: number, attempts: 0 } },
  ],
});

/** Lets time pass for timers alone, and everything else happen in between. */
async function pass(t, seconds) {
  for (let second = 0; second < seconds; second++) {
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(1_000);
  }
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Replaces how the next transaction of a mode begins, on connections that a factory opens. */
function transactions(factory, mode, change) {
  return {
    open(...args) {
      const request = factory.open(...args);
      request.addEventListener('success', () => {
        const db = request.result;
        const { transaction } = db;
        db.transaction = (...args) => {
          const tx = transaction.apply(db, args);
          if (args[1] === mode && change) {
            change(tx, db);
            change = undefined;
          }
          return tx;
        };
      });
      return request;
    },
  };
}

/** Keeps events of a transaction from whoever asks for them later. */
function mute(tx, ...types) {
  for (const type of types) tx.addEventListener(type, (event) => event.stopImmediatePropagation());
}

describe('a connection', { timeout: 1_500_000 }, () => {
  test('an open that says nothing is followed by another one after a second, and one connection is kept', async (t) => {
    const held = [];
    const opened = [];
    const indexedDB = {
      open(...args) {
        const request = beneath.open(...args);
        opened.push(request);
        // The first one answers only when it is let to.
        if (opened.length === 1) {
          request.addEventListener('success', (event) => {
            if (held.length > 0) return;
            event.stopImmediatePropagation();
            held.push(() => request.onsuccess());
          });
        }
        return request;
      },
    };
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const plain = host(indexedDB);
    const asked = plain.sizes();
    await pass(t, 2);
    assert.deepEqual(await asked, { size: 0, metaSize: 0 });
    assert.equal(opened.length, 2);
    held[0]();
    assert.throws(() => opened[0].result.transaction(['meta']), { name: 'InvalidStateError' });
    assert.deepEqual(await plain.sizes(), { size: 0, metaSize: 0 });
    assert.equal(opened.length, 2);
  });

  test('an open that another program blocks says so to every call, and all work once it lets go', async (t) => {
    await host().commit(batch(1));
    const stubborn = await new Promise((resolve) => {
      beneath.open('outbox', 1).onsuccess = ({ target }) => resolve(target.result);
    });
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const plain = host(faulty({ newer: 9 }));
    for (const call of [() => plain.sizes(), () => plain.commit(batch(2)), () => plain.read('meta', idOf(1))]) {
      const said = assert.rejects(call, { name: 'QueueError', code: 'blocked' });
      await pass(t, 2);
      await said;
    }
    stubborn.close();
    await pass(t, 0);
    assert.equal(await plain.commit(batch(3)), true);
    assert.deepEqual(await plain.sizes(), { size: 2, metaSize: 2 });
  });

  test('an open that fails and fails again is an error with its cause', async () => {
    for (const name of ['UnknownError', 'InvalidStateError', 'AbortError']) {
      const indexedDB = faulty({ open: [name, name] });
      const { cause } = await queueError(() => host(indexedDB).sizes(), 'host');
      assert.deepEqual([cause.name, indexedDB.opens], [name, 2]);
    }
  });

  test('an open that is refused for good is not asked again', async () => {
    for (const [name, code] of [['SecurityError', 'host'], ['QuotaExceededError', 'full']]) {
      const indexedDB = faulty({ open: [name] });
      await queueError(() => host(indexedDB).sizes(), code);
      assert.equal(indexedDB.opens, 1);
    }
  });

  test('a database that has lost its stores, as after a power cut, gets them again, from two hosts at once', async () => {
    await new Promise((resolve, reject) => {
      const request = beneath.open('outbox', 1);
      request.onsuccess = () => resolve(request.result.close());
      request.onerror = reject;
    });
    const [one, other] = [host(), host()];
    assert.deepEqual(await Promise.all([one.commit(batch(1)), other.commit(batch(2))]), [true, true]);
    assert.deepEqual(await host().sizes(), { size: 2, metaSize: 2 });
  });

  test('a database whose stores were made again is opened as any other, also where that open fails once', async () => {
    await new Promise((resolve) => {
      beneath.open('outbox', 1).onsuccess = ({ target }) => resolve(target.result.close());
    });
    assert.equal(await host().commit(batch(1)), true);
    for (const open of [[undefined, 'UnknownError'], [undefined, undefined], ['UnknownError', undefined]]) {
      assert.deepEqual(await host(faulty({ open })).sizes(), { size: 1, metaSize: 1 });
    }
  });

  test('closing ends a call whose database does not open', async () => {
    const plain = host(faulty({ open: ['silent', 'silent'] }));
    const said = queueError(() => plain.sizes(), 'closed');
    await plain.close();
    await said;
    await queueError(() => plain.sizes(), 'closed');
  });
});

describe('a transaction', { timeout: 1_500_000 }, () => {
  test('one that says nothing is aborted after twenty seconds, writes nothing, and the next one works', async (t) => {
    const indexedDB = transactions(beneath, 'readwrite', (tx) => {
      tx.objectStore('meta').get(idOf(1)).onsuccess = function again() {
        if (tx.error === null) tx.objectStore('meta').get(idOf(1)).onsuccess = again; // it never has nothing to do
      };
    });
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const plain = host(indexedDB);
    const said = assert.rejects(plain.commit(batch(1)), { name: 'QueueError', code: 'timeout' });
    await pass(t, 21);
    await said;
    assert.deepEqual(await plain.sizes(), { size: 0, metaSize: 0 });
    assert.equal(await plain.commit(batch(1)), true);
  });

  test('one that says nothing while it commits has an unknown outcome', async (t) => {
    const indexedDB = transactions(beneath, 'readwrite', (tx) => mute(tx, 'complete'));
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const plain = host(indexedDB);
    const said = assert.rejects(plain.commit(batch(1)), { name: 'QueueError', code: 'unknown-outcome' });
    await pass(t, 21);
    await said;
    assert.deepEqual(await plain.sizes(), { size: 1, metaSize: 1 });
  });

  test('one that reads and says nothing is given up after twenty seconds, and the next one works', async (t) => {
    let requests = 0;
    const indexedDB = transactions(beneath, 'readonly', (tx) => {
      const { objectStore } = tx;
      tx.objectStore = (name) => {
        const store = objectStore.call(tx, name);
        store.count = () => (requests++, {});
        return store;
      };
    });
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const plain = host(indexedDB);
    const said = assert.rejects(plain.sizes(), { name: 'QueueError', code: 'timeout' });
    await pass(t, 21);
    await said;
    assert.equal(requests, 2);
    assert.deepEqual(await plain.sizes(), { size: 0, metaSize: 0 });
  });

  test('one that the browser ends without a word, its connection closed, is made anew', async (t) => {
    const indexedDB = transactions(beneath, 'readwrite', (tx, db) => {
      mute(tx, 'abort');
      queueMicrotask(() => forceCloseDatabase(db));
    });
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const plain = host(indexedDB);
    const asked = plain.commit(batch(1));
    await pass(t, 2);
    assert.equal(await asked, true);
    assert.deepEqual(await plain.sizes(), { size: 1, metaSize: 1 });
  });

  test('a batch that cannot be stored whole is refused, and those that share its transaction are written', async () => {
    const bad = batch(2);
    bad.writes[1].value = { timestamp: 2, attempts: 0, extra: () => {} };
    const plain = host();
    const [one, two, three] = await Promise.allSettled([batch(1), bad, batch(3)].map((each) => plain.commit(each)));
    assert.deepEqual([one.value, two.reason.code, three.value], [true, 'host', true]);
    assert.equal(two.reason.cause.name, 'DataCloneError');
    assert.deepEqual(await plain.sizes(), { size: 2, metaSize: 2 });
  });

  test('one that can only delete is followed by one that can write, for all that share it', async () => {
    const indexedDB = transactions(beneath, 'readwrite', (tx) => {
      const { objectStore } = tx;
      tx.objectStore = (name) => {
        const store = objectStore.call(tx, name);
        store.add = store.put = () => {
          throw new DOMException('on request', 'InvalidStateError');
        };
        return store;
      };
    });
    const plain = host(indexedDB);
    assert.deepEqual(await Promise.all([1, 2, 3].map((number) => plain.commit(batch(number)))), [true, true, true]);
    assert.deepEqual(await plain.sizes(), { size: 3, metaSize: 3 });
  });

  test('an unknown outcome names the message of each call that shared the transaction', async () => {
    const made = new AsyncDictStorage(host(faulty({ readwrite: ['unknown'] })));
    const writeAll = () =>
      Promise.allSettled([1, 2, 3].map((number) => made.write(anEnvelope(), number, { id: idOf(number) })));
    const said = (await writeAll()).map(({ reason }) => [reason.code, reason.id]);
    assert.deepEqual(said, [1, 2, 3].map((number) => ['unknown-outcome', idOf(number)]));
    await writeAll();
    assert.deepEqual(await ids(made), [idOf(1), idOf(2), idOf(3)]);
  });
});

describe('news', { timeout: 1_500_000 }, () => {
  /** What a host tells, until it has told of that id. */
  const heard = (plain, last) => new Promise((resolve) => {
    const list = [];
    const end = plain.subscribe((id) => {
      list.push(id);
      if (id === last) resolve((end(), list));
    });
  });

  test('a host hears what others have committed, each change once, and nothing of its own', async () => {
    const [one, other] = [host(), host()];
    const list = heard(one, idOf(9));
    await one.commit(batch(1));
    await other.commit(batch(2));
    await other.commit(batch(2)); // it is there already
    await one.commit(batch(3));
    await other.commit(batch(9));
    assert.deepEqual(await list, [idOf(2), idOf(9)]);
    await Promise.all([one.close(), other.close()]);
  });

  test('a change of unknown outcome is told, since it may have been made', async () => {
    const [one, other] = [host(), host(faulty({ readwrite: ['unknown'] }))];
    const list = heard(one, idOf(1));
    await queueError(() => other.commit(batch(1)), 'unknown-outcome');
    assert.deepEqual(await list, [idOf(1)]);
    await Promise.all([one.close(), other.close()]);
  });

  test('a commit is acknowledged where nobody can be told', async (t) => {
    t.mock.method(globalThis, 'BroadcastChannel', () => {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    });
    const plain = host();
    assert.deepEqual([await plain.commit(batch(1)), await plain.commit(batch(2))], [true, true]);
  });
});

test('where the browser has no say in storage, nothing is granted and nothing is known', async () => {
  assert.equal(await host().persist(), false);
  assert.deepEqual(await host().estimate(), { usage: undefined, quota: undefined, persisted: false });
});

test('where somebody else than the browser named it has made the IndexedDB, it is used as it is', async (t) => {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  t.after(() => (own ? Object.defineProperty(globalThis, 'navigator', own) : delete globalThis.navigator));
  Object.defineProperty(globalThis, 'navigator', { value: { userAgent: 'Chrome/156.0.0.0' }, configurable: true });
  const plain = host();
  assert.equal(await plain.read('meta', idOf(1)), undefined);
  assert.equal(await plain.commit(batch(1)), true);
});
