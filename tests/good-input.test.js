import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { all, anEnvelope, idOf, ids, keyError } from './support/calls.js';
import { subjects } from './support/subjects.js';

const UTF8 = new TextEncoder();

/** Strings that are nobody's id. */
const NO_IDS = [
  '', ' ', '__proto__', 'constructor', 'toString', 'size', '0', '-1', 'NaN', 'null', 'undefined', '\0', '\ud800',
  '\udfff'.repeat(32), 'x'.repeat(2 ** 20), '0'.repeat(31), '0'.repeat(33), 'G'.repeat(32), 'A'.repeat(32),
  'é'.repeat(32), '0123456789abcdef0123456789abcdeF', ' 123456789abcdef0123456789abcdef', '\n'.repeat(32),
  '01234567-89ab-4def-8123-456789abcdef', '0x' + '0'.repeat(30), '٠'.repeat(32), '0'.repeat(31) + '\u212a',
];

/** Extras of each kind that is allowed. */
const EXTRAS = {
  nothing: null, yes: true, no: false, number: 1.5, negative: -0, text: 'text', empty: '', accents: 'h\u00e9 \u{1f600}',
  bigint: 10n ** 30n, date: new Date(86_400_000), bytes: new Uint8Array([1, 2, 255]), noBytes: new Uint8Array(),
  array: [1, 'two', [3, [4]], null], noArray: [], object: { a: { b: { c: [true] } }, ['a key']: 1 }, noObject: {},
  map: new Map([['a', 1], [2, new Map([[{ k: 1 }, new Set([1])]])], [null, null]]), noMap: new Map(),
  set: new Set([1, 'a', new Date(1), [1], new Uint8Array([9])]), noSet: new Set(),
  constructor: 'c', toString: 't', hasOwnProperty: 'h', then: 'no promise', length: 3, id: 'x', attempts: 9,
  version: {},
};

