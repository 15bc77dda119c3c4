import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { AsyncDictStorage, DictStorage, KeyError, QueueError } from '../pkg/load/inline.js';
import { NOBODY, all, anEnvelope, failure, idOf, ids, keyError } from './support/calls.js';
import { asyncSubjects, subjects } from './support/subjects.js';

const A_VERSION_4_UUID = /^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/;

for (const { name, sync, open } of subjects) {
  describe(name, () => {
    test('a message comes back as it was written, never attempted, with all positions', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope(), 10);
      assert.deepEqual(await storage.get(id), [anEnvelope(), 0, [0, 1, 2]]);
    });

    test('the id of a message is 32 lower-case digits of a version 4 UUID, another one each time', async () => {
      const { storage } = open();
      const written = [];
      for (let i = 0; i < 300; i++) written.push(await storage.write(anEnvelope(), 10));
      for (const id of written) assert.match(id, A_VERSION_4_UUID);
      assert.equal(new Set(written).size, 300);
    });

    test('a message is written under the id that its caller gives', async () => {
      const { storage } = open();
      assert.equal(await storage.write(anEnvelope(), 10, { id: idOf(5) }), idOf(5));
      assert.deepEqual(await storage.get(idOf(5)), [anEnvelope(), 0, [0, 1, 2]]);
    });

    test('writing an id that is there returns it and changes nothing', async () => {
      const { storage, text } = open();
      await storage.write(anEnvelope(), 10, { id: idOf(5) });
      await storage.incrementAttempts(idOf(5));
      const before = text();
      assert.equal(await storage.write(anEnvelope({ sender: 'other@example.com' }), 99, { id: idOf(5) }), idOf(5));
      assert.equal(text(), before);
    });

    test('an id is forgotten with its message and can be written again', async () => {
      const { storage } = open();
      await storage.write(anEnvelope(), 10, { id: idOf(5) });
      await storage.setRecipientsDelivered(idOf(5), [0]);
      await storage.remove(idOf(5));
      await storage.write(anEnvelope({ sender: null }), 20, { id: idOf(5) });
      assert.deepEqual(await storage.get(idOf(5)), [anEnvelope({ sender: null }), 0, [0, 1, 2]]);
    });

    test('load lists each message with the time of its next attempt', async () => {
      const { storage } = open();
      assert.deepEqual(await all(storage.load()), []);
      const one = await storage.write(anEnvelope(), 10);
      const other = await storage.write(anEnvelope(), -0.5);
      assert.deepEqual(new Map((await all(storage.load())).map(([time, id]) => [id, time])), new Map([
        [one, 10], [other, -0.5],
      ]));
    });

    test('setTimestamp sets the time of the next attempt and nothing else', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope(), 10);
      await storage.incrementAttempts(id);
      assert.equal(await storage.setTimestamp(id, 77.5), undefined);
      assert.deepEqual(await all(storage.load()), [[77.5, id]]);
      assert.deepEqual(await storage.get(id), [anEnvelope(), 1, [0, 1, 2]]);
    });

    test('a Date as a timestamp counts in milliseconds', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope(), new Date(1_700_000_000_123));
      assert.deepEqual(await all(storage.load()), [[1_700_000_000_123, id]]);
      await storage.setTimestamp(id, new Date(5));
      assert.deepEqual(await all(storage.load()), [[5, id]]);
      await storage.change(id, null, { timestamp: new Date(6) });
      assert.deepEqual(await all(storage.load()), [[6, id]]);
    });

    test('incrementAttempts returns how many attempts there are now', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope(), 10);
      assert.deepEqual([await storage.incrementAttempts(id), await storage.incrementAttempts(id)], [1, 2]);
      assert.equal((await storage.get(id))[1], 2);
    });

    test('delivered recipients are left out, and the others keep their original positions', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope(), 10);
      assert.equal(await storage.setRecipientsDelivered(id, [1]), undefined);
      const [envelope, , positions] = await storage.get(id);
      assert.deepEqual(envelope, anEnvelope({ recipients: ['a@example.com', 'c@example.com'] }));
      assert.deepEqual(positions, [0, 2]);
    });

    test('a second partial delivery means the original positions as well', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope(), 10);
      await storage.setRecipientsDelivered(id, [0]);
      await storage.setRecipientsDelivered(id, [2]);
      const [{ recipients }, , positions] = await storage.get(id);
      assert.deepEqual([recipients, positions], [['b@example.com'], [1]]);
    });

    test('marks add up in any order and repeats do nothing', async () => {
      const { storage, text } = open();
      const id = await storage.write(anEnvelope(), 10);
      await storage.setRecipientsDelivered(id, [2, 0, 2]);
      const before = text();
      await storage.setRecipientsDelivered(id, [0]);
      await storage.setRecipientsDelivered(id, []);
      assert.equal(text(), before);
      await storage.setRecipientsDelivered(id, [1]);
      const [{ recipients }, , positions] = await storage.get(id);
      assert.deepEqual([recipients, positions], [[], []]);
    });

    test('an address that is there several times is as many recipients', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope({ recipients: ['x@e', 'y@e', 'x@e', 'x@e'] }), 10);
      await storage.setRecipientsDelivered(id, [2]);
      const [{ recipients }, , positions] = await storage.get(id);
      assert.deepEqual([recipients, positions], [['x@e', 'y@e', 'x@e'], [0, 1, 3]]);
    });

    test('a position outside the original list is a RangeError and none is marked', async () => {
      const { storage, text } = open();
      const id = await storage.write(anEnvelope(), 10);
      await storage.setRecipientsDelivered(id, [1]);
      const before = text();
      for (const wrong of [[0, 3], [3], [0, 4294967295]]) {
        const error = await failure(() => storage.setRecipientsDelivered(id, wrong), { name: 'RangeError' });
        assert.match(error.message, /rcptIndexes/);
        await failure(() => storage.change(id, null, { timestamp: 3, delivered: wrong }), { name: 'RangeError' });
      }
      assert.equal(text(), before);
    });

    test('a removed message is in neither dictionary', async () => {
      const { storage, envelope, meta } = open();
      const id = await storage.write(anEnvelope(), 10);
      const other = await storage.write(anEnvelope(), 20);
      assert.equal(await storage.remove(id), undefined);
      assert.deepEqual([[...envelope.keys()], [...meta.keys()]], [[other], [other]]);
      assert.deepEqual(await all(storage.load()), [[20, other]]);
    });

    test('removing what is not there is no error', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope(), 10);
      await storage.remove(id);
      await storage.remove(id);
      await storage.remove(NOBODY);
    });

    test('every other method on a message that is not there is a KeyError with its id', async () => {
      const { storage, text } = open();
      const removed = await storage.write(anEnvelope(), 10);
      await storage.remove(removed);
      const before = text();
      for (const id of [removed, NOBODY]) {
        await keyError(() => storage.get(id), id);
        await keyError(() => storage.setTimestamp(id, 1), id);
        await keyError(() => storage.incrementAttempts(id), id);
        await keyError(() => storage.setRecipientsDelivered(id, [0]), id);
        await keyError(() => storage.setRecipientsDelivered(id, []), id);
        await keyError(() => storage.change(id, { attempts: 0 }, { attempts: 1 }), id);
        await keyError(() => storage.change(id, null, {}), id);
      }
      assert.equal(text(), before);
    });

    test('a KeyError is a QueueError and an Error', async () => {
      const error = await keyError(() => open().storage.get(NOBODY), NOBODY);
      assert.ok(error instanceof KeyError && error instanceof QueueError && error instanceof Error);
      assert.match(error.message, new RegExp(NOBODY));
    });

    test('getInfo counts envelopes and messages', async () => {
      const { storage, envelope } = open();
      assert.deepEqual(await storage.getInfo(), { size: 0, metaSize: 0 });
      const id = await storage.write(anEnvelope(), 10);
      await storage.write(anEnvelope(), 10);
      envelope.set(idOf(1), anEnvelope());
      assert.deepEqual(await storage.getInfo(), { size: 3, metaSize: 2 });
      await storage.remove(id);
      assert.deepEqual(await storage.getInfo(), { size: 2, metaSize: 1 });
    });

    test('another storage over the same dictionaries sees all that was done', async () => {
      const { storage, another } = open();
      const id = await storage.write(anEnvelope(), 10);
      await storage.incrementAttempts(id);
      await storage.setRecipientsDelivered(id, [0, 2]);
      await storage.setTimestamp(id, 30);
      const restarted = another();
      assert.deepEqual(await restarted.get(id), [anEnvelope({ recipients: ['b@example.com'] }), 1, [1]]);
      assert.deepEqual(await all(restarted.load()), [[30, id]]);
      await restarted.setRecipientsDelivered(id, [1]);
      assert.deepEqual((await storage.get(id))[2], []);
    });

    test('load lists every message exactly once whatever is written, changed and removed meanwhile', async () => {
      const { storage } = open();
      const stay = new Set();
      const go = [];
      for (let i = 0; i < 2600; i++) {
        const id = await storage.write({ sender: null, recipients: ['a@example.com'] }, i);
        if (i % 4 === 3) go.push(id);
        else stay.add(id);
      }
      const seen = new Map();
      let turn = 0;
      for await (const [, id] of storage.load()) {
        seen.set(id, (seen.get(id) ?? 0) + 1);
        if (++turn % 50 === 0) {
          await storage.write(anEnvelope(), 0);
          await storage.remove(go.pop());
          if (stay.has(id)) await storage.setTimestamp(id, turn); // one that was removed is still in its page
          await storage.incrementAttempts([...stay][turn % stay.size]);
        }
      }
      for (const id of stay) assert.equal(seen.get(id), 1);
      for (const [id, times] of seen) assert.equal(times, 1, id);
    });

    test('a listing that is given up half-way disturbs no other one', async () => {
      const { storage } = open();
      for (let i = 0; i < 30; i++) await storage.write(anEnvelope(), i, { id: idOf(i) });
      for await (const [time] of storage.load()) if (time >= 3) break;
      const [one, two] = [storage.load(), storage.load()];
      await one.next();
      assert.equal((await all(two)).length, 30);
      assert.equal((await all(one)).length, 29);
    });

    test('the name of an extra field is text without lone surrogates, wherever it stands', async () => {
      const { storage, text } = open();
      const empty = text();
      const [lone, client] = [{ '\ud800': 1 }, { ip: '192.0.2.1' }];
      const wrong = {
        '\ud800': lone, 'client.\ud800': { client: { ...client, ...lone } }, 'note.\ud800': { note: lone },
        'note[0].\ud800': { note: [lone] },
      };
      for (const [path, more] of Object.entries(wrong)) {
        const message = `${path}: expected text without lone surrogates, got the string "\\ud800"`;
        await failure(() => storage.write(anEnvelope(more), 1), { name: 'TypeError', message });
      }
      assert.equal(text(), empty);
    });

    test('getInfo, load, get and check change nothing', async () => {
      const { storage, text } = open();
      const id = await storage.write(anEnvelope(), 10);
      await storage.setRecipientsDelivered(id, [1]);
      const before = text();
      await storage.getInfo();
      await ids(storage);
      await storage.get(id);
      await storage.check();
      assert.equal(text(), before);
    });

    test('what is in the dictionary of meta records can be looked at', async () => {
      const { storage, meta, envelope } = open();
      const id = await storage.write(anEnvelope(), 10);
      assert.deepEqual(meta.get(id), { timestamp: 10, attempts: 0 });
      await storage.incrementAttempts(id);
      await storage.setRecipientsDelivered(id, [2, 0]);
      assert.deepEqual(meta.get(id), { timestamp: 10, attempts: 1, deliveredIndexes: [0, 2] });
      await storage.change(id, null, { lease: { until: 50, owner: 'me' } });
      assert.deepEqual(meta.get(id).lease, { until: 50, owner: 'me' });
      await storage.change(id, null, { lease: null });
      assert.deepEqual(meta.get(id), { timestamp: 10, attempts: 1, deliveredIndexes: [0, 2] });
      assert.deepEqual(envelope.get(id), anEnvelope(), 'an envelope never changes');
    });

    test(sync ? 'load is an iterable iterator' : 'load is an asynchronous iterable iterator', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope(), 10);
      const listing = storage.load();
      assert.equal(listing[sync ? Symbol.iterator : Symbol.asyncIterator](), listing);
      assert.deepEqual(await listing.next(), { done: false, value: [10, id] });
      assert.deepEqual(await listing.next(), { done: true, value: undefined });
      assert.deepEqual(await listing.next(), { done: true, value: undefined });
    });
  });
}

