/** Each code that a storage gives its errors has a way to come about, and each says what is true. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { AsyncDictStorage, DictStorage, KeyError, Queue, QueueError } from '../pkg/load/inline.js';
import { NOBODY, all, anEnvelope, failure, idOf, ids, keyError, outcome, queueError } from './support/calls.js';
import { SlowDict } from './support/dicts.js';
import { MemoryHost, Store } from './support/host.js';
import { asyncSubjects, subjects } from './support/subjects.js';

const SHORT = { deadline: 60 };
const never = () => new Promise(() => {});

/** A dictionary over a Map one of whose methods a test replaces. */
function slow(map, replaced = {}) {
  const dict = new SlowDict(map);
  for (const [name, method] of Object.entries(replaced)) dict[name] = (...args) => method(dict, ...args);
  return dict;
}

/** A promise and the means to settle it. */
function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

describe('no-such-message', () => {
  test('a message that is not there is a KeyError that names it', async () => {
    for (const { open } of subjects) {
      const error = await keyError(() => open().storage.get(NOBODY), NOBODY);
      assert.ok(error instanceof KeyError);
    }
  });
});

describe('conflict', () => {
  test('a change of a message from within a change of it is a conflict where nobody can wait', () => {
    const meta = new Map();
    const storage = new DictStorage(new Map(), meta);
    const id = storage.write(anEnvelope(), 10);
    let inner;
    meta.set = (key, value) => {
      if (!inner) {
        try {
          inner = { value: storage.incrementAttempts(id) };
        } catch (error) {
          inner = { error };
        }
      }
      return Map.prototype.set.call(meta, key, value);
    };
    assert.equal(storage.incrementAttempts(id), 1);
    assert.deepEqual([inner.error.code, inner.error.id], ['conflict', id]);
    assert.equal(storage.get(id)[1], 1);
  });

  test('dictionaries that call the storage again and again come to an end, and the storage goes on', () => {
    const metaDb = new Map();
    const storage = new DictStorage(new Map(), metaDb);
    const id = storage.write(anEnvelope(), 10);
    let depth = 0;
    metaDb.get = function get(key) {
      depth++;
      storage.incrementAttempts(id);
      return Map.prototype.get.call(this, key);
    };
    assert.throws(() => storage.incrementAttempts(id), { name: 'QueueError', code: 'conflict' });
    assert.ok(depth < 1000, `it went ${depth} calls deep`);
    delete metaDb.get;
    assert.equal(storage.incrementAttempts(id), 1);
  });

  test('a host that calls the storage again and again keeps nobody else waiting', async () => {
    const host = new MemoryHost(new Store());
    const storage = new AsyncDictStorage(host, SHORT);
    const id = await storage.write(anEnvelope(), 10);
    const read = host.read.bind(host);
    host.read = async (dict, key) => {
      await storage.get(id);
      return read(dict, key);
    };
    await queueError(() => storage.get(id), 'conflict');
    host.read = read;
    assert.equal(await storage.incrementAttempts(id), 1);
  });

  test('a message that others change before every commit is a conflict by the deadline, and not changed', async () => {
    const host = new MemoryHost(new Store());
    const storage = new AsyncDictStorage(host, SHORT);
    const id = await storage.write(anEnvelope(), 10);
    const commit = host.commit;
    host.commit = async () => false;
    await queueError(() => storage.incrementAttempts(id), 'conflict', { id });
    host.commit = commit;
    assert.equal((await storage.get(id))[1], 0);
  });

  test('a dictionary that never shows what was written into it is a conflict and no endless loop', () => {
    const meta = new Map();
    const storage = new DictStorage(new Map(), meta);
    const id = storage.write(anEnvelope(), 10);
    let attempts = 0;
    meta.get = () => ({ timestamp: 10, attempts: attempts++ });
    assert.throws(() => storage.incrementAttempts(id), { code: 'conflict', id });
  });
});

