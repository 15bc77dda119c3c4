/** What a queue tells of its messages, taking them back, and hearing of what others do. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AsyncDictStorage, DictStorage, Queue } from '../pkg/load/inline.js';
import { MemoryHost, Store } from './support/host.js';
import { all, gate, message, onEachStorage, relayOf, watch } from './support/queues.js';

const later = { code: 450, message: '4.2.0 later' };
const refused = { code: 550, message: '5.1.1 no such user' };
const STATES = ['waiting', 'sending', 'deferred', 'failed', 'delivered'];

/** A queue with a message in each state, its recipients named for it. */
async function inEveryState({ make, storage }) {
  const relay = relayOf(({ recipients: [to] }) => (to === 'failed' ? refused : [null, later]));
  const { queue } = make(relay, { deadLetter: new DictStorage(), bounceFactory: () => null });
  const ids = {};
  const add = async (state, recipients, options) => {
    [[, ids[state]]] = await queue.enqueue(message(recipients), options);
  };
  await add('failed', ['failed']);
  await add('deferred', ['x', 'deferred']);
  await queue.flush();
  await add('waiting', ['waiting']);
  await add('planned', ['waiting'], { at: Date.now() + 3_600_000 });
  await add('delivered', ['x', 'delivered']);
  await storage.setRecipientsDelivered(ids.delivered, [0, 1]);
  await add('sending', ['sending']);
  const until = Date.now() + 3_600_000;
  await storage.change(ids.sending, null, { lease: { until, owner: 'another' }, attempts: 1, timestamp: until });
  return { queue, ids, until };
}