for (const { name, open } of asyncSubjects) {
  describe(`${name}, without awaiting`, () => {
    test('get shows every call made before it', async () => {
      const { storage } = open();
      storage.write(anEnvelope(), 10, { id: idOf(1) });
      storage.incrementAttempts(idOf(1));
      storage.setRecipientsDelivered(idOf(1), [1]);
      storage.incrementAttempts(idOf(1));
      const [envelope, attempts, positions] = await storage.get(idOf(1));
      assert.deepEqual([envelope.recipients, attempts, positions], [['a@example.com', 'c@example.com'], 2, [0, 2]]);
    });

    test('get after remove finds nothing, and after the next write the new message', async () => {
      const { storage } = open();
      await storage.write(anEnvelope(), 10, { id: idOf(1) });
      storage.remove(idOf(1));
      const gone = keyError(() => storage.get(idOf(1)), idOf(1));
      storage.write(anEnvelope({ sender: null }), 20, { id: idOf(1) });
      const there = storage.get(idOf(1));
      await gone;
      assert.equal((await there)[0].sender, null);
    });

    test('load and getInfo show all calls made before them', async () => {
      const { storage } = open();
      for (let i = 0; i < 50; i++) storage.write(anEnvelope(), i, { id: idOf(i) });
      for (let i = 0; i < 50; i += 2) storage.remove(idOf(i));
      storage.setTimestamp(idOf(1), 1000);
      const [info, listed] = await Promise.all([storage.getInfo(), all(storage.load())]);
      assert.deepEqual(info, { size: 25, metaSize: 25 });
      assert.deepEqual(listed.map(([time]) => time).sort((a, b) => a - b).at(-1), 1000);
      assert.equal(listed.length, 25);
    });

    test('increments each count and each return another number', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope(), 10);
      const counts = await Promise.all(Array.from({ length: 100 }, () => storage.incrementAttempts(id)));
      assert.deepEqual(counts, Array.from({ length: 100 }, (_, i) => i + 1));
    });

    test('a call that fails does not fail those beside it on the same message', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope(), 10);
      const first = storage.incrementAttempts(id);
      const wrong = failure(() => storage.setRecipientsDelivered(id, [7]), { name: 'RangeError' });
      const refused = storage.change(id, { attempts: 99 }, { attempts: 0 });
      const last = storage.incrementAttempts(id);
      await wrong;
      assert.deepEqual(await Promise.all([first, refused, last]), [1, false, 2]);
      assert.deepEqual((await storage.get(id))[2], [0, 1, 2]);
    });
  });
}

