import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { DictStorage, KeyError, Queue, QueueError, TransientRelayError } from '../pkg/load/inline.js';
import { all, gate, message, onEachStorage, relayOf, watch } from './support/queues.js';

const execute = promisify(execFile);
/** What may be known to be there, and not be looked at. */
const throwing = (target) => new Proxy(target, {
  get(_, name) {
    if (name === 'then') return undefined;
    throw new Error('no');
  },
  has: () => { throw new Error('no'); },
  getOwnPropertyDescriptor: () => { throw new Error('no'); },
});
const refused = { code: 550, message: '5.1.1 no such user' };
const later = { code: 450, message: '4.2.0 later' };

onEachStorage('A queue', (scene) => {
  const { make, left } = scene;

  test('what was delivered is removed, after the events of its way', async () => {
    const relay = relayOf();
    const { queue, types, until } = make(relay);
    queue.start();
    const [[envelope, id]] = await queue.enqueue(message(['a', 'b']));
    const { attempts, recipients, indexes } = await until('delivered');
    assert.deepEqual([envelope.recipients, attempts, recipients, indexes], [['a', 'b'], 1, ['a', 'b'], [0, 1]]);
    assert.deepEqual(types(), ['queued', 'attempt', 'delivered']);
    assert.deepEqual(relay.calls, [{ recipients: ['a', 'b'], attempts: 0, sender: 'me@example.com' }]);
    await assert.rejects(async () => scene.storage.get(id), KeyError);
  });

  test('a queue that is stopped as soon as it was started begins nothing', async () => {
    const relay = relayOf();
    const { queue } = make(relay);
    queue.start();
    await queue.stop();
    await queue.enqueue(message(['a']));
    for (let i = 0; i < 3; i++) {
      const stopping = queue.stop();
      queue.start();
      await Promise.all([stopping, queue.stop()]);
    }
    assert.deepEqual((await all(queue.list())).map(({ state }) => state), ['waiting']);
    assert.deepEqual(relay.calls, []);
    assert.equal((await queue.run()).delivered, 1);
  });

  test('what was stored before the queue began is attempted, in the order in which it is due', async () => {
    const now = Date.now();
    for (const age of [1, 3, 2]) await scene.storage.write(message([`${age}`]), now - age * 1_000);
    const relay = relayOf();
    const { queue, until } = make(relay, { relayPool: 1 });
    await queue.flush();
    assert.deepEqual(relay.calls.map(({ recipients }) => recipients[0]), ['3', '2', '1']);
    await until('delivered', ({ recipients }) => recipients[0] === '1');
  });

  test('what is written beside a started queue is attempted at once: the storage tells of it', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] }); // so it does not look through everything again
    const relay = relayOf();
    const { queue } = make(relay);
    queue.start();
    await queue.run(); // its first look has ended
    await scene.storage.write(message(['a']), Date.now());
    for (let turns = 0; turns < 100 && relay.calls.length === 0; turns++) await new Promise(setImmediate);
    assert.equal(relay.calls.length, 1);
  });

  test('each recipient has its own outcome, by position, and its original index in a second attempt', async () => {
    const relay = relayOf((envelope, attempts) => (attempts ? null : [null, later, refused, later]));
    const { queue, events, until } = make(relay, { backoff: () => 1 });
    queue.start();
    const [[, id]] = await queue.enqueue(message(['a', 'b', 'c', 'b']));
    await until('delivered', (event) => event.id === id && event.attempts === 2);
    const of = (type) => events.filter((event) => event.type === type && event.id === id)
      .map(({ recipients, indexes }) => [recipients, indexes]);
    assert.deepEqual(of('delivered'), [[['a'], [0]], [['b', 'b'], [1, 3]]]);
    assert.deepEqual(of('deferred'), [[['b', 'b'], [1, 3]]]);
    assert.deepEqual(of('failed'), [[['c'], [2]]]);
  });

  for (const [what, answer, outcome] of [
    ['a Map by address', new Map([['a', null], ['b', refused]]), ['a', 'b', '']],
    ['an object by address', { a: { code: 250, message: 'ok' }, b: refused }, ['a', 'b', '']],
    ['an object that leaves somebody out', { a: null }, ['a', '', 'b']],
    ['one reply for everybody', { code: 299, message: '' }, ['ab', '', '']],
    ['nothing', undefined, ['ab', '', '']],
    ['an array that is too short', [null], ['', '', 'ab']],
    ['an array that is too long', [null, null, null], ['', '', 'ab']],
    ['an array with a hole', [null, ,], ['a', '', 'b']],
    ['a number', 250, ['', '', 'ab']],
    ['an array that throws when it is looked at', throwing([null, null]), ['', '', 'ab']],
    ['an object that throws when it is looked at', throwing({ a: null, b: null }), ['', '', 'ab']],
    ['true', true, ['', '', 'ab']],
    ['a reply without a code', { message: 'ok' }, ['', '', 'ab']],
    ['a reply of no class', { code: NaN, message: 'ok' }, ['', '', 'ab']],
  ]) {
    test(`${what} means what the types say, and whatever is not understood is tried again`, async () => {
      const { queue, events } = make(relayOf(() => answer), { bounceFactory: () => null });
      await queue.enqueue(message(['a', 'b']));
      await queue.flush();
      const about = (type) => events.filter((event) => event.type === type).flatMap(({ recipients }) => recipients);
      const of = (type) => about(type).join('');
      assert.deepEqual([of('delivered'), of('failed'), of('deferred')], outcome);
    });
  }

  test('an error that is thrown is an answer for everybody, and one that is no reply is told of', async () => {
    const errors = [new Error('lost'), Object.assign(new Error('no'), { code: 554 }), 'text', undefined];
    const fates = [];
    for (const error of errors) {
      const { queue, events, types } = make({ attempt: () => Promise.reject(error) }, { bounceFactory: () => null });
      await queue.enqueue(message(['a', 'b']));
      await queue.flush();
      fates.push([types().at(-1), events.find(({ type }) => type === 'error')?.error]);
      for (const [, id] of await all(scene.storage.load())) await scene.storage.remove(id);
    }
    assert.deepEqual(fates, [
      ['deferred', errors[0]], ['failed', undefined], ['deferred', 'text'], ['deferred', undefined],
    ]);
  });

  test('the sender is told once of those whom one attempt gives up, each with its reply, and nobody of a notice', async () => {
    const relay = relayOf(({ sender, recipients }) => (
      sender ? recipients.map((to) => ({ code: 550, message: `5.1.1 ${to}` })) : refused));
    const { queue, events } = make(relay);
    await queue.enqueue(message(['a1', 'b1', 'a2']));
    await queue.flush();
    await queue.flush();
    const [{ bounce, recipients, replies }, ...others] = events.filter(({ type }) => type === 'bounced');
    assert.deepEqual([recipients, replies.map((reply) => reply.message), others.length],
      [['a1', 'b1', 'a2'], ['5.1.1 a1', '5.1.1 b1', '5.1.1 a2'], 0]);
    assert.deepEqual([bounce.sender, bounce.recipients], ['', ['me@example.com']]);
    const text = new TextDecoder().decode(new TextEncoder().encode(bounce.message));
    assert.deepEqual(text.match(/^Diagnostic-Code: smtp; 550 5\.1\.1 .*$/gm)?.map((line) => line.trim().slice(-2)), ['a1', 'b1', 'a2']);
    assert.equal(relay.calls.length, 2);
    assert.equal(await left(), 0);
  });

  test('where a deliverer ends before it has let go of a message that it told of, the notice is sent once', async () => {
    let die;
    const dead = new Promise((_, reject) => {
      die = () => reject(new Error('dead'));
    });
    dead.catch(() => {}); // the other queue may have removed the message before this one comes to that
    const dying = new Queue(scene.dying(dead), relayOf(() => refused), { lease: 60_000, relayPool: 1 });
    const first = watch(dying);
    dying.start();
    const [[, id]] = await dying.enqueue(message(['a']));
    const { bounceId } = await first.until('bounced');
    const relay = relayOf(({ sender }) => (sender ? refused : null));
    const { queue, events, until } = make(relay, { lease: 60_000 }, scene.another());
    queue.start();
    await until('delivered', (event) => event.id === bounceId);
    while (await left() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(relay.calls.length, 1);
    assert.deepEqual(events.filter(({ type }) => type === 'bounced' || type === 'error'), []);
    await assert.rejects(async () => scene.storage.get(id), { name: 'KeyError' });
    die();
    await dying.stop();
  });

  test('a backoff function decides by envelope, attempts and replies, and null gives up', async () => {
    const asked = [];
    const backoff = (envelope, attempts, replies) => {
      asked.push([envelope.recipients, attempts, replies]);
      return attempts < 3 ? 1 : null;
    };
    const { queue, events, until } = make(relayOf(() => later), { backoff, bounceFactory: () => null });
    queue.start();
    await queue.enqueue(message(['a']));
    await until('failed');
    assert.deepEqual(asked, [1, 2, 3].map((attempts) => [['a'], attempts, [later]]));
    assert.equal(events.filter(({ type }) => type === 'deferred').length, 2);
    while (await left() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test('a backoff function hears when the first attempt was made, and how many were made because they were due', async (t) => {
    const NOW = 1_700_000_000_000;
    t.mock.timers.enable({ apis: ['Date'], now: NOW });
    const asked = [];
    const backoff = (_, attempts, __, patience) => {
      asked.push([attempts, patience]);
      return 60_000;
    };
    const { queue } = make(relayOf(() => later), { backoff });
    await queue.enqueue(message(['a']));
    await queue.run();
    t.mock.timers.tick(1_000);
    await queue.flush();
    t.mock.timers.tick(60_000);
    await queue.run();
    assert.deepEqual(asked, [[1, 1], [2, 1], [3, 2]].map(([attempts, scheduled]) => [attempts, { since: NOW, scheduled }]));
  });

  test('no attempt is made before the other side asked to be left alone, for a day at most', async () => {
    const outcomes = [
      [{ ...later, retryAfter: 600_000 }, 600_000],
      [new TransientRelayError({ ...later, retryAfter: 600_000 }), 600_000],
      [[{ ...later, retryAfter: 600_000 }, { ...later, retryAfter: 700_000 }], 700_000],
      [[{ ...later, retryAfter: 500 }, later], 1_000],
      [[{ code: 250, message: '2.0.0 Ok', retryAfter: 600_000 }, later], 1_000],
      [{ ...later, retryAfter: 1e12 }, 86_400_000],
      [{ ...later, retryAfter: Infinity }, 86_400_000],
      [{ ...later, retryAfter: NaN }, 1_000],
      [{ ...later, retryAfter: -1 }, 1_000],
      [{ ...later, retryAfter: '600000' }, 1_000],
    ];
    for (const [answer, wait] of outcomes) {
      const { queue, events } = make(relayOf(() => answer), { backoff: () => 1_000 });
      const before = Date.now();
      const [[, id]] = await queue.enqueue(message(['a', 'b']));
      await queue.flush();
      const { timestamp } = events.find(({ type }) => type === 'deferred');
      assert.ok(timestamp >= before + wait && timestamp <= Date.now() + wait, `${timestamp - before} for ${wait}`);
      await scene.storage.remove(id);
      await queue.stop();
    }
  });

  test('a backoff that is no number, or throws, is told of and replaced by the usual one', async () => {
    const answers = [NaN, -1, Infinity, 'soon', () => {
      throw new Error('oops');
    }];
    for (const answer of answers) {
      const backoff = () => (typeof answer === 'function' ? answer() : answer);
      const { queue, until } = make(relayOf(() => later), { backoff });
      await queue.enqueue(message(['a']));
      await queue.flush();
      await until('error');
      const { timestamp } = await until('deferred');
      assert.ok(timestamp - Date.now() > 30_000 && timestamp - Date.now() < 90_000, String(answer));
      await scene.storage.remove((await until('queued')).id);
    }
  });

  test('a pause keeps claims from beginning, and lets attempts under way end', async () => {
    const { opened: answered, open } = gate();
    const relay = relayOf(() => answered);
    const { queue, until } = make(relay);
    queue.start();
    await queue.enqueue(message(['a']));
    await until('attempt');
    queue.pause();
    await queue.enqueue(message(['b']));
    open(null);
    await until('delivered');
    await queue.flush();
    assert.equal(relay.calls.length, 1);
    queue.resume();
    await until('delivered', ({ recipients }) => recipients[0] === 'b');
  });

  test('stop lets attempts under way end and begins no other; a queue can be started again', async () => {
    const { opened: answered, open } = gate();
    const relay = relayOf(() => answered);
    const { queue, until, types } = make(relay, { relayPool: 1 });
    queue.start();
    await queue.enqueue(message(['a']));
    await queue.enqueue(message(['b']));
    await until('attempt');
    const stopped = queue.stop();
    open(null);
    await stopped;
    assert.equal(types().filter((type) => type === 'delivered').length, 1);
    assert.equal(relay.calls.length, 1);
    queue.start();
    await until('delivered', ({ recipients }) => recipients[0] === 'b');
  });

  test('a stop without any patience ends what the relay has, and the message waits again', async () => {
    const signals = [];
    const { queue, until } = make({ attempt: (_, __, { signal }) => new Promise(() => void signals.push(signal)) });
    queue.start();
    await queue.enqueue(message(['a']));
    await until('attempt');
    await queue.stop({ timeout: 0 });
    assert.deepEqual(signals.map(({ aborted }) => aborted), [true]);
    assert.equal((await until('deferred')).recipients[0], 'a');
    await assert.rejects(queue.stop({ timeout: -1 }), { name: 'RangeError', message: /^options\.timeout: / });
  });

  test('an answer counts that comes at once after the signal of its attempt, and a later one does not', async () => {
    let isLate = false;
    let answer = () => {};
    const relay = {
      attempt: (_, __, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => {
        answer = () => resolve(null);
        if (!isLate) answer();
      })),
    };
    for (const outcome of ['delivered', 'deferred']) {
      const { queue, until } = make(relay);
      queue.start();
      await queue.enqueue(message(['a']));
      await until('attempt');
      await queue.stop({ timeout: 0 });
      await until(outcome);
      answer();
      isLate = true;
    }
  });

  test('at most as many attempts are under way as the relay pool has room for', async () => {
    let now = 0;
    let most = 0;
    const relay = { async attempt() {
      most = Math.max(most, ++now);
      for (let i = 0; i < 10; i++) await new Promise(setImmediate); // longer than the storage takes
      now--;
    } };
    const { queue } = make(relay, { relayPool: 3, storePool: 2 });
    await Promise.all(Array.from({ length: 40 }, () => queue.enqueue(message(['a']))));
    await queue.flush();
    assert.equal(most, 3);
    assert.equal(await left(), 0);
  });

  test('getInfo tells what waits, what is attempted, and what attempts came to', async () => {
    const options = { backoff: () => 60_000, bounceFactory: () => null };
    const { queue } = make(relayOf(() => [null, later, refused]), options);
    const [[, id]] = await queue.enqueue(message(['a', 'b', 'c']));
    const { oldestDue, ...info } = queue.getInfo();
    assert.deepEqual(info, { size: 1, inAttempt: 0, delivered: 0, deferred: 0, failed: 0 });
    assert.ok(oldestDue <= Date.now());
    await queue.flush();
    const after = queue.getInfo();
    assert.ok(after.oldestDue > Date.now() + 50_000);
    const expected = { size: 1, oldestDue: 0, inAttempt: 0, delivered: 1, deferred: 1, failed: 1 };
    assert.deepEqual({ ...after, oldestDue: 0 }, expected);
    assert.deepEqual((await scene.storage.get(id))[2], [1]);
  });

  test('bounces go to another queue if one is given', async () => {
    const other = make(null, {}, new DictStorage());
    const { queue, until } = make(relayOf(() => refused), { bounceQueue: other.queue });
    await queue.enqueue(message(['a']));
    await queue.flush();
    const { bounceId } = await until('bounced');
    assert.equal((await other.until('queued')).id, bounceId);
    assert.equal(await left(), 0);
  });

  test('a bounce factory hears whom one attempt gave up, the first reply, and the reply to each', async () => {
    const [first, second] = [refused, { code: 552, message: '5.2.2 Mailbox full' }];
    const heard = [];
    const bounceFactory = ({ recipients }, ...rest) => {
      heard.push([recipients, ...rest]);
      return null;
    };
    const { queue } = make(relayOf(() => [null, first, later, second]), { bounceFactory });
    await queue.enqueue(message(['a', 'b', 'c', 'd']));
    await queue.flush();
    assert.deepEqual(heard, [[['b', 'd'], first, [first, second]]]);
  });

  test('each policy is applied once, and one may take its time', async () => {
    const { queue } = make(null);
    for (const name of ['X-First', 'X-Second']) {
      queue.addPolicy({ async apply(envelope) {
        await undefined;
        envelope.headers.push([name, 'here']);
      } });
    }
    const [[, id]] = await queue.enqueue(message(['a']));
    const { headers } = (await scene.storage.get(id))[0];
    assert.deepEqual(headers.slice(1), [['X-First', 'here'], ['X-Second', 'here']]);
  });

  test('policies change a copy, or put others in its place', async () => {
    const { queue } = make(null);
    queue.addPolicy({ apply: (envelope) => {
      envelope.headers.push(['X-A', '1']);
    } });
    queue.addPolicy({ apply: (envelope) => envelope.recipients.map((to) => ({ ...envelope, recipients: [to] })) });
    const mine = message(['a', 'b']);
    const results = await queue.enqueue(mine);
    assert.deepEqual(mine, message(['a', 'b']));
    for (const [i, [envelope, id]] of results.entries()) {
      const stored = (await scene.storage.get(id))[0];
      assert.deepEqual([stored.recipients, stored.headers.at(-1)], [envelope.recipients, ['X-A', '1']]);
      assert.deepEqual(envelope.recipients, [['a', 'b'][i]]);
    }
  });

  test('a message that is enqueued again with its key is neither stored nor attempted again', async () => {
    const relay = relayOf(() => later);
    const { queue, until } = make(relay);
    queue.start();
    const [[, id]] = await queue.enqueue(message(['a']), { key: 'order 17' });
    await until('deferred');
    const [[, again]] = await queue.enqueue(message(['a']), { key: 'order 17' });
    await queue.stop();
    assert.deepEqual([again, relay.calls.length, await left()], [id, 1, 1]);
    const [[, other]] = await queue.enqueue(message(['a']), { key: 'order 18' });
    assert.notEqual(other, id);
  });

  test('takes an id and a time from the caller, and refuses options that are none', async () => {
    const { queue } = make(null);
    const own = 'ab'.repeat(16);
    const at = new Date(Date.now() + 3_600_000);
    const [[, id]] = await queue.enqueue(message(['a']), { id: own, at });
    assert.equal(id, own);
    for await (const [timestamp] of scene.storage.load()) assert.equal(timestamp, at.getTime());
    for (const [options, expected] of [
      [{ id: 'x' }, /^TypeError: options\.id: expected 32 lower-case hexadecimal digits, got/],
      [{ key: 7 }, /^TypeError: options\.key: expected a string without lone surrogates, got the number 7$/],
      [{ key: '' }, /^TypeError: options\.key: expected a text that is not empty, got the string ""$/],
      [{ id: own, key: 'k' }, /^TypeError: options\.key: expected no key beside an id, got the string "k"$/],
      [{ at: NaN }, /^RangeError: options\.at: expected a finite number or a valid Date, got the number NaN$/],
      [{ when: 1 }, /^TypeError: options\.when: expected one of id, key, at, expires$/],
    ]) {
      await assert.rejects(queue.enqueue(message(['b']), /** @type {any} */ (options)), (error) => {
        assert.match(String(error), expected);
        return true;
      });
    }
    assert.equal(await left(), 1);
  });

  test('a notice is from nobody whatever a factory and a policy make of it, and is never bounced', async () => {
    const relay = relayOf(() => refused);
    const { queue, events, until } = make(relay, { bounceFactory: ({ sender }) => message([sender]) });
    queue.addPolicy({ apply: (envelope) => [{ ...envelope, sender: 'postmaster@example.com' }] });
    queue.start();
    const [[, id]] = await queue.enqueue(message(['a']));
    const notice = await until('failed', (event) => event.id !== id);
    await queue.stop();
    assert.ok(!notice.envelope.sender);
    assert.deepEqual(relay.calls.map(({ sender }) => sender || null), ['postmaster@example.com', null]);
    assert.deepEqual([events.filter(({ type }) => type === 'bounced').length, await left()], [1, 0]);
  });

  test('an envelope that is none is refused, and nothing is stored', async () => {
    const { queue } = make(relayOf());
    await assert.rejects(queue.enqueue({ sender: 'a', recipients: 'b' }), TypeError);
    await assert.rejects(queue.enqueue(message(['a\r\nb'])), TypeError);
    assert.equal(await left(), 0);
  });

  test('judges an answer by the recipients that the relay was given, whatever it does to them', async () => {
    const { queue, events } = make({
      attempt(envelope) {
        envelope.recipients.length = 0;
        envelope.recipients.push('x', 'y', 'z');
        return [null, refused, later];
      },
    }, { backoff: () => 60_000, bounceFactory: () => null });
    const [[, id]] = await queue.enqueue(message(['a', 'b', 'c']));
    await queue.flush();
    const of = (type) => events.find((event) => event.type === type)?.recipients;
    assert.deepEqual([of('delivered'), of('failed'), of('deferred')], [['a'], ['b'], ['c']]);
    assert.deepEqual((await scene.storage.get(id))[2], [2]);
  });

  test('has nothing under way after a flush that was not started, also when something is due again', async () => {
    const { queue } = make({
      async attempt() {
        for (let i = 0; i < 10; i++) await undefined;
        throw new TransientRelayError('Busy');
      },
    }, { backoff: () => 0 });
    for (let i = 0; i < 5; i++) await queue.enqueue(message(['a']));
    await queue.flush();
    assert.equal(queue.getInfo().inAttempt, 0);
  });
});

describe('A queue', () => {
  const unreadable = [
    undefined, 'text', { sender: 'a' }, { get sender() { throw new Error('no'); } },
    { get sender() { throw new Error('no'); }, recipients: ['a'] },
    { sender: 'a', recipients: ['a'], get noticeOf() { throw new Error('no'); } },
    { sender: 'a', recipients: ['a'], headers: null }, { sender: 'a', recipients: [5] },
  ];
  for (const [where, options] of /** @type {const} */ ([['', {}], [', where destinations have limits', { destination: { pool: 1 } }]])) {
    test(`reports a message that cannot be read, and leaves it there${where}`, async () => {
      for (const envelope of unreadable) {
        const envelopes = new Map();
        const storage = new DictStorage(envelopes, new Map());
        const relay = relayOf();
        const queue = new Queue(storage, relay, options);
        const { until } = watch(queue);
        const [[, id]] = await queue.enqueue(message(['a']));
        if (envelope === undefined) envelopes.delete(id);
        else envelopes.set(id, envelope);
        await queue.flush();
        if (envelope !== undefined) assert.equal((await until('error')).error.code, 'corrupt');
        assert.equal(relay.calls.length, 0);
        await queue.stop();
      }
    });
  }

  test('says with a QueueError why a message was not stored', async () => {
    const cause = new Error('disk');
    const broken = new Map();
    broken.set = () => {
      throw cause;
    };
    const queue = new Queue(new DictStorage(broken), relayOf());
    const error = await queue.enqueue(message(['a'])).catch((error) => error);
    assert.ok(error instanceof QueueError);
    assert.equal(error.code, 'host');
    assert.equal(error.cause, cause);
  });

  test('rejects where a part is not stored, and a repeat with the key stores only what is missing', async () => {
    const envelopes = new Map();
    const cause = new Error('disk');
    let refused = 0;
    const db = Object.assign(Object.create(envelopes), {
      get: (id) => envelopes.get(id),
      has: (id) => envelopes.has(id),
      delete: (id) => envelopes.delete(id),
      keys: () => envelopes.keys(),
      set(id, envelope) {
        if (envelope.recipients[0] === 'b' && refused++ === 0) throw cause;
        envelopes.set(id, envelope);
      },
    });
    Object.defineProperty(db, 'size', { get: () => envelopes.size });
    const storage = new DictStorage(db);
    const queue = new Queue(storage, null);
    queue.addPolicy({ apply: (envelope) => envelope.recipients.map((to) => ({ ...envelope, recipients: [to] })) });
    const error = await queue.enqueue(message(['a', 'b', 'c'])).catch((error) => error);
    assert.deepEqual([error.code, error.cause], ['host', cause]);
    assert.deepEqual(error.results.map(([envelope]) => envelope.recipients), [['a'], ['b'], ['c']]);
    assert.deepEqual(error.results.map(([, id]) => (id instanceof QueueError ? id.code : typeof id)),
      ['string', 'host', 'string']);
    assert.equal(storage.getInfo().size, 2);
    const stored = await queue.enqueue(message(['a', 'b', 'c']), { key: error.key });
    assert.deepEqual([stored[0][1], stored[2][1]], [error.results[0][1], error.results[2][1]]);
    assert.deepEqual(storage.getInfo(), { size: 3, metaSize: 3 });
  });

  test('refuses what is no storage, relay or option, by name', () => {
    const storage = new DictStorage();
    for (const [args, expected] of [
      [[], /^TypeError: storage: expected a DictStorage or AsyncDictStorage of this copy of the package, got undefined$/],
      [[new Map()], /^TypeError: storage: expected a DictStorage or AsyncDictStorage/],
      [[storage, {}], /^TypeError: relay: expected a relay with a method attempt/],
      [[storage, null, { backoff: 5 }], /^TypeError: options\.backoff: expected a function, got the number 5$/],
      [[storage, null, { lease: 0 }], /^RangeError: options\.lease: expected more than 0 milliseconds/],
      [[storage, null, { relayPool: 0.5 }], /^RangeError: options\.relayPool: expected a whole number/],
      [[storage, null, { storePool: '1' }], /^TypeError: options\.storePool: expected a number/],
      [[storage, null, { deadLetter: {} }], /^TypeError: options\.deadLetter: expected a DictStorage or AsyncDictStorage/],
      [[storage, null, { bounceQueue: {} }], /^TypeError: options\.bounceQueue: expected a queue/],
    ]) {
      assert.throws(() => new Queue(.../** @type {[any]} */ (args)), expected);
    }
    assert.throws(() => new Queue(storage).addPolicy(/** @type {any} */ ({})), /^TypeError: policy: /);
  });

  test('wakes when the browser is online again and attempts what waits', async () => {
    const targets = new EventTarget();
    const { addEventListener, removeEventListener } = globalThis;
    Object.assign(globalThis, {
      addEventListener: targets.addEventListener.bind(targets),
      removeEventListener: targets.removeEventListener.bind(targets),
    });
    try {
      let good = false;
      const queue = new Queue(new DictStorage(), relayOf(() => (good ? null : later)));
      const { until } = watch(queue);
      queue.start();
      await queue.enqueue(message(['a']));
      await until('deferred');
      good = true;
      targets.dispatchEvent(new Event('online'));
      await until('delivered');
      await queue.stop();
    } finally {
      Object.assign(globalThis, { addEventListener, removeEventListener });
    }
  });

  test('waits longer than a timer can, and is not led astray by a clock that jumps', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_700_000_000_000 });
    const storage = new DictStorage();
    const relay = relayOf();
    const queue = new Queue(storage, relay);
    const { until } = watch(queue);
    storage.write(message(['a']), Date.now() + 40 * 86_400_000);
    queue.start();
    const settle = async () => {
      for (let i = 0; i < 50; i++) await undefined;
    };
    await settle();
    t.mock.timers.tick(60_000);
    await settle();
    assert.equal(relay.calls.length, 0);
    t.mock.timers.setTime(1_700_000_000_000 + 41 * 86_400_000); // as after a long sleep
    t.mock.timers.tick(60_000);
    await settle();
    t.mock.timers.tick(1);
    await until('delivered');
    await queue.stop();
  });

  test('a program ends by itself once its queue is stopped, also where the storage looks through everything', async () => {
    const program = `
      import { AsyncDictStorage, Queue } from ${JSON.stringify(new URL('../pkg/load/inline.js', import.meta.url).href)};
      import { setImmediate } from 'node:timers/promises';
      const queue = new Queue(new AsyncDictStorage(null, null, { poll: 1e9 }), { attempt: async () => null });
      const delivered = new Promise((resolve) => queue.addEventListener('delivered', resolve));
      queue.start();
      await queue.enqueue({ sender: 'me@example.com', recipients: ['you@example.com'], message: '' });
      await delivered;
      await setImmediate(); // it waits for more
      await queue.stop();
      console.log('stopped');
    `;
    const { stdout } = await execute(process.execPath, ['--input-type=module', '--eval', program], { timeout: 300_000 });
    assert.equal(stdout, 'stopped\n');
  });
});

test('Who enqueues one message after another lets everything else of the program run', async () => {
  const relay = {
    attempt() {
      for (const end = performance.now() + 2; performance.now() < end;);
      return null;
    },
  };
  const queue = new Queue(new DictStorage(), relay);
  queue.start();
  let runs = 0;
  let others = true;
  const run = () => {
    runs++;
    if (others) setImmediate(run);
  };
  setImmediate(run);
  for (let i = 0; i < 50; i++) await queue.enqueue(message(['a']));
  others = false;
  assert.ok(runs > 1, `${runs} runs`);
  assert.ok(queue.getInfo().size < 50);
  await queue.stop();
});

test('What fails together does not come back together', async () => {
  const queue = new Queue(new DictStorage(), relayOf(() => later));
  const { events } = watch(queue);
  for (let i = 0; i < 20; i++) await queue.enqueue(message(['a']));
  await queue.flush();
  const times = events.filter(({ type }) => type === 'deferred').map(({ timestamp }) => timestamp);
  assert.equal(times.length, 20);
  assert.ok(Math.max(...times) - Math.min(...times) > 500, 'of 6,000 ms on each side of a minute');
  await queue.stop();
});
