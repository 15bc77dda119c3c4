/** A host may answer anything and throw anything. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { decodeMeta } from '../pkg/hosts/shared/codec.js';
import { AsyncDictStorage, DictStorage, KeyError, QueueError } from '../pkg/load/inline.js';
import { all, anEnvelope, failure, idOf, ids, outcome, queueError } from './support/calls.js';
import { Faults } from './support/faults.js';
import { MemoryHost, Store } from './support/host.js';
import { OPERATIONS, OTHER, SETTINGS, WHOLE, aStore, rehearse } from './support/scenario.js';
import { VALUES } from './support/wrong-values.js';

/** An object that throws whatever is done to it. */
const hostile = () => new Proxy(() => {}, Object.fromEntries(
  ['get', 'has', 'getPrototypeOf', 'ownKeys', 'getOwnPropertyDescriptor', 'apply', 'construct', 'isExtensible'].map(
    (trap) => [trap, () => { throw new Error(`the trap ${trap}`); }],
  ),
));

const GARBAGE = [
  ...VALUES.map(({ name, make }) => [name, make]),
  ['a proxy that throws whatever is done to it', hostile],
  ['a record whose fields throw', () => ({ get timestamp() { throw new Error('t'); }, attempts: 0 })],
  ['a record whose marks throw', () => ({ timestamp: 1, attempts: 0, deliveredIndexes: hostile() })],
  ['a record whose lease throws', () => ({ timestamp: 1, attempts: 0, lease: hostile() })],
  ['a record whose lease has fields that throw', () =>
    ({ timestamp: 1, attempts: 0, lease: { get until() { throw new Error('u'); }, owner: 'me' } })],
  ['an envelope whose fields throw', () => ({ get recipients() { throw new Error('r'); } })],
  ['an envelope whose recipients throw', () =>
    ({ sender: null, recipients: new Proxy(['a'], { get() { throw new Error('r'); } }) })],
  ['an answer whose value throws', () =>
    ({ get value() { throw new Error('v'); }, get entries() { throw new Error('e'); } })],
  ['an answer with strange fields', () =>
    ({ value: 5, version: 5, entries: 5, next: 5, size: '5', metaSize: -1, done: 5 })],
  ['an answer with strange entries', () =>
    ({ entries: [5, null, undefined, [], [5], [[], []], ['x', hostile()], [hostile(), 1]], size: 1, metaSize: 1.5 })],
  ['an iterator that is none', () => ({ [Symbol.iterator]: () => 5, [Symbol.asyncIterator]: () => 5 })],
  ['an iterator that throws', () => ({ [Symbol.iterator]() { throw new Error('i'); } })],
  ['a long array', () => Array(20_000).fill('x')],
];

const THROWN = [
  null, undefined, 0, NaN, '', 'text', 10n, Symbol('s'), {}, [], () => {}, new Error('plain'), new TypeError('type'),
  Object.freeze(new Error('frozen')), Object.assign(new Error('x'), { code: 'full' }),
  Object.assign(new Error('x'), { name: 'QueueError', code: 'no code of ours' }),
  Object.defineProperty(new Error(), 'message', { get() { throw new Error('m'); } }),
  Object.defineProperty(new Error('x'), 'name', { get() { throw new Error('n'); } }),
  Object.assign(new Error('x'), { message: Symbol('m') }),
  Object.assign(new Error('x'), { toString() { throw new Error('s'); } }),
  Object.assign(new Error('x'), { toString: () => Symbol('s') }), Object.create(Error.prototype), Object.create(null),
  hostile(), new Proxy(new Error('x'), { get() { throw new Error('g'); } }), Promise.resolve(5), { then() {} },
  new QueueError('made up', 'a code that is none of ours'),
  Object.defineProperty(new QueueError('blocked', 'x'), 'message', { get() { throw new Error('m'); } }),
  Object.assign(new QueueError('blocked', 'x'), { message: Symbol('m') }),
  new Proxy(new QueueError('blocked', 'x'), { ownKeys() { throw new Error('o'); } }),
];

let cases = 0;
after(() => console.log(`garbage of hosts: ${cases} cases`));

