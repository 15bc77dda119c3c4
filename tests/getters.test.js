/** Reading what a caller passes in may run the caller's code. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { all, anEnvelope, failure, idOf, outcome } from './support/calls.js';
import { subjects } from './support/subjects.js';

const ID = idOf(1);

/** Calls with everything in their arguments that can be read. */
const CALLS = {
  write: {
    arguments: () => [anEnvelope({
      receiver: 'mx.example.com', timestamp: 5,
      client: { ip: '192.0.2.1', host: 'h', name: 'n', protocol: 'p', auth: 'a' },
      note: { list: [1, { two: [2, 'three'] }], when: null }, kind: 'x',
    }), 10, { id: idOf(2) }],
    call: (storage, args) => storage.write(...args),
    check: async (storage, result) => {
      assert.equal(result, idOf(2));
      assert.deepEqual((await storage.get(idOf(2)))[0], CALLS.write.arguments()[0]);
    },
  },
  setRecipientsDelivered: {
    arguments: () => [[2, 0]],
    call: (storage, args) => storage.setRecipientsDelivered(ID, ...args),
    check: async (storage) => assert.deepEqual((await storage.get(ID))[2], [1]),
  },
  change: {
    arguments: () => [
      { timestamp: 10, attempts: 0, lease: { until: 5, owner: 'me' } },
      { timestamp: 20, attempts: 7, lease: { until: 6, owner: 'you' }, delivered: [2, 0] },
    ],
    call: (storage, args) => storage.change(ID, ...args),
    check: async (storage, result) => {
      assert.equal(result, true);
      assert.deepEqual((await storage.get(ID)).slice(1), [7, [1]]);
      assert.equal(await storage.change(ID, { timestamp: 20, lease: { until: 6, owner: 'you' } }, {}), true);
    },
  },
  repair: {
    arguments: () => [{ minAge: 60_000, requeue: [idOf(3)] }],
    call: (storage, args) => storage.repair(...args),
    check: async (storage) => assert.deepEqual((await storage.get(idOf(3)))[0], anEnvelope()),
  },
};

/** The same value with a getter for each property of each object in it, `read` being told of each by its path. */
function watched(value, read, path = '') {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  const copy = Array.isArray(value) ? [] : {};
  for (const [key, inner] of Object.entries(value)) {
    const way = `${path}.${key}`;
    const watchedInner = watched(inner, read, way);
    const get = () => {
      read(way);
      return watchedInner;
    };
    Object.defineProperty(copy, key, { get, enumerable: true });
  }
  return copy;
}

const watchedArguments = (name, read) =>
  CALLS[name].arguments().map((value, i) => watched(value, read, `${name}(${i})`));

function paths(name) {
  const found = [];
  const walk = (value) => typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) &&
    Object.values(value).forEach(walk);
  watchedArguments(name, (path) => found.push(path)).forEach(walk);
  return found;
}

/** A storage with one message that has a lease and one whose meta record is missing. */
async function prepared({ open }) {
  const opened = open();
  await opened.storage.write(anEnvelope(), 10, { id: ID });
  await opened.storage.change(ID, null, { lease: { until: 5, owner: 'me' } });
  opened.envelope.set(idOf(3), anEnvelope());
  return opened;
}

