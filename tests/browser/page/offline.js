/** The page without a network, and in another version. */
import assert from 'node:assert/strict';
import { serve } from '../../../tools/demo/server.js';
import { arrived } from '../../support/page.js';

/** @param {import('../../support/page.js').PageTest} pageTest */
export function offline(pageTest) {
  pageTest('opens without its server, keeps what is written, and sends it when the server is back', async ({ server, open }) => {
    const page = await open();
    await page.says('#offline-state', 'is kept for offline use');
    await server.close();
    await page.write({ to: 'ana@example.org', subject: 'Before' });
    await page.is('Before', 'deferred');
    await page.reload();
    await page.write({ to: 'ben@example.org', subject: 'After' });
    await page.is('After', 'deferred');
    await page.says('.inbox', 'cannot be reached');

    const { port } = new URL(server.url);
    const back = await serve(Number(port));
    try {
      await page.tab.look(() => void dispatchEvent(new Event('online'))); // as a browser says that its network is back
      for (const subject of ['After', 'Before']) await page.is(subject, 'delivered');
      assert.deepEqual(arrived(back), { 'Before to ana@example.org': 1, 'After to ben@example.org': 1 });
      await page.says('#arrived', '2');
    } finally {
      await back.close();
    }
  });

  pageTest('takes another version while mail waits, and loses none of it', async ({ server, open }) => {
    const page = await open();
    await page.says('#offline-state', 'is kept for offline use');
    await page.fill('#sending', false);
    await page.write({ to: 'ana@example.org', subject: 'Patient' });
    await page.says('.badge', 'sending is off');
    server.update('another version');
    await page.reload();
    await page.press('#update button');
    await page.until(async () => {
      const { active, waiting } = (await navigator.serviceWorker.getRegistration()) ?? {};
      return active && !waiting && document.querySelector('.letter') && !document.querySelector('#update');
    });
    await page.says('.badge', 'sending is off');
    assert.deepEqual(arrived(server), {});
    await page.fill('#sending', true);
    await page.is('Patient', 'delivered');
    assert.deepEqual(arrived(server), { 'Patient to ana@example.org': 1 });
  });
}
