/** What browsers grant of space, and what happens when there is none left. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ENGINES } from '../support/engines.js';
import { openSite } from '../support/site.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, envelope, idOf, indexedDBHost, perform, reach */

const NOTHING = { orphanEnvelopes: [], orphanMeta: [], corrupt: [] };
/** How a Firefox that nobody looks at answers a page that asks to keep its data. */
const answers = (allow) => ({
  prefs: { 'dom.storageManager.prompt.testing': true, 'dom.storageManager.prompt.testing.allow': allow },
});
const storageApi = { features: ['StorageAPI', 'StorageAPIEstimate'] };

let site;
before(async () => {
  site = await openSite();
});
after(() => site.close());

/** A test in one browser that was asked for this. */
function browserTest(name, engine, wishes, work) {
  const { skip, start } = ENGINES[engine];
  test(`${name}: ${engine}`, { skip, timeout: 120_000 }, async () => {
    const browser = await start(wishes);
    try {
      const page = await browser.open(site.url);
      await page.evaluate(() => globalThis.ready);
      await work(page);
    } finally {
      await browser.close();
    }
  });
}

/** What the host says, in a page and in a worker, and what the browser says. */
const asked = (page) => page.evaluate(async () => {
  const { call } = await reach('dedicated');
  await perform(['outbox', 'write', envelope({ message: crypto.getRandomValues(new Uint8Array(50_000)) }), 1]);
  const granted = await perform(['outbox', 'persist']);
  const own = await navigator.storage?.estimate?.();
  return {
    granted, inWorker: await call(['outbox', 'persist']),
    persisted: (await perform(['outbox', 'estimate'])).persisted,
    persistedInWorker: (await call(['outbox', 'estimate'])).persisted,
    sameAsBrowser: await perform(['outbox', 'estimate']).then(({ usage, quota }) => (
      usage === own?.usage && quota === own?.quota)),
    known: own ? own.usage > 0 && own.quota > own.usage : false,
  };
});
const all = (answer) => ({ granted: answer, inWorker: answer, persisted: answer, persistedInWorker: answer });

const granted = 'persist and estimate say that the browser keeps the data, once it was asked to';
browserTest(granted, 'Chromium', {}, async (page) => {
  const { origin } = new URL(site.url);
  await page.devtools('Browser.grantPermissions', { origin, permissions: ['durableStorage'] });
  assert.deepEqual(await asked(page), { ...all(true), sameAsBrowser: true, known: true });
});
browserTest(granted, 'Firefox', answers(true), async (page) => {
  assert.deepEqual(await asked(page), { ...all(true), sameAsBrowser: true, known: true });
});

const refused = 'persist and estimate say that the browser may clear the data, where it was refused';
for (const [engine, wishes] of [['Chromium', {}], ['Firefox', answers(false)], ['WebKit', storageApi]]) {
  browserTest(refused, engine, wishes, async (page) => {
    assert.deepEqual(await asked(page), { ...all(false), sameAsBrowser: true, known: true });
  });
}

browserTest('nothing is granted and nothing is known where the browser has no say', 'WebKit', {}, async (page) => {
  assert.deepEqual(await asked(page), { ...all(false), sameAsBrowser: true, known: false });
});

for (const [engine, wishes] of [
  ['Chromium', {}], ['Firefox', answers(true)], ['WebKit', storageApi],
]) {
  browserTest('a private window stores as any other and is granted nothing', engine, { ...wishes, inPrivate: true },
    async (page) => {
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
}

/** Writes until there is no space left, then removes everything. */
const fill = (page) => page.evaluate(async () => {
  const storage = new AsyncDictStorage(indexedDBHost('outbox'));
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

const full = 'without space left a write is refused whole, and changing and removing still work';
browserTest(full, 'Chromium', {}, async (page) => {
  const { origin } = new URL(site.url);
  await page.devtools('Storage.overrideQuotaForOrigin', { origin, quotaSize: 3_000_000 });
  assert.deepEqual(await fill(page), emptied);
  await page.devtools('Storage.overrideQuotaForOrigin', { origin });
  assert.deepEqual(await page.evaluate(async () => {
    const storage = new AsyncDictStorage(indexedDBHost('outbox'));
    await storage.write(envelope({ message: new Uint8Array(500_000) }), 3);
    return storage.getInfo();
  }), { size: 1, metaSize: 1 });
});
browserTest(full, 'Firefox', { prefs: { 'dom.quotaManager.temporaryStorage.fixedLimit': 4000 } }, async (page) => {
  assert.deepEqual(await fill(page), emptied);
});