for (const subject of subjects) {
  describe(subject.name, () => {
    for (const [name, { call, check }] of Object.entries(CALLS)) {
      test(`${name} reads every getter of its arguments exactly once`, async () => {
        const { storage } = await prepared(subject);
        const counts = new Map(paths(name).map((path) => [path, 0]));
        const result = await call(storage, watchedArguments(name, (path) => counts.set(path, counts.get(path) + 1)));
        assert.deepEqual([...counts].filter(([, count]) => count !== 1), []);
        await check(storage, result);
      });

      test(`what a getter in an argument of ${name} throws reaches the caller and nothing is written`, async () => {
        for (const path of paths(name)) {
          for (const thrown of [new Error(path), new RangeError(path), null, undefined, 'text', 5, Symbol(path), {}]) {
            const { storage, text } = await prepared(subject);
            const before = text();
            const args = watchedArguments(name, (read) => {
              if (read === path) throw thrown;
            });
            const { failed, error, threw } = await outcome(() => call(storage, args));
            assert.ok(failed && error === thrown, `${path}: ${String(error)} instead of ${String(thrown)}`);
            assert.equal(threw, subject.sync);
            assert.equal(text(), before, path);
            await check(storage, await call(storage, CALLS[name].arguments()));
          }
        }
      });

      test(`a getter in an argument of ${name} may call the same storage`, async () => {
        const wrong = [];
        for (const path of paths(name)) {
          for (const inner of [
            (storage) => storage.get(ID),
            (storage) => storage.write(anEnvelope({ recipients: ['x@e'], client: { ip: 'y' }, more: [9] }), 99),
            (storage) => storage.setRecipientsDelivered(idOf(4), [1]),
            (storage) => storage.getInfo(),
            (storage) => all(storage.load()),
            (storage) => storage.check(),
            (storage) => storage.write({ sender: null, recipients: [5] }, 1),
          ]) {
            const { storage } = await prepared(subject);
            await storage.write(anEnvelope(), 40, { id: idOf(4) });
            const made = [];
            const args = watchedArguments(name, (read) => {
              if (read === path) made.push(outcome(() => inner(storage)));
            });
            const { failed, error, value } = await outcome(() => call(storage, args));
            assert.equal(made.length, 1);
            await made[0];
            const right = failed ? error : await Promise.resolve(check(storage, value)).catch((error) => error);
            if (right) wrong.push(`${inner} in ${path}: ${String(right).slice(0, 300)}`);
          }
        }
        assert.equal(wrong.length, 0, `\n${wrong.join('\n')}`);
      });
    }

    test('what an iterator of positions or ids throws reaches the caller', async () => {
      for (const thrown of [new Error('it'), null, 'text']) {
        const fail = () => {
          throw thrown;
        };
        for (const make of [
          () => ({ [Symbol.iterator]: fail }),
          () => ({ get [Symbol.iterator]() { return fail(); } }),
          () => ({ [Symbol.iterator]: () => ({ next: fail }) }),
          () => ({ [Symbol.iterator]: () => ({ get next() { return fail(); } }) }),
          () => ({ [Symbol.iterator]: () => ({ next: () => ({ done: false, get value() { return fail(); } }) }) }),
          function* () {
            yield 0;
            fail();
          },
        ]) {
          const { storage, text } = await prepared(subject);
          const before = text();
          for (const call of [
            () => storage.setRecipientsDelivered(ID, make()),
            () => storage.change(ID, null, { delivered: make() }),
            () => storage.repair({ requeue: make() }),
          ]) {
            const { failed, error } = await outcome(call);
            const refused = error instanceof TypeError && /requeue/.test(call); // 0 is no id
            assert.ok(failed && (error === thrown || refused), `${make}: ${String(error)}`);
          }
          assert.equal(text(), before);
        }
      }
    });

    test('an iterator is closed when one of its positions is refused', async () => {
      const { storage } = await prepared(subject);
      let closed = 0;
      const iterable = { [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: 'no position' }),
        return() {
          closed++;
          return {};
        },
      }) };
      await failure(() => storage.setRecipientsDelivered(ID, iterable), { name: 'TypeError' });
      assert.equal(closed, 1);
    });

    test('an iterator without an end is refused and not followed for ever', async () => {
      const { storage } = await prepared(subject);
      const endless = { [Symbol.iterator]: () => ({ next: () => ({ done: false, value: 0 }) }) };
      await failure(() => storage.setRecipientsDelivered(ID, endless), { name: 'RangeError' });
    });

    test('what cannot be kept is refused by its path', async () => {
      const { storage } = await prepared(subject);
      const bad = () => {};
      for (const [extra, path] of [
        [{ note: bad }, 'note'], [{ note: [1, bad] }, 'note[1]'], [{ note: { a: { b: [[bad]] } } }, 'note.a.b[0][0]'],
        [{ note: new Map([['a', { b: bad }]]) }, 'note.a.b'], [{ note: new Set([1, bad]) }, 'note[1]'],
        [{ a: 1, b: 2, note: [{ c: Symbol('s') }] }, 'note[0].c'],
      ]) {
        const error = await failure(() => storage.write(anEnvelope(extra), 1), { name: 'TypeError' });
        assert.ok(error.message.startsWith(`${path}:`), error.message);
      }
    });

    test('an owner of a lease with a lone surrogate is refused or kept as it is', async () => {
      const { storage, meta } = await prepared(subject);
      const owner = 'deliverer \ud800';
      const { failed, error } = await outcome(() => storage.change(ID, null, { lease: { until: 5, owner } }));
      if (failed) assert.equal(error.name, 'TypeError');
      else assert.equal(meta.get(ID).lease.owner, owner);
    });

    test('an envelope nested too deeply is a TypeError and no overflow', async () => {
      const { storage, text } = await prepared(subject);
      const before = text();
      for (const wrap of [
        (deep) => [deep], (deep) => ({ deep }), (deep) => new Map([[deep, 1]]), (deep) => new Set([deep]),
      ]) {
        let deep = null;
        for (let i = 0; i < 50_000; i++) deep = wrap(deep);
        await failure(() => storage.write(anEnvelope({ deep }), 1), { name: 'TypeError' });
      }
      assert.equal(text(), before);
    });
  });
}