describe('unknown-outcome and timeout', () => {
  test('a commit that hangs is an unknown outcome with the id, even of a message whose id was generated', async () => {
    for (const which of ['set', 'get']) {
      const envelopes = new Map();
      const storage = new AsyncDictStorage(slow(envelopes, { [which]: never }), slow(new Map()), SHORT);
      const error = await queueError(() => storage.write(anEnvelope(), 10), 'unknown-outcome');
      assert.match(error.id, /^[0-9a-f]{32}$/);
      assert.equal('cause' in error, false);
    }
  });

  test('a write of unknown outcome can be made again under the id of its error', async () => {
    const [envelopes, meta] = [new Map(), new Map()];
    let hang = true;
    const set = (dict, key, value) => {
      const done = SlowDict.prototype.set.call(dict, key, value);
      return hang ? done.then(never) : done;
    };
    const storage = new AsyncDictStorage(slow(envelopes, { set }), slow(meta), SHORT);
    const { id } = await queueError(() => storage.write(anEnvelope(), 10), 'unknown-outcome');
    hang = false;
    assert.equal(await storage.write(anEnvelope(), 10, { id }), id);
    assert.deepEqual([await all(storage.load()), envelopes.size], [[[10, id]], 1]);
  });

  test('a read that hangs is a timeout, and says that nothing was changed', async () => {
    for (const { open } of asyncSubjects.slice(1)) {
      const hanging = { pause: undefined };
      const { storage, another } = open({ deadline: 60, pause: () => hanging.pause?.() });
      const id = await storage.write(anEnvelope(), 10);
      hanging.pause = never;
      for (const call of [
        () => another().get(id), () => another().incrementAttempts(id), () => another().getInfo(),
        () => all(another().load()), () => another().check(), () => another().repair(),
      ]) {
        await queueError(call, 'timeout');
      }
    }
  });

  test('a dictionary that hangs for one message delays no other', async () => {
    const meta = new Map();
    const get = (dict, key) => (key === idOf(1) ? never() : SlowDict.prototype.get.call(dict, key));
    const storage = new AsyncDictStorage(slow(new Map()), slow(meta, { get }), { deadline: 1000 });
    await storage.write(anEnvelope(), 10, { id: idOf(1) });
    await storage.write(anEnvelope(), 10, { id: idOf(2) });
    let hanging = true;
    const calls = [() => storage.incrementAttempts(idOf(1)), () => storage.get(idOf(1))].map((call) =>
      queueError(call, 'timeout').finally(() => (hanging = false)));
    assert.equal(await storage.incrementAttempts(idOf(2)), 1);
    assert.equal((await storage.get(idOf(2)))[1], 1);
    assert.ok(hanging);
    await Promise.all(calls);
  });

  test('the calls that wait for one that hangs end by their deadlines, and the next ones go on', async () => {
    const meta = new Map();
    let hang = false;
    const set = (dict, key, value) => (hang ? never() : SlowDict.prototype.set.call(dict, key, value));
    const dicts = [slow(new Map()), slow(meta, { set })];
    const [storage, other] = [SHORT, { deadline: 5000 }].map((options) => new AsyncDictStorage(...dicts, options));
    const id = await storage.write(anEnvelope(), 10);
    hang = true;
    const first = queueError(() => storage.incrementAttempts(id), 'unknown-outcome', { id });
    for (const call of [() => storage.incrementAttempts(id), () => storage.get(id), () => storage.getInfo()]) {
      const { failed, error } = await outcome(call);
      if (failed) assert.ok(['timeout', 'unknown-outcome'].includes(error.code), String(error));
    }
    await first;
    hang = false;
    const counted = await other.incrementAttempts(id);
    assert.equal(await storage.incrementAttempts(id), counted + 1);
  });

  test('a write that its deadline ended writes nothing more when its dictionary answers at last', async () => {
    const [envelopes, meta] = [new Map(), new Map()];
    const late = deferred();
    const set = async (dict, key, value) => {
      await SlowDict.prototype.set.call(dict, key, value);
      await late.promise;
    };
    const storage = new AsyncDictStorage(slow(envelopes, { set }), slow(meta), SHORT);
    await queueError(() => storage.write(anEnvelope(), 10, { id: idOf(1) }), 'unknown-outcome', { id: idOf(1) });
    await storage.remove(idOf(1));
    late.resolve();
    for (let i = 0; i < 10; i++) await turn();
    assert.deepEqual([[...envelopes.keys()], [...meta.keys()]], [[], []], 'a list shows an id without mail');
    assert.deepEqual(await all(storage.load()), []);
  });

  test('a change that its deadline ended overwrites no later one when its dictionary answers at last', async () => {
    const [envelopes, meta] = [new Map(), new Map()];
    const late = deferred();
    let calls = 0;
    const get = async (dict, key) => {
      const read = await SlowDict.prototype.get.call(dict, key);
      if (++calls === 2) await late.promise; // the check within the first commit
      return read;
    };
    const storage = new AsyncDictStorage(slow(envelopes), slow(meta, { get }), SHORT);
    const id = idOf(1);
    envelopes.set(id, anEnvelope());
    meta.set(id, { timestamp: 10, attempts: 0 });
    const first = await outcome(() => storage.incrementAttempts(id));
    assert.deepEqual([first.error?.code, first.error?.id], ['unknown-outcome', id]);
    assert.equal(await storage.change(id, null, { attempts: 7 }), true);
    late.resolve();
    for (let i = 0; i < 10; i++) await turn();
    assert.equal((await storage.get(id))[1], 7, 'an update was lost');
  });

  test('an unknown outcome that a host reports has the id and what the host threw', async () => {
    const host = new MemoryHost();
    const said = new QueueError('unknown-outcome', 'the connection was lost', { cause: new Error('ECONNRESET') });
    host.commit = () => Promise.reject(said);
    const error = await failure(() => new AsyncDictStorage(host).write(anEnvelope(), 10, { id: idOf(1) }));
    assert.deepEqual([error.code, error.id], ['unknown-outcome', idOf(1)]);
    assert.equal(error.cause, said.cause);
  });
});

