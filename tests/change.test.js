/** What python-slimta's storages have not: change, check, repair and close. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { AsyncDictStorage } from '../pkg/load/inline.js';
import { NOBODY, all, anEnvelope, failure, idOf, ids, keyError, queueError } from './support/calls.js';
import { MemoryHost, Store } from './support/host.js';
import { asyncSubjects, subjects } from './support/subjects.js';

const NOTHING = { orphanEnvelopes: [], orphanMeta: [], corrupt: [] };
const LEASE = { until: 500, owner: 'deliverer 1' };

for (const { name, open } of subjects) {
  describe(`change: ${name}`, () => {
    test('change sets all that it names together and leaves the rest', async () => {
      const { storage, meta } = open();
      const id = await storage.write(anEnvelope(), 10);
      const next = { timestamp: 20, attempts: 3, lease: LEASE, delivered: new Set([2, 0]) };
      assert.equal(await storage.change(id, null, next), true);
      assert.deepEqual(meta.get(id), { timestamp: 20, attempts: 3, deliveredIndexes: [0, 2], lease: LEASE });
      assert.equal(await storage.change(id, null, { attempts: 4 }), true);
      assert.deepEqual(meta.get(id), { timestamp: 20, attempts: 4, deliveredIndexes: [0, 2], lease: LEASE });
    });

    test('change of a record that is not as expected returns false and changes nothing', async () => {
      const { storage, text } = open();
      const id = await storage.write(anEnvelope(), 10);
      await storage.change(id, null, { lease: LEASE });
      const before = text();
      for (const expect of [
        { timestamp: 11 }, { attempts: 1 }, { lease: null }, { lease: { ...LEASE, until: 501 } },
        { lease: { ...LEASE, owner: 'deliverer 2' } }, { timestamp: 10, attempts: 0, lease: null },
      ]) {
        const next = { timestamp: 99, attempts: 9, lease: null, delivered: [1] };
        assert.equal(await storage.change(id, expect, next), false, JSON.stringify(expect));
      }
      assert.equal(text(), before);
    });

    test('change of a record that is as expected returns true', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope(), 10);
      for (const expect of [null, {}, { timestamp: 10 }, { attempts: 0 }, { lease: null }, {
        timestamp: 10, attempts: 0, lease: null,
      }]) {
        assert.equal(await storage.change(id, expect, { timestamp: 10 }), true, JSON.stringify(expect));
      }
      await storage.change(id, null, { lease: LEASE });
      assert.equal(await storage.change(id, { lease: { ...LEASE } }, { lease: null }), true);
      assert.equal(await storage.change(id, { lease: null }, {}), true);
    });

    test('of several claims of one message exactly one succeeds', async () => {
      const { storage, another } = open();
      const id = await storage.write(anEnvelope(), 10);
      const claims = [];
      for (let i = 0; i < 10; i++) {
        const lease = { until: 500, owner: `deliverer ${i}` };
        claims.push((i % 2 ? storage : another()).change(id, { lease: null }, { lease, attempts: 1 }));
      }
      assert.equal((await Promise.all(claims)).filter(Boolean).length, 1);
    });

    test('marks that change makes add up with those that are there', async () => {
      const { storage } = open();
      const id = await storage.write(anEnvelope(), 10);
      await storage.setRecipientsDelivered(id, [2]);
      await storage.change(id, null, { delivered: [0, 2] });
      assert.deepEqual((await storage.get(id))[2], [1]);
    });

    test('a reply to nobody who can be there is refused, and the record stays whole', async () => {
      const { storage, text } = open();
      const id = await storage.write(anEnvelope(), 10);
      const before = text();
      const replies = [[0, 1], [2 ** 28]].map((indexes) => ({ reply: { code: 450, message: 'x' }, indexes }));
      const wrong = { name: 'RangeError', message: /^replies\[1\]: expected a position .*, got the number 268435456$/ };
      await assert.rejects(async () => storage.change(id, null, { replies }), wrong);
      assert.equal(text(), before);
    });
  });

  describe(`check and repair: ${name}`, () => {
    test('check finds nothing wrong with whole messages', async () => {
      const { storage } = open();
      assert.deepEqual(await storage.check(), NOTHING);
      const id = await storage.write(anEnvelope(), 10);
      await storage.write(anEnvelope(), 10);
      await storage.setRecipientsDelivered(id, [0, 1, 2]);
      assert.deepEqual(await storage.check(), NOTHING);
    });

    test('check names what is no whole message, and no list shows it but that of a meta record alone', async () => {
      const { storage, envelope, meta, text } = open();
      const good = await storage.write(anEnvelope(), 10);
      broken({ envelope, meta });
      const before = text();
      const findings = await storage.check();
      findings.corrupt.sort();
      assert.deepEqual(findings, {
        orphanEnvelopes: [idOf(1)], orphanMeta: [idOf(2)], corrupt: [idOf(3), idOf(4), 'no id'].sort(),
      });
      assert.equal(text(), before);
      assert.deepEqual((await ids(storage)).filter((id) => ![idOf(2), idOf(4)].includes(id)), [good]);
    });

    test('repair clears orphans of that age, returns them and deletes nothing corrupt', async () => {
      const { storage, envelope, meta } = open();
      const good = await storage.write(anEnvelope(), 10);
      broken({ envelope, meta });
      const cleared = await storage.repair({ minAge: 0 });
      assert.deepEqual(cleared, { orphanEnvelopes: [idOf(1)], orphanMeta: [idOf(2)], corrupt: [] });
      assert.deepEqual([...envelope.keys()].sort(), [good, idOf(3), idOf(4), 'no id'].sort());
      assert.deepEqual([...meta.keys()].sort(), [good, idOf(3), idOf(4)].sort());
      const findings = await storage.check();
      assert.deepEqual([findings.orphanEnvelopes, findings.orphanMeta], [[], []]);
      assert.equal(findings.corrupt.length, 3);
    });

    test('an orphan envelope that may be a write under way is not cleared', async () => {
      const { storage, envelope } = open();
      envelope.set(idOf(1), anEnvelope());
      assert.deepEqual(await storage.repair(), NOTHING);
      assert.deepEqual(await storage.repair({ minAge: 60_000 }), NOTHING);
      assert.ok(envelope.has(idOf(1)));
    });

    test('an orphan envelope is cleared once it was one for minAge', async (t) => {
      const { storage, envelope } = open();
      envelope.set(idOf(1), anEnvelope());
      const now = performance.now();
      t.mock.method(performance, 'now', () => now);
      await storage.check();
      performance.now.mock.mockImplementation(() => now + 3_599_000);
      assert.deepEqual((await storage.repair()).orphanEnvelopes, []);
      performance.now.mock.mockImplementation(() => now + 3_601_000);
      assert.deepEqual((await storage.repair()).orphanEnvelopes, [idOf(1)]);
      assert.equal(envelope.size, 0);
    });

    test('a corrupt meta record never stops load, is reported by every other method and goes with remove', async () => {
      const { storage, meta, text } = open();
      const good = await storage.write(anEnvelope(), 10);
      for (const [i, garbage] of GARBAGE.entries()) {
        const id = await storage.write(anEnvelope(), 10, { id: idOf(i + 1) });
        meta.set(id, garbage);
        const before = text();
        assert.deepEqual(await ids(storage), [good]);
        assert.deepEqual((await storage.check()).corrupt, [id]);
        for (const call of [
          () => storage.get(id), () => storage.setTimestamp(id, 1), () => storage.incrementAttempts(id),
          () => storage.setRecipientsDelivered(id, [0]), () => storage.change(id, null, { attempts: 1 }),
        ]) {
          await queueError(call, 'corrupt', { id });
        }
        assert.equal(text(), before);
        await storage.remove(id);
        assert.deepEqual(await storage.check(), NOTHING);
      }
    });

    test('requeue lists a message whose meta record is corrupt or missing again, and touches no good one', async () => {
      const { storage, meta } = open();
      const good = await storage.write(anEnvelope(), 10);
      const before = meta.get(good);
      const bad = [undefined, ...GARBAGE].map((_, i) => idOf(i + 1));
      for (const [i, id] of bad.entries()) {
        await storage.write(anEnvelope(), 10, { id });
        if (i === 0) meta.delete(id);
        else meta.set(id, GARBAGE[i - 1]);
      }
      await storage.repair({ requeue: new Set([...bad, good, NOBODY]) });
      for (const [i, id] of bad.entries()) {
        assert.deepEqual(meta.get(id), { timestamp: 0, attempts: 0 }, `not requeued: ${inspect(GARBAGE[i - 1])}`);
        assert.deepEqual(await storage.get(id), [anEnvelope(), 0, [0, 1, 2]]);
      }
      assert.deepEqual(await ids(storage), [...bad, good].sort());
      assert.deepEqual(meta.get(good), before);
      assert.deepEqual(await storage.check(), NOTHING);
    });

    test('an envelope that cannot be read makes its message corrupt', async () => {
      const { storage, envelope } = open();
      const id = await storage.write(anEnvelope(), 10);
      for (const garbage of ['text', 5, [], { sender: 'a@example.com' }, { sender: null, recipients: [1] }]) {
        envelope.set(id, garbage);
        await queueError(() => storage.get(id), 'corrupt', { id });
        assert.deepEqual((await storage.check()).corrupt, [id]);
        assert.deepEqual(await storage.repair({ minAge: 0, requeue: [id] }), NOTHING);
        assert.deepEqual(envelope.get(id), garbage);
      }
    });

    test('a record of a newer format is left as it is', async () => {
      const { storage, meta, text } = open();
      const id = await storage.write(anEnvelope(), 10);
      meta.set(id, { timestamp: 10, attempts: 0, format: 3 });
      const before = text();
      await queueError(() => storage.get(id), 'newer-format', { id });
      await queueError(() => storage.incrementAttempts(id), 'newer-format', { id });
      await storage.repair({ minAge: 0, requeue: [id] });
      assert.equal(text(), before);
    });
  });
}

for (const { name, open } of asyncSubjects) {
  describe(`close: ${name}`, () => {
    test('every call after close is refused as closed', async () => {
      const { storage, text } = open();
      const id = await storage.write(anEnvelope(), 10);
      const before = text();
      await storage.close();
      for (const call of [
        () => storage.write(anEnvelope(), 10), () => storage.get(id), () => storage.setTimestamp(id, 1),
        () => storage.incrementAttempts(id), () => storage.setRecipientsDelivered(id, [0]), () => storage.remove(id),
        () => storage.change(id, null, { attempts: 1 }), () => storage.getInfo(), () => storage.check(),
        () => storage.repair(), () => all(storage.load()),
      ]) {
        await queueError(call, 'closed');
      }
      assert.equal(text(), before);
    });

    test('calls under way at close come to their end', async () => {
      const { storage, another } = open();
      const written = storage.write(anEnvelope(), 10, { id: idOf(1) });
      const counted = storage.incrementAttempts(idOf(1));
      await storage.close();
      assert.deepEqual(await Promise.all([written, counted]), [idOf(1), 1]);
      assert.deepEqual((await another().get(idOf(1)))[1], 1);
    });

    test('closing again does nothing', async () => {
      const { storage } = open();
      await Promise.all([storage.close(), storage.close()]);
      await storage.close();
    });

    test('a storage that is disposed of is closed', async () => {
      const { storage } = open();
      await storage[Symbol.asyncDispose]();
      await queueError(() => storage.getInfo(), 'closed');
    });
  });
}

test('close closes the host once, after the last call has ended', async () => {
  const host = new MemoryHost(new Store());
  const storage = new AsyncDictStorage(host);
  const commit = host.commit.bind(host);
  /** @type {number[]} */
  const closes = [];
  host.commit = async (batch) => {
    const committed = await commit(batch);
    closes.push(host.closes);
    return committed;
  };
  const written = storage.write(anEnvelope(), 10);
  await storage.close();
  await storage.close();
  await written;
  assert.deepEqual([...closes, host.closes], [0, 1]);
});

