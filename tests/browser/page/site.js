/** The page as a folder, on a web server that knows nothing of it. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { freshFiles } from '../../../tools/demo/bundle.js';
import { PageTab, arrived } from '../../support/page.js';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

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
    const server = createServer(({ url = '' }, response) => {
      const name = url.replace(/^\/below\/|\?.*$/g, '') || 'index.html';
      const file = url.startsWith('/below/') ? files.get(name) : undefined;
      const type = TYPES[/** @type {keyof TYPES} */ (extname(name))] ?? 'application/octet-stream';
      response.writeHead(file ? 200 : 404, { 'content-type': type }).end(file);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    const url = `http://127.0.0.1:${port}/below/`;
    const page = new PageTab(await browser.open(url), url);
    try {
      await page.opened();
      await page.press('#run-demo');
      await page.until(() => document.querySelector('.stage[data-done]'));
      assert.match(await page.text('#verdict'), /^0 lost, 0 twice/);
      assert.equal(await page.text('#arrived'), '5');
    } finally {
      server.closeAllConnections();
      server.close();
      await page.leave();
    }
  });
}
