/** The same behaviours on the IndexedDB of every engine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BEHAVIOURS } from '../support/behaviours.js';
import { inEngines } from '../support/engines.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, complaints, envelope, indexedDBHost */

const INCREMENTS = process.env.LONG ? 5_000 : 1_000;

inEngines('IndexedDB', (scene) => {
  for (const behaviour of Object.keys(BEHAVIOURS)) {
    test(behaviour, async () => {
      const unhandled = await scene.tabs[0].evaluate(async ([behaviour, name]) => {
        const opened = [];
        await globalThis.BEHAVIOURS[behaviour](() => {
          opened.push(new AsyncDictStorage(indexedDBHost(name)));
          return opened.at(-1);
        });
        for (const each of opened) await each.close();
        await new Promise((resolve) => setTimeout(resolve)); // what nobody handled is told after the microtasks
        return complaints.splice(0);
      }, [behaviour, scene.name]);
      assert.deepEqual(unhandled, []);
    });
  }

  test('a body of five megabytes comes back, also after a reload', async () => {
    const page = await scene.tab();
    const id = await page.evaluate(async (name) => {
      const message = new Uint8Array(5_000_000);
      for (let i = 0; i < message.length; i++) message[i] = (i * 31 + (i >> 8)) & 255;
      const storage = new AsyncDictStorage(indexedDBHost(name));
      const id = await storage.write(envelope({ message }), 5);
      await storage.setRecipientsDelivered(id, [1]);
      return id;
    }, scene.name);
    await page.reload();
    const found = await page.evaluate(async ([name, id]) => {
      await globalThis.ready;
      const [{ message, recipients }, , positions] = await new AsyncDictStorage(indexedDBHost(name)).get(id);
      let wrong = 0;
      for (let i = 0; i < message.length; i++) wrong += message[i] !== ((i * 31 + (i >> 8)) & 255);
      return [message.length, wrong, recipients, positions];
    }, [scene.name, id]);
    assert.deepEqual(found, [5_000_000, 0, ['a@example.com', 'c@example.com'], [0, 2]]);
    await page.close();
  });

  test('transactions that write are strictly durable unless told otherwise', async () => {
    const durabilities = await scene.tabs[0].evaluate(async (name) => {
      const seen = [];
      const { transaction } = IDBDatabase.prototype;
      IDBDatabase.prototype.transaction = function (...args) {
        const tx = transaction.apply(this, args);
        if (this.name === name && tx.mode === 'readwrite') seen.push(tx.durability);
        return tx;
      };
      for (const options of [{}, { durability: 'relaxed' }]) {
        const storage = new AsyncDictStorage(indexedDBHost(name, options));
        await storage.remove(await storage.write(envelope(), 1));
        await storage.close();
      }
      IDBDatabase.prototype.transaction = transaction;
      return seen;
    }, scene.name);
    assert.deepEqual(durabilities, ['strict', 'strict', 'relaxed', 'relaxed']);
  });

  test('a hundred writes made together share a few transactions', async () => {
    const transactions = await scene.tabs[0].evaluate(async (name) => {
      let transactions = 0;
      const { transaction } = IDBDatabase.prototype;
      IDBDatabase.prototype.transaction = function (...args) {
        const tx = transaction.apply(this, args);
        if (this.name === name && tx.mode === 'readwrite') transactions++;
        return tx;
      };
      const storage = new AsyncDictStorage(indexedDBHost(name));
      await Promise.all(Array.from({ length: 100 }, () => storage.write(envelope(), 1)));
      IDBDatabase.prototype.transaction = transaction;
      return transactions;
    }, scene.name);
    assert.ok(transactions <= 3, `${transactions} transactions`);
  });

  test(`two tabs that count ${INCREMENTS} attempts each lose none, however they ask`, async () => {
    const ids = await scene.tabs[0].evaluate(async (name) => {
      const storage = new AsyncDictStorage(indexedDBHost(name));
      return [await storage.write(envelope(), 1), await storage.write(envelope(), 1)];
    }, scene.name);
    for (const page of scene.tabs) {
      await page.evaluate(([name, [one, many], times]) => {
        const storage = new AsyncDictStorage(indexedDBHost(name));
        const oneByOne = async () => {
          for (let i = 0; i < times / 5; i++) await storage.incrementAttempts(one);
        };
        const together = async () => {
          for (let i = 0; i < times; i += 50) {
            await Promise.all(Array.from({ length: 50 }, () => storage.incrementAttempts(many)));
          }
        };
        globalThis.counting = Promise.all([oneByOne(), together()]).then(() => storage.close());
      }, [scene.name, ids, INCREMENTS]);
    }
    for (const page of scene.tabs) await page.evaluate(() => globalThis.counting);
    const counts = await scene.tabs[1].evaluate(async ([name, ids]) => {
      const storage = new AsyncDictStorage(indexedDBHost(name));
      return [(await storage.get(ids[0]))[1], (await storage.get(ids[1]))[1]];
    }, [scene.name, ids]);
    assert.deepEqual(counts, [(2 * INCREMENTS) / 5, 2 * INCREMENTS]);
  });
});
