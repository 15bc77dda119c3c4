import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openBrowser, skip } from '../support/browser.js';
import { openSite } from '../support/site.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, indexedDBHost */

const INCREMENTS = process.env.LONG ? 5_000 : 1_000;
const MESSAGES = 100_000;

describe('IndexedDB in Chromium', { skip, timeout: 300_000 }, () => {
  /** @type {Awaited<ReturnType<typeof openSite>>} */
  let site;
  /** @type {Awaited<ReturnType<typeof openBrowser>>} */
  let browser;
  let name = '';
  let number = 0;

  before(async () => {
    site = await openSite();
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });
  beforeEach(() => {
    name = `queue-${++number}`;
  });

  async function tab() {
    const page = await browser.context.newPage();
    await page.goto(site.url);
    await page.waitForFunction('globalThis.ready');
    return page;
  }

  test('every method does what it says, also on a body of five megabytes', async () => {
    const page = await tab();
    const found = await page.evaluate(async (name) => {
      const storage = new AsyncDictStorage(indexedDBHost(name));
      const message = new Uint8Array(5_000_000).fill(7);
      const id = await storage.write({ sender: null, recipients: ['a@b', 'c@d', 'a@b'], message, tag: new Map([[1n, 'x']]) }, 5);
      await storage.setTimestamp(id, 9);
      const attempts = await storage.incrementAttempts(id);
      await storage.setRecipientsDelivered(id, [0]);
      await storage.setRecipientsDelivered(id, [2]);
      const [envelope, again, indexes] = await storage.get(id);
      const listed = [];
      for await (const entry of storage.load()) listed.push(entry);
      const info = await storage.getInfo();
      const check = await storage.check();
      await storage.remove(id);
      const missing = await storage.get(id).catch((error) => [error.name, error.code, error.id === id]);
      return {
        attempts, again, indexes, listed: listed.map(([time, one]) => [time, one === id]), info, check, missing,
        recipients: envelope.recipients, bytes: envelope.message.length, last: envelope.message.at(-1),
        tag: envelope.tag.get(1n), left: await storage.getInfo(),
      };
    }, name);
    assert.deepEqual(found, {
      attempts: 1, again: 1, indexes: [1], listed: [[9, true]], info: { size: 1, metaSize: 1 },
      check: { orphanEnvelopes: [], orphanMeta: [], corrupt: [] }, missing: ['KeyError', 'no-such-message', true],
      recipients: ['c@d'], bytes: 5_000_000, last: 7, tag: 'x', left: { size: 0, metaSize: 0 },
    });
  });

  test('what was acknowledged is there after a reload', async () => {
    const page = await tab();
    const id = await page.evaluate(async (name) => {
      const storage = new AsyncDictStorage(indexedDBHost(name));
      const id = await storage.write({ sender: 'a@b', recipients: ['c@d', 'e@f'] }, 1);
      await storage.setRecipientsDelivered(id, [0]);
      return id;
    }, name);
    await page.reload();
    await page.waitForFunction('globalThis.ready');
    const queued = await page.evaluate(
      ([name, id]) => new AsyncDictStorage(indexedDBHost(name)).get(id), [name, id]);
    assert.deepEqual(queued, [{ sender: 'a@b', recipients: ['e@f'] }, 0, [1]]);
  });

  test(`two tabs that count attempts ${INCREMENTS} times each lose none`, async () => {
    const tabs = [await tab(), await tab()];
    const id = await tabs[0].evaluate(
      (name) => new AsyncDictStorage(indexedDBHost(name)).write({ sender: null, recipients: [] }, 1), name);
    await Promise.all(tabs.map((page) => page.evaluate(async ([name, id, times]) => {
      const storage = new AsyncDictStorage(indexedDBHost(name));
      for (let i = 0; i < times; i += 50) {
        await Promise.all(Array.from({ length: 50 }, () => storage.incrementAttempts(id)));
      }
    }, /** @type {const} */ ([name, id, INCREMENTS]))));
    const [, attempts] = await tabs[1].evaluate(
      ([name, id]) => new AsyncDictStorage(indexedDBHost(name)).get(id), [name, id]);
    assert.equal(attempts, 2 * INCREMENTS);
  });

  test('one who waits hears of what another tab writes and moves', async () => {
    const [one, other] = [await tab(), await tab()];
    const heard = one.evaluate(async (name) => {
      const storage = new AsyncDictStorage(indexedDBHost(name));
      const times = [];
      for await (const [time] of storage.wait()) {
        times.push(time);
        if (time === 8) return times;
        if (times.length === 1) globalThis.waiting = true;
      }
    }, name);
    const id = await other.evaluate(async (name) => {
      globalThis.storage = new AsyncDictStorage(indexedDBHost(name));
      return storage.write({ sender: null, recipients: [] }, 7);
    }, name);
    await one.waitForFunction('globalThis.waiting');
    await other.evaluate((id) => storage.setTimestamp(id, 8), id);
    assert.equal((await heard)?.at(-1), 8);
  });

  test('transactions ask for strict durability unless told otherwise, and batches made together share one', async () => {
    const page = await tab();
    const found = await page.evaluate(async (name) => {
      const asked = [];
      const original = IDBDatabase.prototype.transaction;
      IDBDatabase.prototype.transaction = function (stores, mode, options) {
        if (mode === 'readwrite') asked.push(options?.durability);
        return original.call(this, stores, mode, options);
      };
      const strict = new AsyncDictStorage(indexedDBHost(name));
      const relaxed = new AsyncDictStorage(indexedDBHost(`${name}-relaxed`, { durability: 'relaxed' }));
      await relaxed.write({ sender: null, recipients: [] }, 1);
      await strict.write({ sender: null, recipients: [] }, 1);
      const before = asked.length;
      await Promise.all(Array.from({ length: 100 }, () => strict.write({ sender: null, recipients: [] }, 1)));
      IDBDatabase.prototype.transaction = original;
      return { asked: asked.slice(0, 2), transactions: asked.length - before };
    }, name);
    assert.deepEqual(found.asked, ['relaxed', 'strict']);
    assert.ok(found.transactions <= 3, `${found.transactions} transactions for 100 writes`);
  });

  test('a database that another tab deletes is made anew by the next call', async () => {
    const [one, other] = [await tab(), await tab()];
    await one.evaluate(async (name) => {
      globalThis.storage = new AsyncDictStorage(indexedDBHost(name));
      await storage.write({ sender: null, recipients: [] }, 1);
    }, name);
    await other.evaluate((name) => new Promise((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name);
      request.onsuccess = () => resolve(undefined);
      request.onerror = () => reject(request.error);
    }), name);
    const info = await one.evaluate(async () => {
      await storage.write({ sender: null, recipients: [] }, 2);
      return storage.getInfo();
    });
    assert.deepEqual(info, { size: 1, metaSize: 1 });
  });

  test('a database of a newer version is refused and not hung on', async () => {
    const page = await tab();
    const code = await page.evaluate(async (name) => {
      await new Promise((resolve, reject) => {
        const request = indexedDB.open(name, 99);
        request.onsuccess = () => resolve(request.result.close());
        request.onerror = () => reject(request.error);
      });
      const storage = new AsyncDictStorage(indexedDBHost(name));
      return storage.getInfo().catch((error) => error.code);
    }, name);
    assert.equal(code, 'newer-format');
  });

  test('when space runs out a write is refused whole, removing still works, and writing goes on after that', async () => {
    // A browser of its own: the engine remembers for a while how much space there was.
    const small = await openBrowser();
    try {
      const page = await small.context.newPage();
      await page.goto(site.url);
      await page.waitForFunction('globalThis.ready');
      const session = await small.context.newCDPSession(page);
      const { origin } = new URL(site.url);
      await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 3_000_000 });
      const found = await page.evaluate(async (name) => {
        const storage = new AsyncDictStorage(indexedDBHost(name));
        const message = new Uint8Array(1_000_000);
        for (let i = 0; i < message.length; i += 50_000) crypto.getRandomValues(message.subarray(i, i + 50_000));
        const ids = [];
        let code;
        while (!code && ids.length < 50) {
          await storage.write({ sender: null, recipients: [], message }, 2)
            .then((id) => ids.push(id), (error) => (code = error.code));
        }
        const whole = await storage.getInfo();
        for (const id of ids) await storage.remove(id);
        const left = await storage.getInfo();
        return { code, whole: whole.size === ids.length && whole.metaSize === ids.length, left };
      }, name);
      assert.deepEqual(found, { code: 'full', whole: true, left: { size: 0, metaSize: 0 } });
      await session.send('Storage.overrideQuotaForOrigin', { origin });
      const check = await page.evaluate(async (name) => {
        const storage = new AsyncDictStorage(indexedDBHost(name));
        await storage.write({ sender: null, recipients: [] }, 3);
        return storage.check();
      }, name);
      assert.deepEqual(check, { orphanEnvelopes: [], orphanMeta: [], corrupt: [] });
    } finally {
      await small.close();
    }
  });

  test(`listing ${MESSAGES} messages holds at most 4 MB more than before at every tenth page`, async () => {
    const page = await tab();
    const session = await browser.context.newCDPSession(page);
    await page.evaluate(async ([name, count]) => {
      globalThis.storage = new AsyncDictStorage(indexedDBHost(name, { durability: 'relaxed' }), { deadline: 600_000 });
      const envelope = { sender: 'a@example.com', recipients: ['b@example.com'], message: 'x'.repeat(100) };
      for (let i = 0; i < count; i += 5_000) {
        await Promise.all(Array.from({ length: 5_000 }, (_, j) => storage.write(envelope, i + j)));
      }
    }, /** @type {const} */ ([name, MESSAGES]));
    const live = async () => {
      await session.send('HeapProfiler.collectGarbage');
      return (await session.send('Runtime.getHeapUsage')).usedSize;
    };
    await page.evaluate(() => {
      globalThis.listing = storage.load();
      globalThis.seen = 0;
      globalThis.advance = async () => {
        for (let i = 0; i < 10_000; i++) {
          if ((await listing.next()).done) return false;
          seen++;
        }
        return true;
      };
    });
    const baseline = await live();
    let most = 0;
    while (await page.evaluate(() => globalThis.advance())) most = Math.max(most, (await live()) - baseline);
    assert.equal(await page.evaluate(() => globalThis.seen), MESSAGES);
    console.log(`live heap: at most ${(most / 1e6).toFixed(2)} MB above the baseline`);
    assert.ok(most <= 4_000_000, `${most} bytes`);
  });
});
