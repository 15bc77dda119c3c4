/** The page where the browser does not open what it keeps. */
import { freshFiles } from '../../../tools/demo/bundle.js';
import { PageTab } from '../../support/page.js';
import { servedFiles } from '../../support/served.js';

/** @param {import('../../support/page.js').PageTest} pageTest */
export function data(pageTest) {
  pageTest('where the browser lets the page keep no data, the page says so, and what helps', async ({ browser }) => {
    const files = new Map(await freshFiles());
    files.set('denied.js', `(${deny})();`);
    files.set('index.html', String(Buffer.from(files.get('index.html') ?? '')).replace('<script ', '<script src="denied.js"></script>$&'));
    const { url, close } = await servedFiles(files);
    const page = new PageTab(await browser.open(url), url);
    try {
      await page.says('#unusable', 'Allow this site to keep data');
      await page.says('#unusable', 'The browser says: no data here');
      await page.until(() => !document.querySelector('#app').textContent.includes('being read'));
    } finally {
      await close();
      await page.leave();
    }
  });

  pageTest('where a newer page has changed the data, the page says how to get that one', async ({ server, browser, open }) => {
    const other = await browser.open(`${server.url}nothing`);
    await other.look(() => new Promise((resolve, reject) => {
      const opening = indexedDB.open('outbox-history', 2);
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        opening.result.close();
        resolve(null);
      };
    }));
    const page = await open();
    await page.says('#unusable', 'Close all tabs of the page');
    await other.goto('about:blank');
  });
}

/** What browsers do that are told to let a site keep nothing. */
function deny() {
  const refuse = () => {
    throw new DOMException('no data here', 'SecurityError');
  };
  IDBFactory.prototype.open = refuse;
  for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, { get: refuse });
}
