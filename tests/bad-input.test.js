import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { AsyncDictStorage, DictStorage } from '../pkg/load/inline.js';
import { anEnvelope, idOf, outcome } from './support/calls.js';
import { subjects } from './support/subjects.js';
import { VALUES, verdict } from './support/wrong-values.js';

const ID = idOf(1);
const LEASE = { until: 5, owner: 'me' };

/**
 * Every argument and what can be in it: its type, the name by which an error must call it, and a call with `bad` there.
 *
 * @type {{ what: string, type: string, name: RegExp, call: (storage: any, bad: any) => unknown }[]}
 */
const ARGUMENTS = [
  argument('get: id', 'id', (s, bad) => s.get(bad)),
  argument('remove: id', 'idToRemove', (s, bad) => s.remove(bad)),
  argument('setTimestamp: id', 'id', (s, bad) => s.setTimestamp(bad, 1)),
  argument('setTimestamp: timestamp', 'timestamp', (s, bad) => s.setTimestamp(ID, bad)),
  argument('incrementAttempts: id', 'id', (s, bad) => s.incrementAttempts(bad)),
  argument('setRecipientsDelivered: id', 'id', (s, bad) => s.setRecipientsDelivered(bad, [0])),
  argument('setRecipientsDelivered: rcptIndexes', 'positions', (s, bad) => s.setRecipientsDelivered(ID, bad)),
  argument('setRecipientsDelivered: rcptIndexes[1]', 'position', (s, bad) => s.setRecipientsDelivered(ID, [0, bad])),
  argument('change: id', 'id', (s, bad) => s.change(bad, null, {})),
  argument('change: expect', 'expect', (s, bad) => s.change(ID, bad, { attempts: 1 })),
  ...changed('expect', 'timestamp', 'someTimestamp'),
  ...changed('expect', 'attempts', 'attempts'),
  ...changed('expect', 'lease', 'lease'),
  argument('change: expect.lease.until', 'until', (s, bad) => s.change(ID, { lease: { ...LEASE, until: bad } }, {})),
  argument('change: expect.lease.owner', 'owner', (s, bad) => s.change(ID, { lease: { ...LEASE, owner: bad } }, {})),
  argument('change: next', 'next', (s, bad) => s.change(ID, null, bad)),
  ...changed('next', 'timestamp', 'someTimestamp'),
  ...changed('next', 'attempts', 'attempts'),
  ...changed('next', 'lease', 'lease'),
  argument('change: next.lease.until', 'until', (s, bad) => s.change(ID, null, { lease: { ...LEASE, until: bad } })),
  argument('change: next.lease.owner', 'owner', (s, bad) => s.change(ID, null, { lease: { ...LEASE, owner: bad } })),
  ...changed('next', 'delivered', 'somePositions'),
  argument('change: next.delivered[1]', 'position', (s, bad) => s.change(ID, null, { delivered: [0, bad] })),
  ...changed('next', 'firstAttempt', 'someTimestamp'),
  ...changed('next', 'scheduled', 'attempts'),
  argument('repair: options', 'options', (s, bad) => s.repair(bad)),
  argument('repair: options.minAge', 'age', (s, bad) => s.repair({ minAge: bad })),
  argument('repair: options.requeue', 'ids', (s, bad) => s.repair({ requeue: bad })),
  argument('repair: options.requeue[1]', 'someId', (s, bad) => s.repair({ requeue: [ID, bad] })),
  argument('write: timestamp', 'timestamp', (s, bad) => s.write(anEnvelope(), bad)),
  argument('write: options', 'options', (s, bad) => s.write(anEnvelope(), 1, bad)),
  argument('write: options.id', 'newId', (s, bad) => s.write(anEnvelope(), 1, { id: bad })),
  { ...argument('write: envelope', 'envelope', (s, bad) => s.write(bad, 1)), name: /envelope|sender/ },
  field('sender', 'sender', (bad) => ({ sender: bad })),
  field('recipients', 'recipients', (bad) => ({ recipients: bad })),
  field('recipients[1]', 'address', (bad) => ({ recipients: ['a@example.com', bad] })),
  field('headers', 'headers', (bad) => ({ headers: bad })),
  field('headers[1]', 'header', (bad) => ({ headers: [['a', 'b'], bad] })),
  field('headers[0][0]', 'headerName', (bad) => ({ headers: [[bad, 'b']] }), /headers\[0\]/),
  field('headers[0][1]', 'headerValue', (bad) => ({ headers: [['a', bad]] }), /headers\[0\]/),
  field('message', 'message', (bad) => ({ message: bad })),
  field('client', 'client', (bad) => ({ client: bad })),
  ...['ip', 'host', 'name', 'protocol', 'auth'].map((key) =>
    field(`client.${key}`, 'clientText', (bad) => ({ client: { [key]: bad } }))),
  field('receiver', 'receiver', (bad) => ({ receiver: bad })),
  field('timestamp', 'received', (bad) => ({ timestamp: bad })),
  field('extra', 'extra', (bad) => ({ extra: bad })),
  field('extra.in[1].it', 'extra', (bad) => ({ extra: { in: [0, { it: bad }] } })),
  field('a key of a Map in extra', 'extra', (bad) => ({ extra: new Map([[bad, 1]]) }), /extra/),
  field('extra.key', 'extra', (bad) => ({ extra: new Map([['key', bad]]) })),
  field('extra[0]', 'extra', (bad) => ({ extra: new Set([bad]) })),
];

