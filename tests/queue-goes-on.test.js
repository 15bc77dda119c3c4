/** What must not keep a queue from going on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { AsyncDictStorage, DictStorage, Queue } from '../pkg/load/inline.js';
import { MemoryHost } from './support/host.js';
import { gate, message, watch } from './support/queues.js';

const refused = { code: 550, message: '5.1.1 no such user' };
const later = { code: 450, message: '4.2.0 later' };

/** A Map that throws when it is told to. */
class Failing extends Map {
  #fails;

  /** @param {(method: string, ...args: any[]) => boolean} fails */
  constructor(fails) {
    super();
    this.#fails = fails;
  }

  get(id) {
    if (this.#fails('get', id)) throw new Error('blip');
    return super.get(id);
  }

  set(id, value) {
    if (this.#fails?.('set', id, value)) throw new Error('blip');
    return super.set(id, value);
  }
}

test('a notice that could not be stored once is stored long before the lease ends', async () => {
  let failed = false;
  const envelopes = new Failing((method, id, value) => method === 'set' && value.sender === null && !failed && (failed = true));
  const relay = { attempt: ({ sender, recipients }) => (sender === null ? null : recipients.map((to) => (to === 'a' ? refused : later))) };
  const queue = new Queue(new DictStorage(envelopes, new Map()), relay, { lease: 80_000_000 });
  const { until, types } = watch(queue);
  queue.start();
  await queue.enqueue(message(['a', 'b']));
  await until('bounced');
  await queue.stop();
  assert.ok(failed && types().includes('error'));
});

test('a policy that answers nothing for a notice holds no place in the pool, and the queue can be stopped', async () => {
  const relay = { attempt: ({ recipients: [to] }) => (to === 'a' ? refused : null) };
  const queue = new Queue(new DictStorage(), relay, { relayPool: 1, attemptTimeout: 50 });
  queue.addPolicy({ apply: ({ sender }) => (sender ? undefined : new Promise(() => {})) });
  const { until } = watch(queue);
  await queue.enqueue(message(['a']));
  await queue.enqueue(message(['b']));
  queue.start();
  await until('delivered');
  assert.match((await until('error')).error.message, /no answer in time/);
  await queue.stop({ timeout: 0 });
});

test('enqueue resolves while attempts take all the time there is', async () => {
  const storage = new DictStorage();
  for (let i = 0; i < 200; i++) storage.write(message([`u${i}`]), 0);
  const queue = new Queue(storage, { attempt: () => later }, { backoff: () => 0 });
  const { until } = watch(queue);
  queue.start();
  await until('deferred');
  await queue.enqueue(message(['late']));
  await queue.stop({ timeout: 0 });
});

test('no more attempts than its pool has places go to a destination where reads fail', async () => {
  let left = 5;
  const envelopes = new Failing((method) => method === 'get' && left > 0 && left-- > 0);
  const storage = new AsyncDictStorage(envelopes, new Map());
  const ended = gate();
  let [now, most] = [0, 0];
  const relay = {
    async attempt() {
      most = Math.max(most, ++now);
      await ended.opened;
      now--;
    },
  };
  const queue = new Queue(storage, relay, { destination: { pool: 1 } });
  const { until, events } = watch(queue);
  const reads = left;
  left = 0;
  for (let i = 0; i < 5; i++) await queue.enqueue(message(['a@example.com']));
  left = reads;
  queue.start();
  await until('error');
  await until('attempt');
  ended.open();
  await until('delivered', () => events.filter(({ type }) => type === 'delivered').length === 5);
  await queue.stop();
  assert.equal(most, 1);
});

test('with a limit for destinations, an outage of reads is told of now and then, not for each message', async () => {
  let fails = false;
  const envelopes = new Failing((method) => method === 'get' && fails);
  const queue = new Queue(new AsyncDictStorage(envelopes, new Map()), { attempt: () => null }, { relayPool: 2, destination: { pool: 5 } });
  const { until, events } = watch(queue);
  const told = (type) => events.filter((event) => event.type === type).length;
  for (let i = 0; i < 50; i++) await queue.enqueue(message(['a@example.com']));
  fails = true;
  queue.start();
  await until('error');
  for (let i = 0; i < 50; i++) await turn();
  assert.ok(told('error') < 10, `${told('error')} of 50`);
  fails = false;
  await until('delivered', () => told('delivered') === 50);
  await queue.stop();
});

test('what was said of a recipient is in a record that could be stored at the second try', async () => {
  let failed = false;
  const meta = new Failing((method, _id, value) => method === 'set' && value.firstAttempt !== undefined && !failed && (failed = true));
  const queue = new Queue(new DictStorage(new Map(), meta), { attempt: () => later });
  const { until } = watch(queue);
  const [[, id]] = await queue.enqueue(message(['a']));
  queue.start();
  await until('deferred');
  await queue.stop();
  assert.ok(failed);
  assert.deepEqual(meta.get(id).replies.map(({ reply }) => reply), [later]);
});

test('a queue draws no random numbers before its first use', async (t) => {
  const generated = t.mock.method(crypto, 'getRandomValues');
  const queue = new Queue(new AsyncDictStorage(new MemoryHost()), { attempt: () => null });
  queue.addPolicy({ apply() {} });
  assert.equal(generated.mock.callCount(), 0);
  await queue.enqueue(message(['a']));
  assert.equal((await queue.run()).delivered, 1);
});

test('runs that meet the same claim of another tab wait for its end once', async (t) => {
  const [requests, ended] = [[], gate()];
  const request = (name, ...more) => {
    requests.push([name, more[0]]);
    return name.includes('another') ? ended.opened : Promise.resolve(more.at(-1)({}));
  };
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  t.after(() => ended.open()); // its claim is watched until then
  t.after(() => (before ? Object.defineProperty(globalThis, 'navigator', before) : delete globalThis.navigator));
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { locks: { request } } });
  const host = Object.assign(new MemoryHost(), { supports: { ...new MemoryHost().supports, sharesLocks: true } });
  const storage = new AsyncDictStorage(host);
  const id = await storage.write(message(['a']), 0);
  await storage.change(id, null, { lease: { until: Date.now() + 3_600_000, owner: 'lock:another' } });
  const queue = new Queue(storage, { attempt: () => null });
  for (let i = 0; i < 3; i++) await queue.run();
  assert.equal(requests.filter(([name, { ifAvailable }]) => name.includes('another') && !ifAvailable).length, 1);
});

