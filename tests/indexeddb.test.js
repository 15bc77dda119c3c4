/** The IndexedDB host on a stand-in for IndexedDB; tests/browser/ has the real thing. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { IDBFactory, IDBKeyRange, forceCloseDatabase } from 'fake-indexeddb';
import { indexedDBHost } from '../pkg/hosts/indexeddb.js';
import { AsyncDictStorage } from '../pkg/load/inline.js';
import { BEHAVIOURS } from './support/behaviours.js';
import { all, anEnvelope, failure, idOf, ids, outcome, queueError } from './support/calls.js';

globalThis.IDBKeyRange = IDBKeyRange;

let factory;
beforeEach(() => {
  factory = new IDBFactory();
});

const host = (options) => indexedDBHost('outbox', { indexedDB: factory, ...options });
const storage = (options) => new AsyncDictStorage(host(options), { deadline: 300_000 });

/** A factory over the one of the test that hands each new connection to `connected` before anybody else has it. */
function watched(connected) {
  const beneath = factory;
  return {
    open(...args) {
      const request = beneath.open(...args);
      request.addEventListener('success', () => connected(request.result));
      return request;
    },
  };
}

/** A factory that notes the transactions of its connections. */
function counted() {
  const transactions = [];
  const indexedDB = watched((db) => {
    const { transaction } = db;
    db.transaction = (stores, mode, options) => {
      transactions.push({ stores, mode, options });
      return transaction.call(db, stores, mode, options);
    };
  });
  return { indexedDB, transactions, written: () => transactions.filter(({ mode }) => mode === 'readwrite').length };
}

/** Opens the database without the host, as another program would. */
function openElsewhere(version) {
  return new Promise((resolve, reject) => {
    const request = factory.open('outbox', version);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('blocked'));
    request.onupgradeneeded = () => {};
  });
}

function deleteElsewhere() {
  return new Promise((resolve, reject) => {
    const request = factory.deleteDatabase('outbox');
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('blocked'));
  });
}

/** A batch that makes a message unless its envelope is there. */
function insertion(number, value) {
  const id = idOf(number);
  return {
    checks: [{ dict: 'envelope', id, version: null }],
    writes: [{ dict: 'envelope', id, value }, { dict: 'meta', id, value: { timestamp: number, attempts: 0 } }],
  };
}

describe('behaviours', () => {
  for (const [name, behaviour] of Object.entries(BEHAVIOURS)) {
    test(name, async () => {
      const opened = [];
      const open = () => {
        opened.push(storage());
        return opened.at(-1);
      };
      const { failed, error } = await outcome(() => behaviour(open), 300_000);
      if (failed) throw error;
      for (const each of opened) await each.close();
    });
  }
});