for (const setting of SETTINGS) {
  describe(setting.name, () => {
    test('whatever a host answers, each call ends well or with an error of ours, and the storage goes on', async () => {
      const wrong = [];
      for (const [what, operation] of Object.entries(OPERATIONS)) {
        const { calls } = await rehearse(setting, operation.run);
        for (const [at, call] of calls.entries()) {
          // Every fifth, others at the next call: all of them are for the long run.
          for (let i = process.env.LONG ? 0 : at % 5; i < GARBAGE.length; i += process.env.LONG ? 1 : 5) {
            const [name, make] = GARBAGE[i];
            cases++;
            await answered(setting, operation, at, make).catch((error) => {
              wrong.push(`${what}, at call ${at} (${call}), answered with ${name}: ${error.message.slice(0, 300)}`);
            });
          }
          await turn();
        }
      }
      assert.equal(wrong.length, 0, `${wrong.length} cases:\n${wrong.slice(0, 60).join('\n')}`);
    });

    test('whatever a host throws is the cause of a QueueError', async () => {
      const wrong = [];
      for (const [number, thrown] of THROWN.entries()) {
        for (const operation of [OPERATIONS.incrementAttempts, OPERATIONS.get, OPERATIONS.load, OPERATIONS.getInfo]) {
          cases++;
          await threw(setting, operation, thrown).catch((error) => {
            wrong.push(`${operation.run}, thrown number ${number}: ${String(error?.message).slice(0, 300)}`);
          });
          if (/does not settle/.test(wrong.at(-1))) return assert.fail(wrong.join('\n')); // nor will any other
        }
      }
      assert.equal(wrong.length, 0, `\n${wrong.join('\n')}`);
    });

    test('what a host says in our terms reaches the caller, in an error of the call', async () => {
      for (const code of ['full', 'too-large', 'blocked', 'conflict', 'unknown-outcome', 'closed', 'corrupt']) {
        const said = Object.freeze(new QueueError(code, `${code}: as the host says`, { cause: 5 }));
        for (const [what, operation] of Object.entries(OPERATIONS)) {
          if (setting.sync && what.startsWith('write under')) continue; // below
          const faults = new Faults();
          const storage = setting.over(aStore(), faults, {});
          faults.plan(0, () => { throw said; });
          const { error } = await outcome(() => operation.run(storage));
          assert.ok(error instanceof QueueError && error !== said, `${what}: ${String(error)}`);
          assert.deepEqual([error.code, error.message, error.cause], [code, said.message, 5], what);
        }
      }
    });
  });
}

async function answered(setting, { run }, at, make) {
  const [store, faults] = [aStore(), new Faults()];
  const storage = setting.over(store, faults, { deadline: 20_000 });
  faults.plan(at, make);
  const { failed, error } = await outcome(() => run(storage));
  faults.heal();
  if (failed) {
    assert.ok(error instanceof QueueError, `it is no QueueError: ${safe(error)}`);
    assert.notEqual(error.code, 'timeout');
  }
  assert.deepEqual(await storage.get(OTHER), [anEnvelope(), 0, [0, 1, 2]]);
  assert.equal(await storage.write(anEnvelope(), 1, { id: idOf(9) }), idOf(9));
  assert.equal(await storage.incrementAttempts(idOf(9)), 1);
}

async function threw(setting, { run }, thrown) {
  const faults = new Faults();
  const storage = setting.over(aStore(), faults, {});
  faults.plan(0, () => { throw thrown; });
  const { failed, error } = await outcome(() => run(storage), 5000);
  assert.ok(failed, 'it succeeded');
  assert.ok(error instanceof QueueError && !(error instanceof KeyError), `it is no QueueError: ${safe(error)}`);
  assert.ok(['host', 'unknown-outcome'].includes(error.code) && 'cause' in error, error.code);
  assert.ok(Object.is(error.cause, thrown), 'the cause is another one');
  assert.equal(typeof error.message, 'string');
  faults.heal();
  await storage.incrementAttempts(WHOLE);
}

function safe(error) {
  try {
    return error.stack.split('\n').slice(0, 3).join(' ');
  } catch {
    return 'something that cannot be shown';
  }
}