onEachStorage('A queue', (scene) => {
  const { make, left } = scene;

  test('counts the messages of the whole storage by their states', async () => {
    const { queue } = await inEveryState(scene);
    const { oldestDue, ...counts } = await queue.count();
    assert.deepEqual(counts, { waiting: 2, due: 1, deferred: 1, sending: 1, failed: 1 });
    assert.ok(oldestDue <= Date.now());
    const empty = make(null, {}, new DictStorage()).queue;
    const none = { waiting: 0, due: 0, deferred: 0, sending: 0, failed: 0, oldestDue: null };
    assert.deepEqual(await empty.count(), none);
  });

  test('lists what the records say, and the envelopes only if they are asked for', async () => {
    const { queue, ids, until } = await inEveryState(scene);
    const listed = new Map((await all(queue.list())).map((one) => [one.id, one]));
    assert.equal(listed.size, 6);
    assert.deepEqual(listed.get(ids.sending), {
      id: ids.sending, state: 'sending', due: until, attempts: 1, replies: [],
    });
    assert.deepEqual([listed.get(ids.deferred).attempts, listed.get(ids.failed).state], [1, 'failed']);
    const read = (await all(queue.list({ envelopes: true }))).map(({ state, envelope }) => [state, envelope.recipients]);
    assert.deepEqual(read.sort(), [
      ['deferred', ['deferred']], ['delivered', []], ['failed', ['failed']], ['sending', ['sending']],
      ['waiting', ['waiting']], ['waiting', ['waiting']],
    ]);
    for (const state of STATES) {
      const states = (await all(queue.list({ state }))).map((one) => one.state);
      assert.deepEqual(states, state === 'waiting' ? [state, state] : [state]);
    }
  });

  test('lists a few at a time, and goes on by the cursor after the last one', async () => {
    const { queue } = await inEveryState(scene);
    const ids = [];
    for (let cursor; ;) {
      const list = queue.list({ limit: 2, cursor });
      const page = await all(list);
      ids.push(...page.map(({ id }) => id));
      if (page.length < 2) break;
      cursor = list.cursor;
    }
    assert.deepEqual(ids, (await all(queue.list())).map(({ id }) => id));
    const list = queue.list();
    for await (const _ of list) break;
    assert.deepEqual(await list.next(), { done: true, value: undefined });
  });

  test('cancels what waits, and neither what is being sent, nor what was delivered, nor what is gone', async () => {
    const { queue, ids } = await inEveryState(scene);
    for (const state of ['waiting', 'planned', 'deferred']) {
      assert.deepEqual([await queue.cancel(ids[state]), await queue.cancel(ids[state])], [true, false], state);
    }
    for (const state of ['sending', 'delivered']) assert.equal(await queue.cancel(ids[state]), false, state);
    assert.equal(await queue.cancel('no id'), false);
    await assert.rejects(queue.cancel(/** @type {any} */ (5)), /^TypeError: id: expected a string, got the number 5$/);
    assert.equal(await left(), 2);
  });

  test('does not cancel what it is sending itself', async () => {
    const { opened: answered, open } = gate();
    const { queue, until } = make({ attempt: () => answered });
    queue.start();
    const [[, id]] = await queue.enqueue(message(['a']));
    await until('attempt');
    assert.equal(await queue.cancel(id), false);
    open(null);
    await until('delivered');
    assert.equal(await queue.cancel(id), false);
  });

  test('attempts what another queue cancels at the same time, or does not, and never both', async () => {
    const relay = relayOf();
    const [one, two] = [make(relay), make(relay, {}, scene.another())];
    const after = async (turns, work) => {
      for (let i = 0; i < turns; i++) await undefined;
      return work();
    };
    let cancelled = 0;
    for (let i = 0; i < 40; i++) {
      const [[, id]] = await one.queue.enqueue(message([`${i}`]));
      // At first the attempt begins later, in the end the other queue does.
      const [was, { delivered }] = await Promise.all([
        after(i - 20, () => two.queue.cancel(id)), after(20 - i, () => one.queue.run()),
      ]);
      assert.equal(delivered, was ? 0 : 1);
      cancelled += Number(was);
    }
    assert.ok(cancelled > 0 && cancelled < 40, `${cancelled} cancelled`);
    assert.deepEqual([relay.calls.length, await left()], [40 - cancelled, 0]);
  });

  test('tells that a message is gone that was cancelled or that others have removed', async () => {
    const { queue, events } = make(relayOf(() => later));
    for (let i = 0; i < 3; i++) await queue.enqueue(message(['a']));
    await queue.run();
    const [first, second] = await all(queue.list());
    await queue.cancel(first.id);
    await scene.another().remove(second.id);
    await queue.run();
    const removed = events.filter(({ type }) => type === 'removed').map(({ id, attempts }) => [id, attempts]);
    assert.deepEqual(removed, [[first.id, 1], [second.id, 1]]);
    assert.equal(queue.getInfo().size, 1);
  });

  test('forgets what the other queues of its storage have delivered', async () => {
    const queues = [0, 1, 2].map(() => make(relayOf()).queue);
    for (const queue of queues) queue.start();
    for (let i = 0; i < 60; i++) await queues[0].enqueue(message([`${i}`]));
    while (queues.some((queue) => queue.getInfo().size > 0)) await new Promise(setImmediate);
    assert.equal(await left(), 0);
  });

  test('tells of a message that is late once, until none is', async () => {
    await scene.storage.write(message(['a']), Date.now() - 60_000);
    const { queue, events, until } = make(relayOf(), { overdueAfter: 1_000 });
    queue.pause();
    queue.start();
    const { id, timestamp } = await until('overdue');
    assert.ok(timestamp <= Date.now() - 60_000);
    await queue.enqueue(message(['b']), { at: 0 });
    queue.resume();
    await until('delivered', (event) => event.id === id);
    while (await left() > 0) await new Promise(setImmediate);
    assert.equal(events.filter(({ type }) => type === 'overdue').length, 1);
  });

  test('refuses options of a list that are none', async () => {
    const { queue } = make(null);
    for (const [options, expected] of [
      [{ states: 'waiting' }, /^TypeError: options\.states: expected one of state, limit, cursor, envelopes$/],
      [{ state: 'lost' }, /^TypeError: options\.state: expected one of waiting, sending, deferred, failed, delivered/],
      [{ limit: 0.5 }, /^RangeError: options\.limit: expected a whole number from 0/],
      [{ cursor: 5 }, /^TypeError: options\.cursor: expected the cursor of a list/],
      [{ envelopes: 1 }, /^TypeError: options\.envelopes: expected true or false/],
    ]) {
      assert.throws(() => queue.list(/** @type {any} */ (options)), expected);
    }
    await assert.rejects(queue.list({ cursor: 'x' }).next(), /^TypeError: options\.cursor: expected the cursor of a list/);
  });

  test('a text that is no cursor ends no call but its own', async () => {
    const { queue } = make(null);
    const underWay = queue.enqueue(message(['a']));
    await assert.rejects(queue.list({ cursor: 'x' }).next(), /^TypeError: options\.cursor: expected the cursor of a list/);
    assert.equal((await underWay).length, 1);
  });
});