function argument(what, type, call) {
  return { what, type, name: naming(what.split(': ')[1]), call };
}

function changed(part, key, type) {
  const call = (s, bad) => (part === 'next' ? s.change(ID, null, { [key]: bad }) : s.change(ID, { [key]: bad }, {}));
  return [argument(`change: ${part}.${key}`, type, call)];
}

function field(what, type, more, name = naming(what)) {
  return { what: `write: envelope: ${what}`, type, name, call: (s, bad) => s.write(anEnvelope(more(bad)), 1) };
}

/** A word of its own, perhaps followed by what is in it. */
function naming(text) {
  return new RegExp(`(?<![\\w])${text.replace(/[[\].]/g, '\\$&')}(?!\\w)`);
}

let cells = 0;
after(() => console.log(`bad input: ${cells} cells`));

for (const subject of subjects) {
  describe(subject.name, () => {
    for (const argument of ARGUMENTS) {
      test(`${argument.what} takes what it should and refuses everything else`, async () => {
        const wrong = [];
        for (const value of VALUES) {
          cells++;
          const before = builtins();
          await cell(subject, argument, value).catch((error) => wrong.push(`${value.name}: ${error.message}`));
          assert.deepEqual(builtins(), before);
        }
        assert.equal(wrong.length, 0, `\n${wrong.join('\n')}`);
      });
    }
  });
}

/** One value in one place: what comes of it, and what is left then. */
async function cell({ sync, open }, { type, name, call }, value) {
  const { storage, text } = open();
  await storage.write(anEnvelope(), 10, { id: ID });
  const before = text();
  const bad = value.make();
  const { error, failed, threw } = await outcome(() => call(storage, bad));
  const expected = verdict(type, value);
  if (expected === 'good') assert.ok(!failed, `is good, but: ${error}`);
  if (failed) {
    assert.equal(threw, sync, threw ? 'it was thrown, not rejected with' : 'it was rejected with, not thrown');
    assert.match(error?.name, allowed(expected), String(error));
    assert.equal(text(), before, 'something was written');
    if (error.name === 'KeyError') assert.deepEqual([error.code, error.id], ['no-such-message', bad]);
    else if (value.shown) assertClear(error, name, bad, value.shown);
  } else {
    assert.ok(['good', 'open'].includes(expected), 'it was accepted');
  }
  // The object is as usable as before.
  if (!failed && type === 'idToRemove') return;
  assert.deepEqual((await storage.get(ID))[0].sender, 'from@example.com');
  await storage.remove(await storage.write(anEnvelope(), 20));
  if (failed) assert.equal(text(), before);
}

