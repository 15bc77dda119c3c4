/** When Chromium is made to begin another log, and what waits for that. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { openBrowser, skip } from '../support/browser.js';
import { openSite } from '../support/site.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, change, envelope, indexedDBHost */

const LOCK = 'slimta-queue-dict';
/** The file of the site that tries whether the disk has room. */
const FILE = 'slimta-queue-dict';

describe('The log of Chromium', { skip, timeout: 1_500_000 }, () => {
  let site;
  let browser;
  /** A tab where `change(name, options)` writes a message: whether that began a log, and asked for a lock. */
  const open = async (prepare = async () => {}) => {
    const tab = await browser.context.newPage();
    await prepare(tab);
    await tab.goto(site.url);
    await tab.evaluate(async () => {
      await globalThis.ready;
      let [databases, requests] = [[], 0];
      const { open } = IDBFactory.prototype;
      IDBFactory.prototype.open = function (name, ...rest) {
        databases.push(name);
        return open.call(this, name, ...rest);
      };
      const { request } = LockManager.prototype;
      LockManager.prototype.request = function (...all) {
        requests++;
        return request.apply(this, all);
      };
      const storages = {};
      globalThis.change = async (name, options) => {
        [databases, requests] = [[], 0];
        storages[name] ??= new AsyncDictStorage(indexedDBHost(name, options));
        await storages[name].write(envelope(), 1);
        return { begun: databases.some((each) => each !== name), asked: requests > 0 };
      };
    });
    return tab;
  };
  const changed = (tab, name, options) => tab.evaluate((args) => change(...args), [name, options]);
  /** How many transactions the first change makes beside its own: they fill the log of the last run. */
  const filling = (tab) => tab.evaluate(async () => {
    const { transaction } = IDBDatabase.prototype;
    let transactions = 0;
    IDBDatabase.prototype.transaction = function (...all) {
      if (this.name !== 'outbox') transactions++;
      return transaction.apply(this, all);
    };
    const { begun } = await change('outbox');
    return { begun, transactions };
  });
  before(async () => {
    site = await openSite();
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });
  afterEach(async () => {
    const [, ...tabs] = browser.context.pages(); // the first one stays, and the browser with it
    for (const tab of tabs) await tab.close();
  });

  test('the first change begins another one, and no change after it, whatever its tab and connection', async () => {
    const [one, other] = [await open(), await open()];
    assert.deepEqual(await changed(one, 'outbox'), { begun: true, asked: true });
    assert.deepEqual(await changed(one, 'outbox'), { begun: false, asked: false });
    assert.deepEqual(await changed(one, 'another'), { begun: false, asked: false });
    assert.deepEqual(await changed(other, 'outbox'), { begun: false, asked: true });
    assert.deepEqual(await changed(other, 'outbox'), { begun: false, asked: false });
  });

  test('a change waits for the tab that begins it', async () => {
    const tab = await open();
    const found = await tab.evaluate(async (lock) => {
      const release = await new Promise((resolve) => {
        navigator.locks.request(lock, () => new Promise((release) => resolve(release)));
      });
      const order = [];
      const changing = change('outbox').then((found) => order.push(found));
      const isWaiting = async () => (await navigator.locks.query()).pending.some(({ name }) => name === lock);
      while (!(await isWaiting()));
      order.push('released');
      release();
      await changing;
      return order;
    }, LOCK);
    assert.deepEqual(found, ['released', { begun: false, asked: true }]);
  });

  test('a change that cannot have the lock begins another one by itself', async () => {
    const tab = await open();
    const found = await tab.evaluate((lock) => new Promise((resolve) => {
      navigator.locks.request(lock, () => {
        resolve(change('outbox'));
        return new Promise(() => {});
      });
    }), LOCK);
    assert.deepEqual(found, { begun: true, asked: true });
  });

  test('a change after the connection was lost begins another one, without asking for the lock again', async () => {
    const tab = await open();
    await changed(tab, 'outbox');
    const devtools = await browser.context.newCDPSession(tab);
    await devtools.send('Storage.clearDataForOrigin', { origin: new URL(site.url).origin, storageTypes: 'indexeddb' });
    assert.deepEqual(await changed(tab, 'outbox'), { begun: true, asked: false });
    assert.deepEqual(await changed(tab, 'outbox'), { begun: false, asked: false });
  });

  test('the first change fills the log of the last run', async () => {
    const { begun, transactions } = await filling(await open());
    assert.ok(begun && transactions > 10, `${transactions} transactions`);
  });

  test('a site whose files are damaged has its log filled all the same', async () => {
    const tab = await open();
    await tab.evaluate(() => {
      // As a worker finds them after a power cut.
      const damage = `FileSystemDirectoryHandle.prototype.getFileHandle = async () => {
        throw new DOMException('the state had changed', 'InvalidStateError');
      };`;
      const { Blob } = globalThis;
      globalThis.Blob = class extends Blob {
        constructor(parts) {
          super([damage, ...parts]);
        }
      };
    });
    const { begun, transactions } = await filling(tab);
    assert.ok(begun && transactions > 10, `${transactions} transactions`);
  });

  test('where the disk is being tried already the log is begun and not filled', async () => {
    const tab = await open();
    await tab.evaluate((name) => new Promise((resolve, reject) => {
      const hold = async () => {
        const file = await (await navigator.storage.getDirectory()).getFileHandle(name, { create: true });
        globalThis.held = await file.createSyncAccessHandle();
        postMessage('held');
      };
      const worker = new Worker(URL.createObjectURL(new Blob([`const name = '${name}'; (${hold})();`])));
      worker.onmessage = resolve;
      worker.onerror = reject;
    }), FILE);
    assert.deepEqual(await filling(tab), { begun: true, transactions: 0 });
  });

  test('a tab that is closed while it begins the log leaves that to the one that waits', async () => {
    const [one, other] = [await open(), await open()];
    await one.evaluate(() => new Promise((resolve) => {
      globalThis.Worker = class {
        constructor() {
          resolve(); // and never says whether there is room
        }
      };
      change('outbox');
    }));
    const changing = filling(other);
    await other.evaluate(async (lock) => {
      const isWaiting = async () => (await navigator.locks.query()).pending.some(({ name }) => name.startsWith(lock));
      while (!(await isWaiting()));
    }, LOCK);
    await one.close();
    const { begun, transactions } = await changing;
    assert.ok(begun && transactions > 10, `${transactions} transactions`);
  });

  test('a page whose policy refuses the worker that tries the disk has its log begun and not filled', async () => {
    const tab = await open(async (tab) => {
      await tab.route(site.url, async (route) => {
        const response = await route.fetch();
        const headers = { ...response.headers(), 'content-security-policy': "worker-src 'self'" };
        await route.fulfill({ response, headers });
      });
    });
    assert.deepEqual(await filling(tab), { begun: true, transactions: 0 });
  });

  test('freshLog: false leaves the log and the lock alone', async () => {
    assert.deepEqual(await changed(await open(), 'outbox', { freshLog: false }), { begun: false, asked: false });
  });
});