describe('the database', () => {
  test('nothing is opened before the first call', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] }); // an open that takes a second is made again
    let opened = 0;
    const indexedDB = watched(() => opened++);
    const lazy = new AsyncDictStorage(host({ indexedDB }));
    assert.equal((await factory.databases()).length, 0);
    await lazy.getInfo();
    await lazy.getInfo();
    assert.equal(opened, 1);
  });

  test('one connection serves calls that begin together', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let opened = 0;
    const one = new AsyncDictStorage(host({ indexedDB: watched(() => opened++) }));
    await Promise.all([one.getInfo(), all(one.load()), one.write(anEnvelope(), 1), one.remove(idOf(1))]);
    assert.equal(opened, 1);
  });

  test('every transaction that writes is over both stores and as durable as asked, strictly unless told', async () => {
    for (const durability of [undefined, 'strict', 'relaxed']) {
      const { indexedDB, transactions } = counted();
      const made = new AsyncDictStorage(host({ indexedDB, ...(durability && { durability }) }));
      const id = await made.write(anEnvelope(), 1);
      await made.incrementAttempts(id);
      await made.remove(id);
      const writing = transactions.filter(({ mode }) => mode === 'readwrite');
      assert.ok(writing.length >= 3);
      for (const { stores, options } of writing) {
        assert.deepEqual([...stores].sort(), ['envelope', 'meta']);
        assert.equal(options.durability, durability ?? 'strict');
      }
    }
  });

  test('what the host keeps is what its options say', () => {
    assert.deepEqual(host().supports, { atomic: true, writers: 'many', exactlyOnceLoad: true, durable: 'disk', sharesLocks: true });
    assert.equal(host({ durability: 'relaxed' }).supports.durable, 'os');
    for (const bad of [undefined, null, 5, {}, Symbol('s')]) assert.throws(() => indexedDBHost(bad), TypeError);
    for (const durability of ['loose', null, 5]) assert.throws(() => host({ durability }), TypeError);
    for (const freshLog of ['no', null, 0]) assert.throws(() => host({ freshLog }), TypeError);
  });

  describe('of a factory where nothing is global', () => {
    beforeEach(() => {
      delete globalThis.IDBKeyRange;
    });
    afterEach(() => {
      globalThis.IDBKeyRange = IDBKeyRange;
    });

    test('is read to its end by the IDBKeyRange that is given beside the factory', async () => {
      const made = new AsyncDictStorage(host({ IDBKeyRange }));
      await Promise.all(Array.from({ length: 1_001 }, (_, i) => made.write(anEnvelope(), i)));
      assert.equal((await ids(made)).length, 1_001);
      await made.close();
    });

    test('is refused, by name, without an IDBKeyRange', () => {
      for (const wrong of [undefined, null, 5, {}]) {
        assert.throws(() => host({ IDBKeyRange: wrong }), { name: 'TypeError', message: /^IDBKeyRange: / });
      }
    });
  });

  test('a hundred writes at once share a few transactions', async () => {
    const { indexedDB, written } = counted();
    const made = new AsyncDictStorage(host({ indexedDB }));
    await Promise.all(Array.from({ length: 100 }, (_, i) => made.write(anEnvelope(), i)));
    assert.ok(written() <= 5, `${written()} transactions`);
    assert.equal((await ids(made)).length, 100);
  });

  test('a batch whose check fails touches neither its records nor the other batches of its transaction', async () => {
    const { indexedDB, written } = counted();
    const plain = host({ indexedDB });
    const write = (number, version) => plain.commit({
      checks: [{ dict: 'envelope', id: idOf(number), version }],
      writes: [
        { dict: 'envelope', id: idOf(number), value: { number } },
        { dict: 'meta', id: idOf(number), value: { timestamp: number, attempts: 0 } },
      ],
    });
    const change = (number, attempts, then) => plain.commit({
      checks: [{ dict: 'meta', id: idOf(number), version: { timestamp: number, attempts } }],
      writes: [{ dict: 'meta', id: idOf(number), value: { timestamp: number, attempts: then } }],
    });
    assert.equal(await write(1, null), true);
    assert.equal(await write(2, null), true);
    const before = written();
    const together = await Promise.all([write(1, null), write(3, null), change(2, 7, 8), write(4, null)]);
    assert.deepEqual(together, [false, true, false, true]);
    assert.equal(written(), before + 1);
    assert.deepEqual(await Promise.all([change(1, 0, 1), change(2, 0, 5), change(9, 0, 1)]), [true, true, false]);
    const attempts = [];
    for (let i = 1; i <= 4; i++) attempts.push((await plain.read('meta', idOf(i))).value.attempts);
    assert.deepEqual([attempts, await plain.sizes()], [[1, 5, 0, 0], { size: 4, metaSize: 4 }]);
  });

  test('an insertion over an envelope that has no meta record is refused and leaves none', async () => {
    const plain = host();
    await plain.commit({ checks: [], writes: [{ dict: 'envelope', id: idOf(1), value: 'first' }] });
    const together = await Promise.all([plain.commit(insertion(1, 'second')), plain.commit(insertion(2, 'other'))]);
    assert.deepEqual(together, [false, true]);
    assert.equal((await plain.read('envelope', idOf(1))).value, 'first');
    assert.equal(await plain.read('meta', idOf(1)), undefined);
    assert.deepEqual(await plain.sizes(), { size: 2, metaSize: 1 });
  });

  test('an insertion beside a meta record that has no envelope replaces it', async () => {
    const plain = host();
    const value = { timestamp: 5, attempts: 5 };
    await plain.commit({ checks: [], writes: [{ dict: 'meta', id: idOf(1), value }] });
    assert.equal(await plain.commit(insertion(1, 'first')), true);
    assert.equal((await plain.read('meta', idOf(1))).value.attempts, 0);
    assert.deepEqual(await plain.sizes(), { size: 1, metaSize: 1 });
  });

  test('a change whose check fails leaves the record as it was, whatever it is, and makes none', async () => {
    const plain = host();
    const garbage = { timestamp: 'soon', attempts: -0, tag: new Map([[1n, new Uint8Array(3)]]) };
    await plain.commit({ checks: [], writes: [{ dict: 'meta', id: idOf(1), value: garbage }] });
    const change = (number, version) => plain.commit({
      checks: [{ dict: 'meta', id: idOf(number), version }],
      writes: [{ dict: 'meta', id: idOf(number), value: { timestamp: 7, attempts: 7 } }],
    });
    const expected = { timestamp: 1, attempts: 0 };
    assert.deepEqual(await Promise.all([change(1, expected), change(2, expected)]), [false, false]);
    assert.deepEqual((await plain.read('meta', idOf(1))).value, garbage);
    assert.deepEqual(await plain.sizes(), { size: 0, metaSize: 1 });
  });

  test('a change is made of what was read alone, the fields of other versions included', async () => {
    const plain = host();
    const id = idOf(1);
    const record = { timestamp: 1, attempts: 0, replies: [{ reply: { code: 450 }, indexes: [0] }], since: new Date(1) };
    const store = (value, version) => plain.commit({
      checks: version ? [{ dict: 'meta', id, version }] : [], writes: [{ dict: 'meta', id, value }],
    });
    await store(record);
    for (const other of [
      { ...record, since: new Date(2) }, { ...record, untold: 1 }, { ...record, replies: [] }, { timestamp: 1, attempts: 0 },
      { ...record, replies: [{ reply: { code: 451 }, indexes: [0] }] },
    ]) {
      assert.equal(await store({ timestamp: 2, attempts: 1 }, other), false);
    }
    const { version } = await plain.read('meta', id);
    assert.equal(await store({ ...record, lease: undefined, untold: 2 }, version), true);
    assert.equal(await store({ timestamp: 2, attempts: 1 }, { untold: 2, ...record }), true);
  });

  test('batches on one message that wait together are made one after the other', async () => {
    const plain = host();
    const inserted = [1, 2, 3].map((value) => plain.commit(insertion(1, value)));
    assert.deepEqual(await Promise.all(inserted), [true, false, false]);
    assert.equal((await plain.read('envelope', idOf(1))).value, 1);
  });

  test('a meta record alone is inserted once, and what is absent can be a condition of a deletion', async () => {
    const plain = host();
    const absent = [{ dict: 'meta', id: idOf(1), version: null }];
    const commit = (write) => plain.commit({ checks: absent, writes: [{ dict: 'meta', id: idOf(1), ...write }] });
    assert.equal(await commit({}), true);
    assert.equal(await commit({ value: { timestamp: 1, attempts: 0 } }), true);
    assert.equal(await commit({ value: { timestamp: 2, attempts: 0 } }), false);
    assert.equal(await commit({}), false);
    assert.equal((await plain.read('meta', idOf(1))).value.timestamp, 1);
  });

  test('what cannot be cloned fails its own batch and leaves the host usable', async () => {
    const plain = host();
    const put = (number, value) =>
      plain.commit({ checks: [], writes: [{ dict: 'envelope', id: idOf(number), value }] });
    await failure(() => put(1, { bad: () => {} }), { name: 'QueueError', code: 'host' });
    assert.equal(await put(2, { good: 1 }), true);
    assert.deepEqual(await plain.sizes(), { size: 1, metaSize: 0 });
  });
});

