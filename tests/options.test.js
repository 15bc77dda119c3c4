import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { denoKvHost } from '../pkg/hosts/deno-kv.js';
import { indexedDBHost } from '../pkg/hosts/indexeddb.js';
import { redisHost } from '../pkg/hosts/redis.js';
import { AsyncDictStorage, DictStorage, Queue } from '../pkg/load/inline.js';
import { httpRelay, smtpRelay } from '../pkg/relays.js';
import { anEnvelope, idOf, outcome } from './support/calls.js';
import { SlowDict } from './support/dicts.js';
import { MemoryHost, Store } from './support/host.js';

/** @type {any} */
const relay = { attempt: () => null };
/** @type {any} */
const kv = { getMany() {}, list() {}, atomic() {} };
/** @type {any} */
const transport = { sendMail() {} };
/** @type {any} */
const client = { sendCommand() {}, duplicate() {}, on() {} };
const queueWith = (options) => new Queue(new DictStorage(), relay, options);

describe('options', () => {
  const takers = {
    'AsyncDictStorage on a host': (options) => new AsyncDictStorage(new MemoryHost(), options),
    'AsyncDictStorage on dictionaries': (options) => new AsyncDictStorage(null, null, options),
    Queue: queueWith,
    stop: (options) => queueWith({}).stop(options),
    repair: (options) => new DictStorage().repair(options),
    'repair of AsyncDictStorage': (options) => new AsyncDictStorage().repair(options),
    denoKvHost: (options) => denoKvHost(kv, options),
    indexedDBHost: (options) => indexedDBHost('mail', options),
    redisHost: (options) => redisHost(client, options),
    smtpRelay: (options) => smtpRelay(transport, options),
    httpRelay: (options) => httpRelay({ url: 'https://mail.example/', ...options }),
  };
  for (const [name, take] of Object.entries(takers)) {
    test(`that ${name} does not know are refused by name`, async () => {
      const { error } = await outcome(() => take({ misspelt: undefined }));
      assert.match(String(error), /^TypeError: options\.misspelt: expected one of [a-zA-Z, ]+$/);
      assert.equal((await outcome(() => take({}))).error, undefined);
    });
  }

  const times = {
    deadline: (value) => new AsyncDictStorage(null, null, { deadline: value }),
    poll: (value) => new AsyncDictStorage(null, null, { poll: value }),
    ...Object.fromEntries(['lease', 'attemptTimeout', 'overdueAfter', 'keepDelivered']
      .map((name) => [name, (value) => queueWith({ [name]: value })])),
  };
  for (const [name, make] of Object.entries(times)) {
    test(`${name} that is no time is refused, and one that is too long for a timer is taken`, () => {
      for (const bad of [NaN, -1, -Infinity, -Number.MIN_VALUE]) {
        assert.throws(() => make(bad), new RegExp(`^RangeError: options\\.${name}: expected .+, got the number`), `${bad}`);
      }
      for (const long of [2 ** 31, 2 ** 53, Number.MAX_VALUE, Infinity]) {
        if (name === 'lease') assert.throws(() => make(long), /^RangeError: options\.lease: expected at most /);
        else make(long);
      }
    });
  }

  test('a host that answers a read with what is none is told of, and its message stays', async () => {
    for (const answer of [{}, 5, 'x', [], true]) {
      const host = new MemoryHost(new Store());
      const storage = new AsyncDictStorage(host);
      const id = await storage.write(anEnvelope(), 1);
      const { read } = host;
      host.read = async () => answer;
      await assert.rejects(storage.get(id), { code: 'host', message: /^host: read: expected a value with its version/ });
      const queue = new Queue(storage, relay);
      const codes = [];
      queue.addEventListener('error', ({ detail: { error } }) => codes.push(error.code));
      assert.equal((await queue.run()).delivered, 0);
      assert.deepEqual(codes, ['host']);
      host.read = read;
      assert.equal((await queue.run()).delivered, 1);
    }
  });

  test('keys that are no results of an iterator are told of, and not asked for without end', async () => {
    for (const step of [5, undefined, null, 'x']) {
      const dict = Object.assign(new Map(), { keys: () => ({ next: () => step, [Symbol.iterator]() { return this; } }) });
      const load = (storage) => storage.load().next();
      assert.throws(() => load(new DictStorage(new Map(), Object.assign(dict, { entries: undefined }))), { code: 'host' });
      await assert.rejects(load(new AsyncDictStorage(new Map(), dict)), { code: 'host' });
    }
  });

  test('what a host throws when it is to tell of changes, or no more, is the cause of a QueueError', async () => {
    const thrown = new Error('no');
    const fails = () => {
      throw thrown;
    };
    for (const subscribe of [fails, async () => fails(), () => 5]) {
      const host = Object.assign(new MemoryHost(new Store()), { subscribe });
      const queue = new Queue(new AsyncDictStorage(host), relay);
      assert.throws(() => queue.start(), (error) => error.code === 'host' && (subscribe !== fails || error.cause === thrown));
      await assert.rejects(new AsyncDictStorage(host).wait().next(), { code: 'host' });
    }
    const storage = new AsyncDictStorage(Object.assign(new MemoryHost(new Store()), { subscribe: () => fails }));
    const changes = storage.wait();
    const next = changes.next();
    await storage.write(anEnvelope(), 1);
    await next;
    await assert.rejects(storage.close(), { code: 'host', cause: thrown });
  });

  test('a storage takes no dictionary twice, and a queue keeps no dead letters where its messages are', () => {
    const map = new Map();
    for (const Storage of [DictStorage, AsyncDictStorage]) assert.throws(() => new Storage(map, map), /^TypeError: metaDb: /);
    const host = new MemoryHost(new Store());
    for (const [storage, deadLetter] of [
      [new DictStorage(map), new DictStorage(new Map(), map)], [new AsyncDictStorage(host), new AsyncDictStorage(host)],
    ]) assert.throws(() => new Queue(storage, relay, { deadLetter }), /^TypeError: options\.deadLetter: expected another storage/);
  });

  test('a call whose deadline is longer than any timer waits for its host, and others for it', async () => {
    const pause = () => sleep(2);
    for (const deadline of [Infinity, Number.MAX_VALUE, 2 ** 31]) {
      const [store, envelopes, metaDb] = [new Store(), new SlowDict(new Map(), pause), new SlowDict(new Map(), pause)];
      for (const open of [
        () => new AsyncDictStorage(new MemoryHost(store, { pause }), { deadline }),
        () => new AsyncDictStorage(envelopes, metaDb, { deadline }),
      ]) {
        const [one, other] = [open(), open()];
        await one.write(anEnvelope(), 1, { id: idOf(1) });
        await Promise.all([one, other, one, other].map((storage) => storage.incrementAttempts(idOf(1))));
        assert.equal((await one.get(idOf(1)))[1], 4);
      }
    }
  });
});
