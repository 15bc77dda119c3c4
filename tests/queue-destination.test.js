/** The limits of a queue for each destination. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DictStorage, Queue } from '../pkg/load/inline.js';
import { gate, message, onEachStorage } from './support/queues.js';

const domainOf = (address) => address.split('@').pop();

/** A relay whose attempts end when a test lets one to their recipients end. It knows how many were under way at most. */
function slowRelay() {
  const begun = [];
  const [under, most] = [new Map(), new Map()];
  const [ending, free] = [[], []];
  const count = (name, more) => {
    under.set(name, (under.get(name) ?? 0) + more);
    most.set(name, Math.max(most.get(name) ?? 0, under.get(name)));
  };
  let heard = () => {};
  return {
    begun,
    most: (name) => most.get(name),
    /** Lets an attempt for these recipients end, which may begin later. */
    end(recipients) {
      const place = ending.findIndex(([names]) => names === recipients);
      if (place < 0) free.push(recipients);
      else ending.splice(place, 1)[0][1]();
    },
    /** Waits until so many attempts have begun. */
    async until(number) {
      while (begun.length < number) await new Promise((resolve) => (heard = resolve));
    },
    async attempt({ recipients }) {
      const [names, all] = [recipients.join(), ['all', ...recipients.map(domainOf)]];
      const { opened, open } = gate();
      begun.push(names);
      for (const name of all) count(name, 1);
      const place = free.indexOf(names);
      if (place < 0) ending.push([names, open]);
      else free.splice(place, 1);
      heard();
      if (place < 0) await opened;
      for (const name of all) count(name, -1);
    },
  };
}

/** Until everything had its turn that needs no time. */
const quiet = async () => {
  for (let i = 0; i < 30; i++) await new Promise(setImmediate);
};