describe('one error that a host throws at every call', () => {
  /** A storage whose host fails with this error until it is healed. */
  function failing(said) {
    const host = new MemoryHost();
    const { commit } = host;
    host.commit = () => Promise.reject(said);
    return { storage: new AsyncDictStorage(host), heal: () => (host.commit = commit) };
  }

  test('the keys of their errors let what failed together be stored, each message once', async () => {
    const { storage, heal } = failing(Object.freeze(new QueueError('full', 'full: as the host says')));
    const queue = new Queue(storage);
    const enqueue = (message, options) => queue.enqueue(anEnvelope({ message }), options);
    const messages = ['one', 'two', 'three'];
    const errors = await Promise.all(messages.map((message) => queueError(() => enqueue(message), 'full')));
    const missing = errors.map(({ results }) => results.map(([{ message }, error]) => [message, error.code]));
    assert.deepEqual(missing, messages.map((message) => [[message, 'full']]));
    heal();
    await Promise.all(messages.map((message, i) => enqueue(message, { key: errors[i].key })));
    const stored = (await ids(storage)).map(async (id) => (await storage.get(id))[0].message);
    assert.deepEqual((await Promise.all(stored)).sort(), [...messages].sort());
  });

  test('an unknown outcome has the id of its own call', async () => {
    const { storage } = failing(new QueueError('unknown-outcome', 'unknown-outcome: as the host says'));
    const write = (id) => queueError(() => storage.write(anEnvelope(), 10, { id }), 'unknown-outcome', { id });
    await Promise.all([write(idOf(1)), write(idOf(2))]);
  });

  test('it stays as the host has made it', async () => {
    const said = new QueueError('unknown-outcome', 'unknown-outcome: as the host says');
    const { storage } = failing(said);
    await failure(() => new Queue(storage).enqueue(anEnvelope()));
    assert.deepEqual(Object.keys(said), ['code']);
  });

  test('a KeyError stays one, with its id, message and cause', async () => {
    const said = Object.assign(new KeyError(idOf(7), 'there is none'), { cause: new Error('a nested storage') });
    const { storage } = failing(said);
    const error = await failure(() => storage.write(anEnvelope(), 10));
    assert.ok(error instanceof KeyError);
    const { id, message, cause, stack } = said;
    assert.deepEqual([error.id, error.message, error.stack], [id, message, stack]);
    assert.equal(error.cause, cause);
  });
});