function allowed(expected) {
  if (expected === 'open' || expected === 'refused') return /^(TypeError|RangeError|KeyError)$/;
  return new RegExp(`^${expected}$`);
}

/** The message names what it is about, what was expected and what came. */
function assertClear({ message }, name, bad, shown) {
  assert.match(message, name);
  if (/^options\.[^:]+: expected one of /.test(message)) return; // names what is in an object that is none of options
  assert.match(message, /expected .+, got .+/);
  const got = message.slice(message.lastIndexOf(', got '));
  // Of an object in which something is missing, that is what is wrong with it.
  const clear = shown.test(got) || (typeof bad === 'object' && /undefined/.test(got));
  assert.ok(clear, `it does not say what came: ${message}`);
}

function builtins() {
  return [Object, Array, Function, String, Number, Promise, Map, Set, Uint8Array, Error]
    .flatMap(({ prototype }) => Reflect.ownKeys(prototype));
}

describe('constructors', () => {
  const makes = {
    'envelopeDb of DictStorage': ['dictionary', (bad) => new DictStorage(bad)],
    'metaDb of DictStorage': ['dictionary', (bad) => new DictStorage(null, bad)],
    'envelopeDb of AsyncDictStorage': ['dictionary', (bad) => new AsyncDictStorage(bad)],
    'metaDb of AsyncDictStorage': ['dictionary', (bad) => new AsyncDictStorage(new Map(), bad)],
    'options of AsyncDictStorage': ['anyOptions', (bad) => new AsyncDictStorage(null, null, bad)],
    'options.deadline of AsyncDictStorage':
      ['milliseconds', (bad) => new AsyncDictStorage(null, null, { deadline: bad })],
    'options.poll of AsyncDictStorage': ['milliseconds', (bad) => new AsyncDictStorage(null, null, { poll: bad })],
  };
  for (const [what, [type, make]] of Object.entries(makes)) {
    test(`${what} takes what it should and refuses everything else`, () => {
      const wrong = [];
      for (const value of VALUES) {
        cells++;
        const bad = value.make();
        const expected = verdict(type, value);
        try {
          make(bad);
          if (!['good', 'open'].includes(expected)) wrong.push(`${value.name} was accepted`);
        } catch (error) {
          if (expected === 'good') wrong.push(`${value.name} is good, but: ${error}`);
          if (!allowed(expected).test(error.name)) wrong.push(`${value.name}: ${error}`);
          if (value.shown && !naming(what.split(' ')[0]).test(error.message)) wrong.push(`${value.name}: ${error}`);
        }
      }
      assert.equal(wrong.length, 0, `\n${wrong.join('\n')}`);
    });
  }

  test('a dictionary or host that lacks a method is refused by the name of that method', () => {
    for (const method of ['get', 'set', 'delete', 'keys']) {
      const dict = Object.fromEntries(['get', 'set', 'delete', 'keys'].map((name) => [name, () => {}]));
      delete dict[method];
      for (const make of [() => new DictStorage(dict), () => new AsyncDictStorage(null, dict)]) {
        assert.throws(make, { name: 'TypeError', message: new RegExp(`\\b${method}\\b`) });
      }
    }
    for (const method of ['read', 'page', 'sizes']) {
      const host = Object.fromEntries(['read', 'commit', 'page', 'sizes'].map((name) => [name, () => {}]));
      host[method] = 5;
      assert.throws(() => new AsyncDictStorage(host), { name: 'TypeError', message: new RegExp(`\\b${method}\\b`) });
    }
  });

  test('the classes cannot be called without new', () => {
    assert.throws(() => DictStorage(), TypeError);
    assert.throws(() => AsyncDictStorage(), TypeError);
  });

  test('the methods work on no other object', async () => {
    for (const Class of [DictStorage, AsyncDictStorage]) {
      for (const method of ['write', 'get', 'remove', 'getInfo', 'check', 'repair', 'change']) {
        const { error } = await outcome(() => Class.prototype[method].call({}, idOf(1)));
        assert.ok(error instanceof TypeError, `${method}: ${error}`);
      }
    }
  });
});