onEachStorage('The destinations of a queue', (scene) => {
  const write = async (...all) => {
    const ids = [];
    for (const recipients of all) ids.push(await scene.storage.write(message(recipients.split(',')), ids.length));
    return ids;
  };

  test('let what goes elsewhere go at once while one of them is slow', async () => {
    await write(...Array(10).fill('a@slow'), 'a@fast');
    const relay = slowRelay();
    const { queue, until } = scene.make(relay, { relayPool: 5, destination: { pool: 2 } });
    queue.start();
    await relay.until(3);
    await quiet();
    assert.deepEqual(relay.begun.toSorted(), ['a@fast', 'a@slow', 'a@slow']);
    const { size, inAttempt, oldestDue } = queue.getInfo();
    assert.deepEqual([size, inAttempt], [11, 3]);
    assert.ok(oldestDue < 10, 'what waits counts');
    relay.end('a@fast');
    await until('delivered', ({ recipients }) => recipients[0] === 'a@fast');
    for (let i = 0; i < 10; i++) relay.end('a@slow');
  });

  test('let 1,500 messages that are due for a slow one wait, and one for another one go', async () => {
    for (let i = 0; i < 1500; i++) await scene.storage.write(message(['a@slow']), 1);
    await write('a@fast');
    await scene.storage.setTimestamp((await write('b@fast'))[0], 2);
    const relay = slowRelay();
    const { queue } = scene.make(relay, { relayPool: 5, destination: { pool: 2 } });
    const run = queue.run();
    while (!relay.begun.includes('b@fast')) await relay.until(relay.begun.length + 1);
    assert.equal(relay.begun.length, 4);
    for (const recipients of ['a@fast', 'b@fast', ...Array(1500).fill('a@slow')]) relay.end(recipients);
    assert.equal((await run).delivered, 1502);
    assert.equal(relay.most('slow'), 2);
  });

  test('take no more attempts at once than their pool, and no more in all than the relayPool', async () => {
    const domains = ['one', 'two', 'three', 'four'];
    const all = Array.from({ length: 40 }, (_, number) => `a@${domains[Math.floor(number / 10)]}`);
    await write(...all);
    const relay = slowRelay();
    const { queue } = scene.make(relay, { relayPool: 5, destination: { pool: 2 } });
    const flush = queue.flush();
    let ended = 0;
    while (ended < 40) {
      await relay.until(ended + 1);
      await quiet();
      while (ended < relay.begun.length) relay.end(relay.begun[ended++]);
    }
    assert.equal((await flush).delivered, 40);
    assert.equal(relay.most('all'), 5);
    assert.ok(domains.every((domain) => relay.most(domain) <= 2));
  });

  test('are those of each recipient, as a function names them', async () => {
    await write('a@one,b@two');
    const relay = slowRelay();
    const seen = [];
    const of = (address) => {
      seen.push(address);
      return address.slice(address.indexOf('@'), address.indexOf('@') + 2).toLowerCase();
    };
    const { queue } = scene.make(relay, { destination: { pool: 1, of } });
    queue.start();
    await relay.until(1);
    await write('a@one', 'a@Two', 'a@three');
    while (seen.length < 5) await quiet();
    await quiet();
    assert.deepEqual(relay.begun, ['a@one,b@two']);
    assert.deepEqual(seen.toSorted(), ['a@Two', 'a@one', 'a@one', 'a@three', 'b@two']);
    relay.end('a@one,b@two');
    await relay.until(3);
    await quiet();
    assert.deepEqual(relay.begun.slice(1).map((address) => address.slice(0, 3).toLowerCase()).sort(), ['a@o', 'a@t']);
    for (const recipients of ['a@one', 'a@Two', 'a@three']) relay.end(recipients);
  });

  test('are the usual ones where the function fails, which an event tells with the very error', async () => {
    await write('a@One', 'b@oNE', 'a@two');
    const relay = slowRelay();
    const thrown = new Error('not that one');
    const of = (address) => {
      if (address.startsWith('b')) return /** @type {any} */ (5);
      throw thrown;
    };
    const { queue, events } = scene.make(relay, { destination: { pool: 1, of } });
    queue.start();
    await relay.until(2);
    await quiet();
    assert.deepEqual(relay.begun.map((each) => domainOf(each).toLowerCase()).sort(), ['one', 'two']);
    const address = ({ envelope }) => envelope.recipients[0];
    const errors = events.filter(({ type }) => type === 'error').sort((a, b) => (address(a) < address(b) ? -1 : 1));
    assert.deepEqual(errors.map(address), ['a@One', 'a@two', 'b@oNE']);
    assert.deepEqual(errors.map(({ error }) => error === thrown), [true, true, false]);
    assert.equal(String(errors[2].error), 'TypeError: destination.of: expected a string, got the number 5');
    for (const recipients of ['a@One', 'b@oNE', 'a@two']) relay.end(recipients);
  });

  test('take so many attempts in a second as they may', async () => {
    await write('a@one', 'a@one', 'a@one', 'a@two');
    const relay = slowRelay();
    for (const recipients of ['a@one', 'a@one', 'a@one', 'a@two']) relay.end(recipients);
    const times = [];
    const attempt = (envelope) => {
      times.push(performance.now());
      return relay.attempt(envelope);
    };
    const { queue } = scene.make({ attempt }, { destination: { perSecond: 20 } });
    const before = performance.now();
    assert.equal((await queue.run()).delivered, 4);
    assert.deepEqual(relay.begun.toSorted(), ['a@one', 'a@one', 'a@one', 'a@two']);
    assert.ok(times[3] - before >= 90, `${before}: ${times}`); // the first one may be late on a busy machine
  });

  test('let a run wait for all that it is about, unless its limit, time or signal ends it', async () => {
    await write('a@one', 'a@one', 'a@one', 'a@one');
    const relay = slowRelay();
    const { queue } = scene.make(relay, { destination: { pool: 1 } });
    const controller = new AbortController();
    const aborted = queue.run({ signal: controller.signal });
    await relay.until(1);
    await quiet();
    controller.abort();
    relay.end('a@one');
    assert.deepEqual((({ attempted, left }) => [attempted, left])(await aborted), [1, 3]);
    relay.end('a@one');
    assert.deepEqual((({ attempted, left }) => [attempted, left])(await queue.run({ limit: 1 })), [1, 2]);
    const slow = scene.make(relay, { destination: { perSecond: 0.001 } }).queue;
    relay.end('a@one');
    assert.deepEqual((({ attempted, left }) => [attempted, left])(await slow.run({ until: Date.now() + 10_000 })), [1, 1]);
    relay.end('a@one');
    assert.equal((await queue.run()).left, 0);
  });

  test('do not keep a stop waiting, and what waited is as before', async () => {
    await write('a@one');
    const relay = slowRelay();
    const { queue, types } = scene.make(relay, { destination: { pool: 1 } });
    queue.start();
    await relay.until(1);
    const [id] = await write('b@one');
    const before = { ...await scene.record(id) };
    await quiet();
    const stopped = queue.stop();
    relay.end('a@one');
    await stopped;
    assert.deepEqual([relay.begun, types().includes('removed')], [['a@one'], false]);
    assert.deepEqual({ ...await scene.record(id) }, before);
    queue.start();
    await relay.until(2);
    relay.end('b@one');
  });

  test('of a notice keep nobody waiting whom its original still has to reach', async () => {
    const refused = { code: 550, message: '5.1.1 no such user' };
    let deferred = 0;
    const attempt = ({ sender, recipients }) => {
      if (!sender) return new Promise(() => {}); // the only notice that may be under way
      return recipients.map((to) => (to.startsWith('no') ? refused : deferred++ < 3 ? { code: 451, message: 'later' } : null));
    };
    const { queue, until } = scene.make({ attempt }, { destination: { pool: 1 }, backoff: () => 1 });
    queue.start();
    for (const number of [1, 2, 3]) await queue.enqueue(message([`no@refuses${number}`, `b@defers${number}`]));
    for (const number of [1, 2, 3]) await until('delivered', ({ recipients: [to] }) => to === `b@defers${number}`);
  });

  test('are not those of a message that has expired, and let one expire that waits', async () => {
    const relay = slowRelay();
    const { queue, until } = scene.make(relay, { destination: { pool: 1 } });
    queue.start();
    await queue.enqueue(message(['a@one']));
    await relay.until(1);
    await queue.enqueue(message(['b@one']), { at: 1, expires: Date.now() + 50 });
    await until('failed', ({ recipients: [to] }) => to === 'b@one');
    assert.deepEqual(relay.begun, ['a@one']);
    relay.end('a@one');
    await until('delivered');
  });

  test('let a message be cancelled that waits', async () => {
    await write('a@one');
    const relay = slowRelay();
    const { queue, until, types } = scene.make(relay, { destination: { pool: 1 } });
    queue.start();
    await relay.until(1);
    const [cancelled, left] = await write('b@one', 'c@one');
    await quiet();
    assert.equal(await queue.cancel(cancelled), true);
    await until('removed', ({ id }) => id === cancelled);
    relay.end('a@one');
    await relay.until(2);
    relay.end('c@one');
    await until('delivered', ({ id }) => id === left);
    assert.deepEqual(relay.begun, ['a@one', 'c@one']);
    assert.equal(types().filter((type) => type === 'removed').length, 1);
  });
});