describe('host', () => {
  test('what a dictionary throws is the cause, and the message says what it was', async () => {
    for (const make of [(...dicts) => new DictStorage(...dicts), (...dicts) => new AsyncDictStorage(...dicts)]) {
      const cause = new RangeError('the disk is on fire');
      const meta = new Map();
      meta.get = () => { throw cause; };
      const error = await queueError(() => make(new Map(), meta).get(NOBODY), 'host', { cause });
      assert.match(error.message, /the disk is on fire/);
    }
  });
});

describe('full, too-large and blocked', () => {
  for (const code of ['full', 'too-large', 'blocked']) {
    test(`a host that throws ${code} leaves nothing of a write, and the next one can succeed`, async () => {
      for (const rejects of [false, true]) {
        const store = new Store();
        const host = new MemoryHost(store);
        const storage = new AsyncDictStorage(host);
        const commit = host.commit;
        const said = new QueueError(code, `${code}: as the host says`);
        host.commit = () => {
          if (rejects) return Promise.reject(said);
          throw said;
        };
        const { message } = said;
        await queueError(() => storage.write(anEnvelope(), 10, { id: idOf(1) }), code, { message });
        assert.deepEqual([store.envelope.size, store.meta.size], [0, 0]);
        host.commit = commit;
        await storage.write(anEnvelope(), 10, { id: idOf(1) });
        assert.deepEqual(await ids(storage), [idOf(1)]);
      }
    });
  }
});

describe('closed, corrupt, newer-format and needs-async', () => {
  test('a storage that was closed says closed', async () => {
    for (const { open } of asyncSubjects) {
      const { storage } = open();
      await storage.close();
      await queueError(() => storage.getInfo(), 'closed');
    }
  });

  test('a queue whose storage was closed says closed, to whoever starts it as well', async () => {
    for (const { open } of asyncSubjects) {
      const { storage } = open();
      const [fresh, started] = [0, 1].map(() => new Queue(storage, { attempt: () => null }));
      started.start();
      await storage.close();
      for (const queue of [fresh, started]) {
        assert.throws(() => queue.start(), { name: 'QueueError', code: 'closed', message: 'closed: the storage is closed' });
        await queueError(() => queue.run(), 'closed');
        await queueError(() => queue.enqueue({ sender: null, recipients: ['a@example.com'] }), 'closed');
        await queue.stop();
      }
    }
  });

  test('a record that no storage writes says corrupt and a newer one says newer-format', async () => {
    for (const { open } of subjects) {
      const { storage, meta } = open();
      const id = await storage.write(anEnvelope(), 10);
      meta.set(id, { timestamp: 'soon', attempts: 0 });
      await queueError(() => storage.incrementAttempts(id), 'corrupt', { id });
      meta.set(id, { timestamp: 10, attempts: 0, format: 3 });
      await queueError(() => storage.incrementAttempts(id), 'newer-format', { id });
    }
  });

  test('a dictionary that promises says needs-async where nobody can wait, and names the class that can', () => {
    const storage = new DictStorage(new SlowDict(), new SlowDict());
    for (const call of [
      () => storage.write(anEnvelope(), 10), () => storage.get(NOBODY), () => storage.incrementAttempts(NOBODY),
      () => storage.remove(NOBODY), () => storage.getInfo(), () => [...storage.load()], () => storage.check(),
    ]) {
      assert.throws(call, { name: 'QueueError', code: 'needs-async', message: /AsyncDictStorage/ });
    }
  });
});

test('a QueueError has a stable code, a sentence, and an id and a cause only if it is given them', () => {
  const bare = new QueueError('host', 'it failed');
  assert.deepEqual([bare.name, bare.code, bare.message], ['QueueError', 'host', 'it failed']);
  assert.deepEqual(['id' in bare, 'cause' in bare], [false, false]);
  const full = new QueueError('full', 'no space', { id: NOBODY, cause: null });
  assert.deepEqual([full.id, full.cause, 'cause' in full], [NOBODY, null, true]);
  assert.ok(bare instanceof Error && /it failed/.test(bare.stack));
});