test('a host that cannot close says so to who closes the storage', async () => {
  const trouble = new Error('it is stuck');
  const host = new MemoryHost();
  host.close = () => Promise.reject(trouble);
  const storage = new AsyncDictStorage(host);
  await failure(() => storage.close(), { name: 'QueueError', code: 'host', cause: trouble });
});

test('a change of a message that is not there is a KeyError that names it, and has no cause', async () => {
  const { storage } = asyncSubjects[0].open();
  const error = await keyError(() => storage.change(NOBODY, null, {}), NOBODY);
  assert.equal(error.cause, undefined);
});

/** One of each thing that is no whole message. */
function broken({ envelope, meta }) {
  envelope.set(idOf(1), anEnvelope()); // a write was cut short
  meta.set(idOf(2), { timestamp: 5, attempts: 0 }); // somebody deleted its envelope
  envelope.set(idOf(3), anEnvelope());
  meta.set(idOf(3), { timestamp: 'soon', attempts: 0 });
  envelope.set(idOf(4), 'what is this');
  meta.set(idOf(4), { timestamp: 5, attempts: 0 });
  envelope.set('no id', anEnvelope());
}

/** What no storage writes. */
const GARBAGE = [
  5, 'text', true, [], {}, { timestamp: 1 }, { attempts: 1 }, { timestamp: '1', attempts: 0 },
  { timestamp: NaN, attempts: 0 }, { timestamp: Infinity, attempts: 0 }, { timestamp: 1, attempts: -1 },
  { timestamp: 1, attempts: 0.5 }, { timestamp: 1, attempts: 2 ** 32 }, { timestamp: 1n, attempts: 0n },
  { timestamp: 1, attempts: 0, deliveredIndexes: 'all' }, { timestamp: 1, attempts: 0, deliveredIndexes: [-1] },
  { timestamp: 1, attempts: 0, deliveredIndexes: ['0'] }, { timestamp: 1, attempts: 0, deliveredIndexes: [1.5] },
  { timestamp: 1, attempts: 0, deliveredIndexes: null }, { timestamp: 1, attempts: 0, lease: 'mine' },
  { timestamp: 1, attempts: 0, lease: null }, { timestamp: 1, attempts: 0, lease: { until: NaN, owner: 'me' } },
  { timestamp: 1, attempts: 0, lease: { until: 1, owner: 5 } }, { timestamp: 1, attempts: 0, lease: { until: 1 } },
  new Map(), new Date(0), new Uint8Array(3),
];