describe('The option destination', () => {
  test('is refused where it is none, by name', () => {
    for (const [destination, expected] of /** @type {[any, RegExp][]} */ ([
      [5, /^TypeError: options\.destination: expected an object, got the number 5$/],
      [{ size: 2 }, /^TypeError: options\.destination\.size: expected one of of, pool, perSecond$/],
      [{ of: 'domain' }, /^TypeError: options\.destination\.of: expected a function, got the string "domain"$/],
      [{ pool: 0 }, /^RangeError: options\.destination\.pool: expected a whole number from 1 on, got the number 0$/],
      [{ pool: 1.5 }, /^RangeError: options\.destination\.pool: expected a whole number from 1 on/],
      [{ pool: '2' }, /^TypeError: options\.destination\.pool: expected .+, got the string "2"$/],
      [{ perSecond: 0 }, /^RangeError: options\.destination\.perSecond: expected .+ more than 0, got the number 0$/],
      [{ perSecond: NaN }, /^RangeError: options\.destination\.perSecond: expected .+, got the number NaN$/],
      [{ perSecond: '1' }, /^TypeError: options\.destination\.perSecond: expected .+, got the string "1"$/],
    ])) {
      assert.throws(() => new Queue(new DictStorage(), null, { destination }), (error) => expected.test(String(error)));
    }
    for (const destination of [null, undefined, {}, { pool: Infinity, perSecond: Infinity }, { perSecond: 0.5, of: null }]) {
      new Queue(new DictStorage(), null, /** @type {any} */ ({ destination }));
    }
  });
});