describe('a dictionary that gives a generator', () => {
  /** A Map that counts which of its generators have not ended; its values throw, once there are so many. */
  function counting(map, isAsync, readable = Infinity) {
    const dict = {
      begun: 0,
      open: 0,
      get size() {
        return map.size;
      },
      get(key) {
        if (readable-- === 0) throw new Error('it cannot be read');
        return isAsync ? Promise.resolve(map.get(key)) : map.get(key);
      },
      set: (key, value) => void map.set(key, value),
      delete: (key) => map.delete(key),
      keys: isAsync ? async function* () { yield* walk(); } : walk,
    };
    function* walk() {
      dict.begun++;
      dict.open++;
      try {
        yield* map.keys();
      } finally {
        dict.open--;
      }
    }
    return dict;
  }

  for (const [name, isAsync, make] of [
    ['DictStorage', false, (...dicts) => new DictStorage(...dicts)],
    ['AsyncDictStorage', true, (...dicts) => new AsyncDictStorage(...dicts)],
  ]) {
    /** What is open after a listing of so many messages, which goes as far as it is let. */
    async function after(list, readable) {
      const map = new Map();
      const filling = make(new Map(), map);
      for (let i = 0; i < 2600; i++) await filling.write(anEnvelope(), i);
      const dict = counting(map, isAsync, readable);
      await list(make(new Map(), dict));
      for (let i = 0; i < 10 || (dict.open > 0 && i < 1000); i++) await turn();
      return [dict.begun, dict.open];
    }

    test(`${name}: it is ended with a listing that is left early`, async () => {
      const leave = async (storage) => {
        for await (const _ of storage.load()) break;
      };
      assert.deepEqual(await after(leave), [1, 0]);
    });

    test(`${name}: it is ended where its record cannot be read`, async () => {
      assert.deepEqual(await after((storage) => failure(() => all(storage.load()), { code: 'host' }), 5), [1, 0]);
    });
  }

  test('it is ended with a listing that is left while its page is on the way', async () => {
    const map = new Map();
    await new AsyncDictStorage(new Map(), map).write(anEnvelope(), 1);
    for (let i = 0; i < 2600; i++) map.set(idOf(i), { ...[...map.values()][0] });
    const dict = counting(map, true);
    const list = new AsyncDictStorage(new Map(), dict).load();
    const next = list.next();
    while (dict.begun === 0) await undefined;
    const [row] = await Promise.all([next, list.return()]);
    assert.deepEqual([row.done, (await list.next()).done], [true, true]);
    for (let i = 0; dict.open > 0 && i < 1000; i++) await turn();
    assert.deepEqual([dict.begun, dict.open], [1, 0]);
  });
});

describe('the dictionaries of a DictStorage', () => {
  test('envelopeDb and metaDb are the dictionaries that were given', () => {
    const [envelopes, meta] = [new Map(), new Map()];
    const storage = new DictStorage(envelopes, meta);
    assert.ok(storage.envelopeDb === envelopes && storage.metaDb === meta);
  });

  test('envelopeDb and metaDb are new Maps unless dictionaries are given', () => {
    for (const storage of [new DictStorage(), new DictStorage(null, null), new DictStorage(undefined, undefined)]) {
      assert.ok(storage.envelopeDb instanceof Map && storage.metaDb instanceof Map);
      const id = storage.write(anEnvelope(), 10);
      assert.deepEqual([[...storage.envelopeDb.keys()], [...storage.metaDb.keys()]], [[id], [id]]);
    }
  });

  test('one of the two dictionaries may be given alone', () => {
    const meta = new Map();
    const storage = new DictStorage(null, meta);
    const id = storage.write(anEnvelope(), 10);
    assert.equal(storage.metaDb, meta);
    assert.deepEqual(storage.get(id), [anEnvelope(), 0, [0, 1, 2]]);
  });
});
