/** Records that this version did not write, in the databases of real browsers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inEngines } from '../support/engines.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, envelope, idOf, indexedDBHost, listed */

const id = (number) => String(number).padStart(32, '0');

/** Records of a later format: one that has what ours have and more, and one that has nothing of it. */
const LATER = [
  { id: id(1), format: 3, timestamp: 10, attempts: 3, deliveredIndexes: [0], priority: 'high' },
  { id: id(2), format: 3, due: { at: 10 }, history: ['deferred'] },
];

inEngines('A record', (scene) => {
  /** Runs in a page: what stands in a store, or what comes to stand there, without the storage. */
  const raw = (records) => scene.tabs[1].evaluate(([name, records]) => new Promise((resolve, reject) => {
    const opening = indexedDB.open(name);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const tx = opening.result.transaction(['envelope', 'meta'], 'readwrite');
      for (const record of records ?? []) tx.objectStore('meta').put(record);
      const all = tx.objectStore('meta').getAll();
      tx.onabort = () => reject(tx.error);
      tx.oncomplete = () => {
        opening.result.close();
        resolve(all.result);
      };
    };
  }), [scene.name, records]);
  const write = (numbers) => scene.tabs[0].evaluate(async ([name, numbers]) => {
    globalThis.storage = new AsyncDictStorage(indexedDBHost(name));
    for (const number of numbers) await globalThis.storage.write(envelope(), number, { id: idOf(number) });
  }, [scene.name, numbers]);

  test('one of a later format is named by check, refused by every change, and left as it is', async () => {
    await write([1, 2, 3]);
    const before = await raw(LATER);
    assert.deepEqual(before.slice(0, 2), LATER);
    const found = await scene.tabs[0].evaluate(async (name) => {
      const storage = new AsyncDictStorage(indexedDBHost(name));
      const codes = [];
      for (const id of [idOf(1), idOf(2)]) {
        for (const call of [
          () => storage.get(id), () => storage.setTimestamp(id, 1), () => storage.incrementAttempts(id),
          () => storage.setRecipientsDelivered(id, [1]), () => storage.change(id, null, { attempts: 1 }),
        ]) {
          const { code, id: about } = await call().catch((error) => error);
          codes.push([code, about === id]);
        }
      }
      return {
        codes,
        listed: await listed(storage),
        waited: (await storage.wait().next()).value,
        written: await storage.write(envelope(), 99, { id: idOf(1) }),
        check: await storage.check(),
        repaired: await storage.repair({ minAge: 0, requeue: [idOf(1), idOf(2)] }),
        info: await storage.getInfo(),
      };
    }, scene.name);
    assert.deepEqual(found, {
      codes: Array(10).fill(['newer-format', true]),
      listed: [[3, id(3)]],
      waited: [3, id(3)],
      written: id(1),
      check: { orphanEnvelopes: [], orphanMeta: [], corrupt: [id(1), id(2)] },
      repaired: { orphanEnvelopes: [], orphanMeta: [], corrupt: [] },
      info: { size: 3, metaSize: 3 },
    });
    assert.deepEqual(await raw(), before);
  });

  test('one of a later format goes when it is removed, with its envelope', async () => {
    await write([1, 2]);
    await raw(LATER);
    assert.deepEqual(await scene.tabs[0].evaluate(async () => {
      for (const id of [idOf(1), idOf(2)]) await globalThis.storage.remove(id);
      return globalThis.storage.getInfo();
    }), { size: 0, metaSize: 0 });
  });

  test('one that becomes of a later format is not overwritten by who remembers it', async () => {
    await write([1]);
    await scene.tabs[0].evaluate(() => globalThis.storage.incrementAttempts(idOf(1)));
    const [{ timestamp, attempts }] = await raw();
    const later = { id: id(1), timestamp, attempts, format: 3 };
    await raw([later]);
    assert.equal(await scene.tabs[0].evaluate(
      () => globalThis.storage.incrementAttempts(idOf(1)).catch(({ code }) => code)), 'newer-format');
    assert.deepEqual(await raw(), [later]);
  });

  test('one that says it is of this format is read, and one that no version has written is named corrupt', async () => {
    await write([1, 2, 3, 4]);
    const strange = [
      { id: id(2), timestamp: 'soon', attempts: 0 }, { id: id(3), timestamp: 1, attempts: 0, deliveredIndexes: [1, 0] },
      { id: id(4) },
    ];
    await raw([{ id: id(1), format: 1, timestamp: 10, attempts: 3, deliveredIndexes: [0] }, ...strange]);
    const found = await scene.tabs[0].evaluate(async (name) => {
      const storage = new AsyncDictStorage(indexedDBHost(name));
      const [, attempts, positions] = await storage.get(idOf(1));
      const codes = [];
      for (const number of [2, 3, 4]) codes.push((await storage.get(idOf(number)).catch((error) => error)).code);
      const { corrupt } = await storage.check();
      await storage.repair({ minAge: 0 });
      return { attempts, positions, codes, corrupt, listed: await listed(storage) };
    }, scene.name);
    assert.deepEqual(found, {
      attempts: 3, positions: [1, 2], codes: Array(3).fill('corrupt'), corrupt: [id(2), id(3), id(4)],
      listed: [[10, id(1)]],
    });
    assert.deepEqual((await raw()).slice(1), strange);
    assert.deepEqual(await scene.tabs[0].evaluate(async () => {
      const { corrupt } = await globalThis.storage.repair({ requeue: [idOf(2)] });
      return [corrupt, await listed(globalThis.storage)];
    }), [[id(2)], [[10, id(1)], [0, id(2)]]]);
  });
});
