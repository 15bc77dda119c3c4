/** The page as a folder, on a web server that knows nothing of it. */
import assert from 'node:assert/strict';
import { freshFiles } from '../../../tools/demo/bundle.js';
import { PageTab, arrived } from '../../support/page.js';
import { servedFiles } from '../../support/served.js';

/** @param {import('../../support/page.js').PageTest} pageTest */
export function site(pageTest) {
  pageTest('works below a sub-path', async ({ server, open }) => {
    assert.match(server.url, /\/some\/where\/$/);
    const page = await open();
    await page.write({ to: 'ana@example.org', subject: 'Below' });
    await page.is('Below', 'delivered');
    assert.deepEqual(arrived(server), { 'Below to ana@example.org': 1 });
    await page.says('#offline-state', 'is kept for offline use');
  }, { path: '/some/where/' });

  pageTest('as files below any path, the page runs its demo with the other side in its service worker', async ({ browser }) => {
    const files = await freshFiles({ simulated: true });
    const { url, close } = await servedFiles(files, { path: '/below/' });
    const page = new PageTab(await browser.open(url), url);
    try {
      await page.opened();
      await page.press('#run-demo');
      await page.until(() => document.querySelector('.stage[data-done]'));
      assert.match(await page.text('#verdict'), /^0 lost, 0 twice/);
      assert.equal(await page.text('#arrived'), '5');
    } finally {
      await close();
      await page.leave();
    }
  });

  pageTest('where the service worker cannot save what has arrived, the mail is sent again, and arrives once', async ({ browser }) => {
    const files = new Map(await freshFiles({ simulated: true }));
    files.set('sw.js', `(${failOnce})();\n${Buffer.from(files.get('sw.js') ?? '')}`);
    const { url, close } = await servedFiles(files);
    const page = new PageTab(await browser.open(url), url);
    try {
      await page.opened();
      await page.write({ to: 'ana@example.org', subject: 'Saved later' });
      await page.is('Saved later', 'delivered');
      await page.says('#arrived', '1');
      assert.equal(await page.text('#twice'), '0');
      await page.press('.letter-open');
      await page.says('.timeline', 'Deferred');
    } finally {
      await close();
      await page.leave();
    }
  });
}

/** Lets the first save of the other side fail, as where there is no room. */
function failOnce() {
  const { put } = IDBObjectStore.prototype;
  let failed = false;
  IDBObjectStore.prototype.put = function (...given) {
    if (this.transaction.db.name !== 'outbox-simulation' || failed) return put.apply(this, given);
    failed = true;
    throw new DOMException('no room', 'QuotaExceededError');
  };
}