test('a queue that only stores remembers ten thousand messages, and attempts all of them once it begins', async () => {
  const storage = new DictStorage();
  const queue = new Queue(storage, { attempt: () => null });
  for (let i = 0; i < 10_050; i++) await queue.enqueue(message(['a']));
  assert.deepEqual([queue.getInfo().size, storage.getInfo().metaSize], [10_000, 10_050]);
  assert.equal((await queue.run()).delivered, 10_050);
});

test('a record without an envelope is told of as corrupt, and is not claimed at every look', async () => {
  let looks = 0;
  const looked = gate();
  class Counting extends Map {
    entries() {
      if (++looks === 5) looked.open();
      return super.entries();
    }
  }
  const [envelopes, meta] = [new Map(), new Counting()];
  const queue = new Queue(new AsyncDictStorage(envelopes, meta, { poll: 5 }), { attempt: () => null });
  const { until, events } = watch(queue);
  const [[, id]] = await queue.enqueue(message(['a']));
  envelopes.clear();
  queue.start();
  assert.equal((await until('error')).error.code, 'corrupt');
  await queue.enqueue(message(['b']));
  await until('delivered');
  looks = 0;
  await looked.opened;
  await queue.stop();
  assert.equal(events.filter((event) => event.id === id && event.type === 'error').length, 1);
  assert.ok(meta.get(id).timestamp > Date.now() + 60_000);
});

test('a bounce queue that answers nothing has taken the notice', async () => {
  const taken = [];
  const storage = new DictStorage();
  const bounceQueue = { enqueue: async (notice) => void taken.push(notice) };
  const queue = new Queue(storage, { attempt: () => refused }, { bounceQueue });
  await queue.enqueue(message(['a']));
  await queue.run();
  assert.deepEqual([taken.length, storage.getInfo().size], [1, 0]);
});