describe('other tabs', { timeout: 1_500_000 }, () => {
  test('hear of each message that changes, of commits that follow each other together', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const plain = indexedDBHost('together', { indexedDB: factory });
    const channel = new BroadcastChannel('slimta-queue-dict:together');
    t.after(() => channel.close());
    const messages = [];
    const ended = new Promise((resolve) => {
      channel.onmessage = ({ data }) => messages.push(data) === 2 && resolve();
    });
    for (let i = 1; i <= 20; i++) await plain.commit(insertion(i, i));
    await plain.commit(insertion(3, 3));
    t.mock.timers.tick(1_000);
    await ended;
    assert.equal(messages.length, 2);
    assert.deepEqual(messages.flat(), Array.from({ length: 20 }, (_, i) => idOf(i + 1)));
  });

  test('hear of the last changes when the host is closed right after them', async (t) => {
    const [writing, listening] = [1, 2].map(() => indexedDBHost('closing', { indexedDB: factory }));
    const heard = [];
    let last;
    const ended = new Promise((resolve) => (last = resolve));
    t.after(listening.subscribe((id) => heard.push(id) === 2 && last()));
    await writing.commit(insertion(1, 1));
    await writing.commit(insertion(2, 2));
    await writing.close();
    await ended;
    assert.deepEqual(heard, [idOf(1), idOf(2)]);
  });

  test('keep no listener from hearing because another one throws', async (t) => {
    t.mock.method(console, 'error', () => {});
    const [writing, listening] = [1, 2].map(() => indexedDBHost('throwing', { indexedDB: factory }));
    t.after(listening.subscribe(() => { throw new Error('thrown by a listener'); }));
    const heard = new Promise((resolve) => t.after(listening.subscribe(resolve)));
    await writing.commit(insertion(1, 1));
    assert.equal(await heard, idOf(1));
    await writing.close();
  });
});