describe('A list', () => {
  test('goes on where the last message is gone by now: what comes after it, or everything on two Maps', async () => {
    const count = 9;
    for (const storage of [new DictStorage(), new AsyncDictStorage(new MemoryHost(new Store()))]) {
      const host = new MemoryHost();
      const ordered = Object.assign(host, { cursorAfter: (id) => id });
      const own = storage instanceof DictStorage ? storage : new AsyncDictStorage(ordered);
      for (let i = 0; i < count; i++) await own.write(message(['a']), i);
      const queue = new Queue(own);
      const list = queue.list({ limit: 4 });
      const first = await all(list);
      await own.remove(first[3].id);
      const rest = await all(queue.list({ cursor: list.cursor }));
      assert.equal(rest.length, storage instanceof DictStorage ? count - 1 : count - 4);
      assert.equal(new Set([...first, ...rest].map(({ id }) => id)).size, count);
    }
  });

  test('reads no envelope of a message that nobody has got', async () => {
    const host = new MemoryHost();
    const storage = new AsyncDictStorage(host);
    for (let i = 0; i < 9; i++) await storage.write(message(['a']), i);
    const read = host.read.bind(host);
    let envelopes = 0;
    host.read = (dict, id) => {
      envelopes += Number(dict === 'envelope');
      return read(dict, id);
    };
    const queue = new Queue(storage);
    await queue.count();
    assert.deepEqual([(await all(queue.list())).length, envelopes], [9, 0]);
    assert.deepEqual([(await all(queue.list({ envelopes: true }))).length, envelopes], [9, 9]);
  });

  test('leaves a message out that was delivered, and removed while it was looked at', async () => {
    const store = new Store();
    const host = new MemoryHost(store);
    const storage = new AsyncDictStorage(host);
    const id = await storage.write(message(['a']), 1);
    await storage.setRecipientsDelivered(id, [0]);
    await storage.incrementAttempts(id);
    const page = host.page.bind(host);
    host.page = async (...asked) => {
      const found = await page(...asked);
      for (const dict of [store.meta, store.envelope]) dict.clear();
      return found;
    };
    const kept = [new Map(store.envelope), new Map(store.meta)];
    const queue = new Queue(storage);
    assert.deepEqual(await all(queue.list()), []);
    [store.envelope, store.meta] = kept;
    assert.equal((await queue.count()).deferred, 0);
  });

  test('a started queue on a host that says nothing forgets what others have removed with the next look', async () => {
    const store = new Store();
    const open = () => new AsyncDictStorage(new MemoryHost(store, { silent: true }), { poll: 10 });
    const queue = new Queue(open(), relayOf(() => later));
    const { until } = watch(queue);
    queue.start();
    const [[, id]] = await queue.enqueue(message(['a']));
    await until('deferred');
    await open().remove(id);
    assert.equal((await until('removed')).id, id);
    assert.equal(queue.getInfo().size, 0);
    await queue.stop();
  });
});
