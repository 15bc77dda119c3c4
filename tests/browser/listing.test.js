/** Listing a long queue takes a page of memory, not the queue's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inEngines } from '../support/engines.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, idOf, indexedDBHost, listing, storage */

const MESSAGES = process.env.LONG ? 100_000 : 30_000;

// The others do not tell how much of their memory is in use.
inEngines('A long queue', (scene) => {
  test(`listing ${MESSAGES} messages holds at most 4 MB more than before at every tenth page`, async () => {
    const [page] = scene.tabs;
    await page.evaluate(async ([name, count]) => {
      globalThis.storage = new AsyncDictStorage(indexedDBHost(name));
      await storage.getInfo();
      const db = await new Promise((resolve) => {
        indexedDB.open(name).onsuccess = ({ target }) => resolve(target.result);
      });
      for (let i = 0; i < count; ) {
        const tx = db.transaction('meta', 'readwrite', { durability: 'relaxed' });
        const store = tx.objectStore('meta');
        for (const end = i + 10_000; i < end; i++) store.put({ id: idOf(i), timestamp: i, attempts: 0 });
        await new Promise((resolve) => (tx.oncomplete = resolve));
      }
      db.close();
    }, [scene.name, MESSAGES]);
    const live = async () => {
      await page.devtools('HeapProfiler.collectGarbage');
      return (await page.devtools('Runtime.getHeapUsage')).usedSize;
    };
    await page.evaluate(() => {
      globalThis.listing = storage.load();
    });
    const advance = () => page.evaluate(async () => {
      for (let i = 0; i < 10_000; i++) if ((await listing.next()).done) return i;
      return 10_000;
    });
    const baseline = await live();
    let [seen, most] = [0, 0];
    for (let more; (more = await advance()) > 0; seen += more) most = Math.max(most, (await live()) - baseline);
    assert.equal(seen, MESSAGES);
    console.log(`live heap: at most ${(most / 1e6).toFixed(2)} MB above the baseline`);
    assert.ok(most <= 4_000_000, `${most} bytes`);
  });
}, { only: ['Chromium'] });