describe('connections', { timeout: 1_500_000 }, () => {
  test('a connection lets another one upgrade, and later calls say that the format is newer', async () => {
    const made = storage();
    await made.write(anEnvelope(), 1);
    const newer = await openElsewhere(7);
    await queueError(() => made.getInfo(), 'newer-format');
    await queueError(() => made.write(anEnvelope(), 1), 'newer-format');
    newer.close();
  });

  test('a connection lets the database be deleted, and later calls begin a new one', async () => {
    const made = storage();
    const id = await made.write(anEnvelope(), 1);
    await deleteElsewhere();
    await failure(() => made.get(id), { name: 'KeyError' });
    const again = await made.write(anEnvelope(), 2);
    assert.deepEqual(await ids(made), [again]);
  });

  test('a connection that was closed under the host is made anew, once, by whichever call comes next', async () => {
    const next = [
      (made) => made.getInfo(), (made) => all(made.load()), (made) => made.write(anEnvelope(), 1),
      (made, id) => made.get(id), (made, id) => made.incrementAttempts(id), (made) => made.remove(idOf(9)),
      (made) => made.check(),
    ];
    for (const call of next) {
      const connections = [];
      const made = new AsyncDictStorage(host({ indexedDB: watched((db) => connections.push(db)) }));
      const id = await made.write(anEnvelope(), 1);
      connections[0].close();
      await call(made, id);
      await made.getInfo();
      assert.equal(connections.length, 2, String(call));
      await made.close();
    }
  });

  test('a connection that the browser closes is made anew', async () => {
    const connections = [];
    const made = new AsyncDictStorage(host({ indexedDB: watched((db) => connections.push(db)) }));
    const id = await made.write(anEnvelope(), 1);
    forceCloseDatabase(connections[0]);
    assert.equal(await made.incrementAttempts(id), 1);
    assert.equal(connections.length, 2);
  });

  test('an open that fails says why, and the next call tries again', async () => {
    let fail = true;
    const error = new DOMException('Internal error.', 'UnknownError');
    const good = factory;
    const indexedDB = { open: (...args) => (fail ? failing({ error }) : good.open(...args)) };
    const made = new AsyncDictStorage(host({ indexedDB }));
    await queueError(() => made.getInfo(), 'host', { cause: error });
    fail = false;
    assert.deepEqual(await made.getInfo(), { size: 0, metaSize: 0 });
  });

  test('an open that throws at once says why, and the next call tries again', async () => {
    let fail = true;
    const error = new DOMException('The operation is insecure.', 'SecurityError');
    const good = factory;
    const indexedDB = {
      open(...args) {
        if (fail) throw error;
        return good.open(...args);
      },
    };
    const made = new AsyncDictStorage(host({ indexedDB }));
    await queueError(() => made.write(anEnvelope(), 1), 'host', { cause: error });
    fail = false;
    await made.write(anEnvelope(), 1);
  });

  test('an open that is blocked says so, and the next call tries again', async () => {
    let block = true;
    const good = factory;
    const indexedDB = { open: (...args) => (block ? failing({ type: 'blocked' }) : good.open(...args)) };
    const made = new AsyncDictStorage(host({ indexedDB }));
    await queueError(() => made.getInfo(), 'blocked');
    block = false;
    assert.deepEqual(await made.getInfo(), { size: 0, metaSize: 0 });
  });

  test('an open that never ends is a timeout by the deadline', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const made = new AsyncDictStorage(host({ indexedDB: { open: () => ({}) } }), { deadline: 50 });
    for (const call of [() => made.getInfo(), () => made.get(idOf(1)), () => made.write(anEnvelope(), 1)]) {
      const asked = assert.rejects(call, ({ code }) => ['timeout', 'unknown-outcome'].includes(code));
      for (let i = 0; i < 20; i++) await undefined;
      t.mock.timers.tick(51);
      await asked;
    }
  });

  test('an open that never ends is given up, and a call after that tries again', async (t) => {
    let hang = true;
    const good = factory;
    const indexedDB = { open: (...args) => (hang ? {} : good.open(...args)) };
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const made = new AsyncDictStorage(host({ indexedDB }));
    const asked = assert.rejects(() => made.getInfo(), { code: 'timeout' });
    for (let second = 1; second < 30; second++) {
      for (let i = 0; i < 20; i++) await undefined;
      t.mock.timers.tick(1_000);
    }
    await asked;
    t.mock.timers.reset();
    hang = false;
    assert.deepEqual(await made.getInfo(), { size: 0, metaSize: 0 });
  });

  test('a transaction that never ends is given up, and a call after that goes on', async (t) => {
    let silent = false;
    const connections = [];
    const indexedDB = watched((db) => {
      connections.push(db);
      const { transaction } = db;
      db.transaction = (...args) => {
        const tx = transaction.apply(db, args);
        if (silent) for (const event of ['oncomplete', 'onabort']) Object.defineProperty(tx, event, { set() {} });
        return tx;
      };
    });
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const plain = host({ indexedDB });
    await plain.commit(insertion(1, 1));
    silent = true;
    const asked = assert.rejects(() => plain.commit(insertion(2, 2)), { code: 'unknown-outcome' });
    await new Promise((resolve) => setImmediate(resolve)); // what is asked for at once shares its transaction
    silent = false;
    const waits = plain.commit(insertion(3, 3));
    for (let second = 0; second < 30; second++) {
      for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
      t.mock.timers.tick(1_000);
    }
    await asked;
    assert.equal(await waits, true);
    assert.equal(connections.length, 2);
  });

  test('closing while the database is being opened leaves no connection open', async () => {
    let connection;
    const made = new AsyncDictStorage(host({ indexedDB: watched((db) => (connection = db)) }));
    const asked = outcome(() => made.getInfo());
    await made.close();
    await asked;
    await deleteElsewhere();
    assert.throws(() => connection.transaction(['meta']), { name: 'InvalidStateError' });
  });
});