describe('what a dictionary gives out', () => {
  test('records that a dictionary changes after it gave them out change no result', async () => {
    for (const make of [(...dicts) => new DictStorage(...dicts), (...dicts) => new AsyncDictStorage(...dicts)]) {
      const [envelopes, meta] = [new Map(), new Map()];
      const storage = make(envelopes, meta);
      const id = await storage.write(anEnvelope({ note: { list: [1] } }), 10);
      await storage.setRecipientsDelivered(id, [1]);
      const got = await storage.get(id);
      const before = structuredClone(got);
      envelopes.get(id).recipients.push('x@example.com');
      envelopes.get(id).message.fill(0);
      envelopes.get(id).note.list.push(2);
      meta.get(id).deliveredIndexes?.push(2);
      assert.deepEqual(got, before);
    }
  });

  test('a record is good or corrupt here as it is for programs in Rust', async () => {
    const list = await readFile(new URL('../src/hosts/record/verdicts.json', import.meta.url), 'utf8');
    for (const { name, verdict, record } of JSON.parse(list)) {
      const meta = decodeMeta(Uint8Array.from(Buffer.from(record, 'hex')));
      const storage = new AsyncDictStorage(new Map([[WHOLE, anEnvelope()]]), new Map([[WHOLE, meta]]));
      assert.deepEqual((await storage.check()).corrupt, verdict === 'corrupt' ? [WHOLE] : [], name);
    }
  });

  test('a record that a dictionary changes between the read and the commit is not overwritten', async () => {
    const [envelopes, meta] = [new Map(), new Map()];
    const storage = new AsyncDictStorage(envelopes, meta);
    const id = await storage.write(anEnvelope(), 10);
    const counting = storage.incrementAttempts(id);
    meta.get(id).attempts = 40; // its owner does so in place
    await counting;
    assert.equal((await storage.get(id))[1], 41);
  });

  test('a host whose commit answers neither true nor false is told so', async () => {
    for (const [name, make] of GARBAGE.filter(([name]) => !['true', 'false', 'a promise'].includes(name))) {
      const host = new MemoryHost(new Store());
      host.commit = make;
      const storage = new AsyncDictStorage(host);
      const error = await failure(() => storage.write(anEnvelope(), 10), { name: 'QueueError' });
      assert.ok(['host', 'unknown-outcome'].includes(error.code), `${name}: ${error.code}`);
    }
  });

  test('sizes that are no counts are refused and not passed on', async () => {
    for (const size of [-1, 0.5, NaN, Infinity, '3', null, undefined, 3n, {}, 2 ** 53]) {
      for (const sizes of [{ size, metaSize: 0 }, { size: 0, metaSize: size }]) {
        const host = new MemoryHost(new Store());
        host.sizes = () => sizes;
        await queueError(() => new AsyncDictStorage(host).getInfo(), 'host');
        const dict = (size) => Object.defineProperty(new Map(), 'size', { value: size });
        await queueError(() => new DictStorage(dict(sizes.size), dict(sizes.metaSize)).getInfo(), 'host');
      }
    }
  });

  test('an entry that cannot be read leaves all others listed', async () => {
    const store = aStore();
    const host = new MemoryHost(store, { pageSize: 100 });
    const page = host.page.bind(host);
    host.page = async (...args) => {
      const { entries } = await page(...args);
      const more = [[idOf(70), hostile()], [idOf(71), 5], [5, {}], [undefined], [hostile(), 1], [{}, {}], []];
      return { entries: [...more, ...entries, ...more] };
    };
    assert.deepEqual(await ids(new AsyncDictStorage(host)), [WHOLE, OTHER]);
  });

  test('a page may be empty and still have a next one', async () => {
    const host = new MemoryHost(aStore(), { pageSize: 1 });
    const page = host.page.bind(host);
    host.page = (dict, cursor, limit) =>
      typeof cursor === 'object' ? page(dict, cursor.at, limit) : { entries: [], next: { at: cursor } };
    const storage = new AsyncDictStorage(host);
    assert.deepEqual(await ids(storage), [WHOLE, OTHER]);
    assert.equal((await storage.check()).corrupt.length, 1);
  });

  test('a dictionary whose get says null or undefined for what is absent is the same', async () => {
    for (const absent of [null, undefined]) {
      const dict = () => {
        const map = new Map();
        map.get = (key) => (map.has(key) ? Map.prototype.get.call(map, key) : absent);
        return map;
      };
      for (const storage of [new DictStorage(dict(), dict()), new AsyncDictStorage(dict(), dict())]) {
        const id = await storage.write(anEnvelope(), 10);
        assert.deepEqual(await storage.get(id), [anEnvelope(), 0, [0, 1, 2]]);
        await failure(() => storage.get(idOf(9)), { name: 'KeyError' });
        assert.deepEqual(await all(storage.load()), [[10, id]]);
      }
    }
  });
});
