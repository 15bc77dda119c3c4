/** What browsers grant of space, and what happens when there is none left. */
import assert from 'node:assert/strict';
import { statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { FLAGS, chromiumPath } from '../support/browser.js';
import { smallDisk } from '../support/disk.js';
import { ENGINES } from '../support/engines.js';
import { openSite } from '../support/site.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, envelope, idOf, indexedDBHost, perform, reach */

const NOTHING = { orphanEnvelopes: [], orphanMeta: [], corrupt: [] };

/** Tests in one browser that was asked for this; `open` gives a page of it. */
function inBrowser(subject, engine, wishes, define) {
  const { skip, start } = ENGINES[engine];
  describe(`${subject} in ${engine}`, { skip, timeout: 1_500_000 }, () => {
    let site;
    let browser;
    before(async () => {
      site = await openSite();
      browser = await start(wishes);
    });
    after(async () => {
      await browser?.close();
      await site?.close();
    });
    define(async () => {
      const page = await browser.open(site.url);
      await page.evaluate(() => globalThis.ready);
      return Object.assign(page, { origin: new URL(site.url).origin });
    });
  });
}

/** What the host says, in a page and in a worker, and what the browser says. */
const asked = (page) => page.evaluate(async () => {
  // How much there is changes with the disk, from one question to the next.
  const manager = navigator.storage;
  const ask = manager?.estimate?.bind(manager);
  let own;
  if (ask) manager.estimate = async () => (own = await ask());
  const { call } = await reach('dedicated');
  await perform(['outbox', 'write', envelope({ message: crypto.getRandomValues(new Uint8Array(50_000)) }), 1]);
  const granted = await perform(['outbox', 'persist']);
  const { usage, quota, persisted } = await perform(['outbox', 'estimate']);
  return {
    granted, inWorker: await call(['outbox', 'persist']),
    persisted, persistedInWorker: (await call(['outbox', 'estimate'])).persisted,
    sameAsBrowser: usage === own?.usage && quota === own?.quota,
    known: usage > 0 && quota > usage,
  };
});
const all = (answer) => ({ granted: answer, inWorker: answer, persisted: answer, persistedInWorker: answer });

/** Writes until there is no space left, then removes everything. */
const fill = (page) => page.evaluate(async () => {
  const storage = new AsyncDictStorage(indexedDBHost('full'));
  const message = new Uint8Array(500_000);
  for (let i = 0; i < message.length; i += 50_000) crypto.getRandomValues(message.subarray(i, i + 50_000));
  const ids = [];
  let error;
  while (!error && ids.length < 60) {
    await storage.write(envelope({ message }), 1).then((id) => ids.push(id), (thrown) => (error = thrown));
  }
  const { size, metaSize } = await storage.getInfo();
  const findings = await storage.check();
  const attempts = await storage.incrementAttempts(ids[0]);
  for (const id of ids) await storage.remove(id);
  return [error?.code, size === ids.length && metaSize === ids.length, findings, attempts, await storage.getInfo()];
});
const emptied = ['full', true, NOTHING, 1, { size: 0, metaSize: 0 }];

/** How a Firefox that nobody looks at answers a page that asks to keep its data. */
const answers = (allow) => (
  { 'dom.storageManager.prompt.testing': true, 'dom.storageManager.prompt.testing.allow': allow });
const storageApi = { features: ['StorageAPI', 'StorageAPIEstimate'] };
const granted = 'persist and estimate say that the browser keeps the data, once it was asked to';
const refused = 'persist and estimate say that the browser may clear the data, where it was refused';
const full = 'without space left a write is refused whole, and changing and removing still work';

inBrowser('Space', 'Chromium', {}, (open) => {
  test(refused, async () => {
    assert.deepEqual(await asked(await open()), { ...all(false), sameAsBrowser: true, known: true });
  });

  test(granted, async () => {
    const page = await open();
    await page.devtools('Browser.grantPermissions', { origin: page.origin, permissions: ['durableStorage'] });
    assert.deepEqual(await asked(page), { ...all(true), sameAsBrowser: true, known: true });
  });
});

// A browser of its own: the engine remembers for a while how much space there was.
inBrowser('Little space', 'Chromium', {}, (open) => {
  test(`${full}, and writing once there is space again`, async () => {
    const page = await open();
    await page.devtools('Storage.overrideQuotaForOrigin', { origin: page.origin, quotaSize: 3_000_000 });
    assert.deepEqual(await fill(page), emptied);
    await page.devtools('Storage.overrideQuotaForOrigin', { origin: page.origin });
    assert.deepEqual(await page.evaluate(async () => {
      const storage = new AsyncDictStorage(indexedDBHost('full'));
      await storage.write(envelope({ message: new Uint8Array(500_000) }), 3);
      return storage.getInfo();
    }), { size: 1, metaSize: 1 });
  });
});

inBrowser('Space', 'Firefox', { prefs: answers(true) }, (open) => {
  test(granted, async () => {
    assert.deepEqual(await asked(await open()), { ...all(true), sameAsBrowser: true, known: true });
  });
});

inBrowser('Little space', 'Firefox', {
  prefs: { ...answers(false), 'dom.quotaManager.temporaryStorage.fixedLimit': 4000 },
}, (open) => {
  test(refused, async () => {
    assert.deepEqual(await asked(await open()), { ...all(false), sameAsBrowser: true, known: true });
  });

  test(full, async () => {
    assert.deepEqual(await fill(await open()), emptied);
  });
});

inBrowser('Space', 'WebKit', {}, (open) => {
  test('nothing is granted and nothing is known where the browser has no say', async () => {
    assert.deepEqual(await asked(await open()), { ...all(false), sameAsBrowser: true, known: false });
  });
});

for (const [engine, wishes] of Object.entries({
  Chromium: {}, Firefox: { prefs: answers(true) }, WebKit: storageApi,
})) {
  inBrowser('A private window', engine, { ...wishes, inPrivate: true }, (open) => {
    test('it stores as any other and is granted nothing', async () => {
      const page = await open();
      assert.deepEqual(await asked(page), { ...all(false), sameAsBrowser: true, known: true });
      const write = async () => {
        const storage = new AsyncDictStorage(indexedDBHost('outbox'));
        await storage.write(envelope(), 7, { id: idOf(1) });
        return storage.incrementAttempts(idOf(1));
      };
      assert.equal(await page.evaluate(write), 1);
      await page.reload();
      await page.evaluate(() => globalThis.ready);
      assert.equal(await page.evaluate(write), 2);
    });
  });
}

describe('A disk with next to nothing left', { skip: ENGINES.Chromium.skip }, () => {
  for (const [what, isAnother, kind] of /** @type {const} */ ([
    ['connection', false, 'tab'], ['browser', true, 'tab'], ['browser', true, 'dedicated'], ['browser', true, 'service'],
  ])) {
    test(`a new ${what} of Chromium still removes, changes and writes, and loses nothing (${kind})`, async (t) => {
      const disk = smallDisk(100);
      if (!disk) return t.skip('nothing can be mounted here');
      const site = await openSite();
      const start = () => chromium.launchPersistentContext(join(disk.folder, 'profile'), {
        executablePath: chromiumPath, args: FLAGS, headless: true,
      });
      const open = async () => {
        const page = await context.newPage();
        await page.goto(site.url);
        await page.evaluate(() => globalThis.ready);
        return page;
      };
      let context = await start();
      try {
        let page = await open();
        await page.evaluate(async () => {
          const storage = new AsyncDictStorage(indexedDBHost('outbox'));
          for (const number of [1, 2, 3]) await storage.write(envelope(), 1, { id: idOf(number) });
          // Some megabytes in the engine's files, which it may merge at the next start.
          const message = new Uint8Array(500_000);
          for (let number = 4; number < 24; number++) {
            for (let i = 0; i < message.length; i += 50_000) crypto.getRandomValues(message.subarray(i, i + 50_000));
            await storage.write(envelope({ message }), 1, { id: idOf(number) });
          }
          await storage.close();
        });
        if (isAnother) {
          await context.close();
          context = await start();
          page = await open();
        }
        const { bavail, bsize } = statfsSync(disk.folder);
        writeFileSync(join(disk.folder, 'rest'), Buffer.alloc(bavail * bsize - 3_000_000));
        assert.deepEqual(await page.evaluate(async (kind) => {
          const { call } = await reach(kind);
          await call(['outbox', 'remove', idOf(1)]);
          const attempts = await call(['outbox', 'incrementAttempts', idOf(2)]);
          await call(['outbox', 'write', envelope(), 1, { id: idOf(24) }]);
          return [attempts, await call(['outbox', 'getInfo'])];
        }, kind), [1, { size: 23, metaSize: 23 }]);
      } finally {
        await context.close();
        await site.close();
        disk.remove();
      }
    });
  }
});