for (const { name, open } of subjects) {
  describe(name, () => {
    const comesBack = async (envelope, expected = envelope) => {
      const { storage } = open();
      const id = await storage.write(envelope, 10);
      assert.deepEqual((await storage.get(id))[0], expected);
    };

    test('a deeply frozen envelope and frozen arguments are good', async () => {
      const { storage } = open();
      const envelope = anEnvelope({ client: { ip: '192.0.2.1' }, note: { list: [1, { two: 2 }] } });
      delete envelope.message; // bytes cannot be frozen
      const id = await storage.write(freeze(envelope), 10, freeze({ id: idOf(1) }));
      await storage.setRecipientsDelivered(id, freeze([1, 1]));
      const lease = { until: 5, owner: 'me' };
      await storage.change(id, freeze({ timestamp: 10 }), freeze({ lease, delivered: [2] }));
      await storage.change(id, freeze({ lease }), freeze({ lease: null }));
      assert.deepEqual((await storage.get(id))[0], { ...envelope, recipients: ['a@example.com'] });
    });

    test('an instance of a class whose fields are getters of its prototype is good', async () => {
      class Mail {
        #to = ['a@example.com'];
        extra = 'own';
        get sender() { return 'from@example.com'; }
        get recipients() { return this.#to; }
        get message() { return 'text'; }
        get client() { return new Session(); }
        send() {}
      }
      class Session {
        tls = true;
        get ip() { return '192.0.2.1'; }
      }
      await comesBack(new Mail(), {
        sender: 'from@example.com', recipients: ['a@example.com'], message: 'text', client: { ip: '192.0.2.1', tls: true },
        extra: 'own',
      });
    });

    test('proxies are good wherever an object or an array is', async () => {
      const deep = (value) => new Proxy(value, {
        get(target, key, receiver) {
          const inner = Reflect.get(target, key, receiver);
          return Array.isArray(inner) || Object.getPrototypeOf(inner ?? 0) === Object.prototype ? deep(inner) : inner;
        },
      });
      const envelope = anEnvelope({ client: { host: 'mail.example.com' }, note: { list: [1, [2]], of: {} } });
      await comesBack(deep(envelope), envelope);
      const { storage } = open();
      await storage.write(deep(envelope), 10, deep({ id: idOf(1) }));
      await storage.setRecipientsDelivered(idOf(1), deep([0]));
      await storage.change(idOf(1), deep({ attempts: 0 }), deep({ lease: { until: 1, owner: 'me' }, delivered: [1] }));
      assert.deepEqual((await storage.get(idOf(1)))[2], [2]);
    });

    test('objects without a prototype are good wherever an object is', async () => {
      const bare = (fields) => Object.assign(Object.create(null), fields);
      await comesBack(bare(anEnvelope({ client: bare({ ip: '192.0.2.1' }), note: bare({ a: bare({}) }) })),
        anEnvelope({ client: { ip: '192.0.2.1' }, note: { a: {} } }));
      const { storage } = open();
      await storage.write(bare(anEnvelope()), 10, bare({ id: idOf(1) }));
      const next = bare({ lease: bare({ until: 1, owner: 'me' }) });
      assert.equal(await storage.change(idOf(1), bare({ lease: null }), next), true);
      await storage.repair(bare({ minAge: 0 }));
    });

    test('positions may come from anything iterable, repeated and in any order', async () => {
      const recipients = Array.from({ length: 20 }, (_, i) => `r${i}@example.com`);
      const { storage } = open();
      const id = await storage.write({ sender: null, recipients }, 10);
      const generate = function* () { yield* [19, 18, 19]; };
      for (const positions of [
        [0, 0], new Set([2, 1]), new Uint8Array([3, 3]), new Uint32Array([4]), new Float64Array([5]),
        new Int8Array([6]), generate(),
        new Map([[7, 'x']]).keys(), [8][Symbol.iterator](), { [Symbol.iterator]: () => [9].values() }, [],
      ]) {
        await storage.setRecipientsDelivered(id, positions);
        await storage.change(id, null, { delivered: [10, 10] });
      }
      assert.deepEqual((await storage.get(id))[2], [11, 12, 13, 14, 15, 16, 17]);
    });

    test('a hundred thousand recipients are good, and half of them can be marked', async () => {
      const recipients = Array.from({ length: 100_000 }, (_, i) => `recipient${i}@example.com`);
      const { storage } = open();
      const id = await storage.write({ sender: 'from@example.com', recipients }, 10);
      await storage.setRecipientsDelivered(id, Array.from({ length: 50_000 }, (_, i) => 2 * i));
      const [envelope, , positions] = await storage.get(id);
      assert.equal(envelope.recipients.length, 50_000);
      assert.deepEqual(envelope.recipients.at(-1), 'recipient99999@example.com');
      assert.deepEqual(positions, Array.from({ length: 50_000 }, (_, i) => 2 * i + 1));
    });

    test('an empty message is good, as text and as bytes', async () => {
      await comesBack(anEnvelope({ message: '' }));
      await comesBack(anEnvelope({ message: new Uint8Array() }));
      await comesBack({ sender: '', recipients: ['a@example.com'] });
    });

    test('a message on shared memory is copied', async () => {
      const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(7);
      const { storage } = open();
      const id = await storage.write(anEnvelope({ message: shared, attached: shared }), 10);
      shared.fill(8);
      const [{ message, attached }] = await storage.get(id);
      for (const bytes of [message, attached]) {
        assert.deepEqual(bytes, new Uint8Array([7, 7, 7, 7]));
        assert.ok(bytes.buffer instanceof ArrayBuffer);
      }
    });

    test('of a view on a larger buffer only what it shows is kept', async () => {
      const { storage, envelope } = open();
      const large = UTF8.encode('secret text secret');
      const id = await storage.write(anEnvelope({ message: large.subarray(7, 11), attached: Buffer.from('abc') }), 10);
      const [{ message, attached }] = await storage.get(id);
      assert.deepEqual([message, attached], [UTF8.encode('text'), UTF8.encode('abc')]);
      assert.equal(envelope.get(id).message.buffer.byteLength, 4);
    });

    test('every field of an envelope that may be there comes back as it was', async () => {
      await comesBack(anEnvelope({
        sender: 'jos\u00e9@ex\u00e4mple.de', recipients: ['"a b"@example.com', 'x', '', 'a@example.com'],
        headers: [['Subject', 'folded\r\n over\n\tlines'], ['Subject', ''], ['X-\u00e9', '\u{1f4e7}']],
        client: { ip: '2001:db8::1', host: 'h', name: 'n', protocol: 'ESMTPS', auth: 'user' },
        receiver: 'mx.example.com', timestamp: 1_700_000_000.25, message: 'caf\u00e9\r\n.\r\n\0',
      }));
      await comesBack({ sender: null, recipients: ['a'], receiver: null, timestamp: null, headers: [], client: {} });
    });

    test('any finite timestamp is good', async () => {
      for (const timestamp of [0, -1, 0.1, 1e300, -Number.MAX_VALUE, Number.MIN_VALUE, 2 ** 53, 8.64e15]) {
        const { storage } = open();
        const id = await storage.write(anEnvelope(), timestamp);
        assert.deepEqual(await all(storage.load()), [[timestamp, id]]);
        await storage.setTimestamp(id, timestamp);
      }
    });

    test('options without an id are as none', async () => {
      const { storage } = open();
      for (const options of [undefined, {}, { id: undefined }, { other: 1 }]) {
        assert.match(await storage.write(anEnvelope(), 10, options), /^[0-9a-f]{32}$/);
      }
      for (const options of [undefined, {}, { minAge: undefined, requeue: undefined }]) await storage.repair(options);
    });

    test('a string that no message has as its id is a KeyError, and nothing to remove', async () => {
      const { storage, text } = open();
      await storage.write(anEnvelope(), 10, { id: idOf(0xabcdef) });
      const before = text();
      for (const id of NO_IDS) {
        await keyError(() => storage.get(id), id);
        await keyError(() => storage.setTimestamp(id, 1), id);
        await keyError(() => storage.incrementAttempts(id), id);
        await keyError(() => storage.setRecipientsDelivered(id, [0]), id);
        const error = await keyError(() => storage.change(id, null, {}), id);
        assert.ok(error.message.length < 1000, 'the message of an error is short');
        assert.equal(await storage.remove(id), undefined);
      }
      assert.equal(text(), before);
    });

    test('extra fields of every allowed kind come back equal', async () => {
      await comesBack(anEnvelope(EXTRAS));
      await comesBack(anEnvelope({ deep: { er: [EXTRAS, new Map([['m', EXTRAS]])] } }));
    });

    test('one value in two places of an envelope is no cycle', async () => {
      const twice = { a: [1] };
      await comesBack(anEnvelope({ one: twice, other: [twice, twice] }));
    });

    test('extras may be nested ninety deep', async () => {
      let deep = 'bottom';
      for (let i = 0; i < 90; i++) deep = i % 2 ? [deep] : { deep };
      await comesBack(anEnvelope({ deep }));
    });

    test('an own key __proto__ comes back as such and pollutes nothing', async () => {
      const { storage } = open();
      const before = Reflect.ownKeys(Object.prototype);
      const hostile = JSON.parse(
        '{"__proto__":{"polluted":1},"in":{"__proto__":{"polluted":2},"constructor":{"a":1}}}');
      const envelope = Object.defineProperties(anEnvelope(), Object.getOwnPropertyDescriptors(hostile));
      envelope.recipients = ['a@example.com', 'b@example.com'];
      const id = await storage.write(envelope, 10);
      await storage.setRecipientsDelivered(id, [0]);
      const [got] = await storage.get(id);
      assert.deepEqual(Object.getOwnPropertyDescriptor(got, '__proto__').value, { polluted: 1 });
      assert.deepEqual(Object.getOwnPropertyDescriptor(got.in, '__proto__').value, { polluted: 2 });
      assert.equal(Object.getPrototypeOf(got), Object.prototype);
      assert.deepEqual([got.polluted, got.in.polluted, {}.polluted], [undefined, undefined, undefined]);
      assert.deepEqual(Reflect.ownKeys(Object.prototype), before);
    });

    test('what a caller does to arguments afterwards changes nothing that is queued', async () => {
      const { storage } = open();
      const make = () => anEnvelope({ client: { ip: '192.0.2.1' }, ...structuredClone(EXTRAS) });
      const envelope = make();
      const options = { id: idOf(1) };
      const pending = storage.write(envelope, 10, options);
      ruin(envelope);
      ruin(options);
      const id = await pending;
      assert.deepEqual((await storage.get(idOf(1)))[0], make());
      const date = new Date(50);
      const setting = storage.setTimestamp(id, date);
      date.setTime(99);
      const marks = [0];
      const marking = storage.setRecipientsDelivered(id, marks);
      marks.push(1);
      const next = { lease: { until: 5, owner: 'me' }, delivered: [1] };
      const changing = storage.change(id, null, next);
      ruin(next.lease);
      ruin(next);
      await Promise.all([setting, marking, changing]);
      assert.deepEqual([await all(storage.load()), (await storage.get(id))[2]], [[[50, id]], [2]]);
      assert.equal(await storage.change(id, { lease: { until: 5, owner: 'me' } }, {}), true);
    });

    test('what a caller does to results changes nothing that is queued, nor any other result', async () => {
      const { storage, text } = open();
      const make = () => anEnvelope({ client: { ip: '192.0.2.1' }, ...structuredClone(EXTRAS) });
      const id = await storage.write(make(), 10);
      await storage.change(id, null, { lease: { until: 5, owner: 'me' }, delivered: [1] });
      const before = text();
      const expected = { ...make(), recipients: ['a@example.com', 'c@example.com'] };
      const results = [await storage.get(id), await storage.get(id)];
      ruin(results[0]);
      assert.deepEqual(results[1], [expected, 0, [0, 2]]);
      for (const result of [results[1], await storage.getInfo(), await storage.check(), await all(storage.load())]) {
        ruin(result);
      }
      assert.equal(text(), before);
      assert.deepEqual(await storage.get(id), [expected, 0, [0, 2]]);
      assert.deepEqual(await ids(storage), [id]);
    });
  });
}

/** Freezes an object and all in it. */
function freeze(value) {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(freeze);
  return Object.freeze(value);
}

/** Changes all that can be changed in an object and in what is in it. */
function ruin(value) {
  if (typeof value !== 'object' || value === null) return;
  if (ArrayBuffer.isView(value)) return void value.fill(0xee);
  if (value instanceof Date) return void value.setTime(0xbad);
  if (value instanceof Map || value instanceof Set) {
    for (const [key, inner] of value.entries()) [key, inner].forEach(ruin);
    return void value.clear();
  }
  Object.values(value).forEach(ruin);
  for (const key of Object.keys(value)) value[key] = 'ruined';
  if (Array.isArray(value)) value.length = 0;
  value.more = 'ruined';
}
