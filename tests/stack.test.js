/** What leaves the core as an exception, so that it gives nothing back: its caller's stack may end anywhere in a call. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AsyncDictStorage, DictStorage } from '../pkg/load/inline.js';
import { anEnvelope, idOf, outcome } from './support/calls.js';

test('where the stack of a caller has ended calls work again, however often it does', () => {
  const storage = new DictStorage();
  const id = storage.write(anEnvelope(), 1);
  const fall = () => {
    storage.incrementAttempts(id);
    fall();
  };
  for (let i = 0; i < 600; i++) assert.throws(fall, RangeError);
  const [, attempts] = storage.get(id);
  assert.equal(storage.incrementAttempts(id), attempts + 1);
  assert.deepEqual(storage.getInfo(), { size: 1, metaSize: 1 });
});

test('an exception that passes the core ends the calls under way, and later ones work', async (t) => {
  const storage = new AsyncDictStorage(null, null, { poll: 20, deadline: 1_000 });
  const id = await storage.write(anEnvelope(), 1);
  const others = storage.wait();
  assert.deepEqual(await others.next(), { done: false, value: [1, id] });

  const waits = outcome(() => others.next());
  const reading = outcome(() => storage.get(id));
  const setTimeout = t.mock.method(globalThis, 'setTimeout', () => {
    throw new RangeError('no more');
  });
  const increments = storage.incrementAttempts(id);
  setTimeout.mock.restore();
  await assert.rejects(increments, { message: 'no more' });

  assert.equal(await storage.write(anEnvelope(), 2, { id: idOf(2) }), idOf(2));
  for (const { error } of [await waits, await reading]) assert.equal(error?.code, 'unknown-outcome', error?.stack);
  assert.equal(await storage.incrementAttempts(id), 1);
  const anew = storage.wait();
  assert.deepEqual([(await anew.next()).value, (await anew.next()).value].sort(), [[1, id], [2, idOf(2)]]);
});

test('a commit that an exception has cut short leaves nothing to the next one', async (t) => {
  /** @type {import('../pkg/index.js').Batch[]} */
  const batches = [];
  const storage = new AsyncDictStorage(/** @type {any} */ ({
    supports: { atomic: true, writers: 'one', exactlyOnceLoad: true, durable: 'none' },
    read: async () => undefined,
    page: async () => ({ entries: [] }),
    sizes: async () => ({ size: 0, metaSize: 0 }),
    commit: async (/** @type {import('../pkg/index.js').Batch} */ batch) => batches.push(batch) > 0,
  }));
  const { push } = Array.prototype;
  t.after(() => {
    Array.prototype.push = push;
  });
  Array.prototype.push = function (/** @type {any[]} */ ...items) {
    // As if the stack ended before the last write of the batch.
    if (items[0]?.id === idOf(1) && items[0].value?.attempts === 0) throw new RangeError('no more');
    return Reflect.apply(push, this, items);
  };
  const cut = storage.write(anEnvelope(), 1, { id: idOf(1) });
  Array.prototype.push = push;
  await assert.rejects(cut, { message: 'no more' });

  assert.equal(await storage.write(anEnvelope(), 2, { id: idOf(2) }), idOf(2));
  const [{ checks, writes }] = batches;
  assert.deepEqual([...checks, ...writes].map(({ dict, id }) => [dict, id]), [
    ['envelope', idOf(2)], ['envelope', idOf(2)], ['meta', idOf(2)],
  ]);
});