describe('a full disk', () => {
  /** Aborts every transaction that puts more than this into a store, once all its requests have succeeded. */
  const aborted = new WeakSet();
  const limited = (limit) => watched((db) => {
    const { transaction } = db;
    db.transaction = (...args) => {
      const tx = transaction.apply(db, args);
      const { objectStore } = tx;
      tx.objectStore = (name) => {
        const store = objectStore.call(tx, name);
        for (const method of ['add', 'put']) {
          const original = store[method];
          store[method] = (value, ...rest) => {
            const request = original.call(store, value, ...rest);
            if ((value.message?.length ?? 0) > limit.bytes) {
              Object.defineProperty(tx, 'error', { value: new DOMException('full', 'QuotaExceededError') });
              // Once, and after what the host does about the success.
              request.addEventListener('success', () => queueMicrotask(() => {
                if (!aborted.has(tx)) aborted.add(tx) && tx.abort();
              }));
            }
            return request;
          };
        }
        return store;
      };
      return tx;
    };
  });

  test('a write for which there is no space is rejected as full and leaves nothing, and later calls work', async () => {
    const limit = { bytes: 100 };
    const made = new AsyncDictStorage(host({ indexedDB: limited(limit) }));
    const there = await made.write(anEnvelope(), 1);
    const error = await queueError(() => made.write(anEnvelope({ message: new Uint8Array(101) }), 1), 'full');
    assert.equal(error.cause.name, 'QuotaExceededError');
    assert.deepEqual(await made.getInfo(), { size: 1, metaSize: 1 });
    assert.deepEqual(await made.check(), { orphanEnvelopes: [], orphanMeta: [], corrupt: [] });
    assert.equal(await made.incrementAttempts(there), 1);
    await made.remove(there);
    limit.bytes = 1000;
    await made.write(anEnvelope({ message: new Uint8Array(101) }), 1);
    assert.deepEqual(await made.getInfo(), { size: 1, metaSize: 1 });
  });

  test('a removal is made also when a write beside it finds no space', async () => {
    const made = new AsyncDictStorage(host({ indexedDB: limited({ bytes: 100 }) }));
    const there = await made.write(anEnvelope(), 1);
    const [written, removed] = await Promise.all([
      outcome(() => made.write(anEnvelope({ message: new Uint8Array(101) }), 1)), outcome(() => made.remove(there)),
    ]);
    assert.deepEqual([written.error?.code, removed.failed], ['full', false]);
    assert.deepEqual(await made.getInfo(), { size: 0, metaSize: 0 });
  });

  test('of calls that meet a full disk together, each has taken effect or says full', async () => {
    const made = new AsyncDictStorage(host({ indexedDB: limited({ bytes: 100 }) }));
    const there = await made.write(anEnvelope(), 1);
    const calls = [
      () => made.write(anEnvelope(), 1, { id: idOf(1) }),
      () => made.write(anEnvelope({ message: new Uint8Array(101) }), 1, { id: idOf(2) }),
      () => made.remove(there), () => made.write(anEnvelope(), 1, { id: idOf(3) }),
    ];
    const [one, two, removed, three] = await Promise.all(calls.map((call) => outcome(call)));
    assert.equal(two.error?.code, 'full');
    for (const { failed, error } of [one, removed, three]) if (failed) assert.equal(error.code, 'full');
    const expected = [[idOf(1), !one.failed], [idOf(3), !three.failed], [there, removed.failed]];
    assert.deepEqual(await ids(made), expected.filter(([, there]) => there).map(([id]) => id).sort());
  });
});

/** A request that fires one event, an error unless told otherwise. */
function failing({ type = 'error', error = null }) {
  const request = { error };
  queueMicrotask(() => request[`on${type}`]?.({ target: request, type }));
  return request;
}
