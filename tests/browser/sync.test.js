/** The service worker of the documents, when the browser says that the network is there again. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openBrowser, skip } from '../support/browser.js';
import { openSite } from '../support/site.js';

const recipe = readFileSync(new URL('../../docs/recipes/offline-form.md', import.meta.url), 'utf8');
const example = [...recipe.matchAll(/```js\n([^]*?)```/g)].map(([, code]) => code)
  .find((code) => code.includes("addEventListener('sync'"));
/** The example with addresses of the site, which tells on a channel how each of its events has ended. */
const script = `
  const ended = new BroadcastChannel('ended');
  const { waitUntil } = ExtendableEvent.prototype;
  ExtendableEvent.prototype.waitUntil = function (work) {
    if (this.type === 'sync') work.then(() => 'resolved', ({ message }) => message).then((how) => ended.postMessage(how));
    return waitUntil.call(this, work);
  };
  ${example?.replaceAll("'slimta-queue-dict'", "'/load/inline.js'").replaceAll("'slimta-queue-dict/relays'", "'/relays.js'")
    .replaceAll("'slimta-queue-dict/indexeddb'", "'/hosts/indexeddb.js'")
    .replaceAll("'https://mail.example.com/send'", "location.origin + '/send'")}`;

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, Queue, indexedDBHost */

const LEFT = 'not everything is sent yet';

describe('The sync handler of the documents in Chromium', { skip, timeout: 1_500_000 }, () => {
  let site;
  let browser;
  let page;
  /** @type {(message: string) => unknown} what the mail service does before it answers, and its status */
  let answer;
  let posted;
  /** @type {(lastChance?: boolean) => Promise<string>} how the handler has ended */
  let sync;

  before(async () => {
    site = await openSite((request, response) => {
      const path = request.url ?? '';
      if (path === '/sw.js') response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
      else if (path === '/send') {
        let body = '';
        request.setEncoding('utf8').on('data', (text) => (body += text)).on('end', async () => {
          posted.push(body.trim());
          response.writeHead(Number(await answer(body.trim()))).end();
        });
      } else return false;
      return true;
    });
    browser = await openBrowser();
    page = browser.context.pages()[0];
    const devtools = await browser.context.newCDPSession(page);
    const registered = new Promise((resolve) => {
      devtools.on('ServiceWorker.workerRegistrationUpdated', ({ registrations: [first] }) => first && resolve(first));
    });
    await devtools.send('ServiceWorker.enable');
    await page.goto(site.url);
    await page.evaluate(async () => {
      await globalThis.ready;
      const { serviceWorker } = await import('/support/service-worker.js');
      await serviceWorker('/sw.js');
      globalThis.storage = new AsyncDictStorage(indexedDBHost('outbox'));
      globalThis.write = (message, timestamp = Date.now()) => globalThis.storage
        .write({ sender: '', recipients: ['a@example.com'], headers: [], message }, timestamp);
      globalThis.left = async () => (await globalThis.storage.getInfo()).metaSize;
      globalThis.ended = new BroadcastChannel('ended');
    });
    const { registrationId } = await registered;
    sync = async (lastChance = false) => {
      const ended = page.evaluate(() => new Promise((resolve) => {
        globalThis.ended.onmessage = ({ data }) => resolve(data);
      }));
      await page.evaluate(() => globalThis.storage.getInfo()); // it listens
      const origin = new URL(site.url).origin;
      await devtools.send('ServiceWorker.dispatchSyncEvent', { origin, registrationId, tag: 'outbox', lastChance });
      return ended;
    };
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });
  beforeEach(async () => {
    posted = [];
    answer = () => 202;
    await inPage(async () => {
      for await (const [, id] of globalThis.storage.load()) await globalThis.storage.remove(id);
    });
  });
  const inPage = (work, argument) => page.evaluate(work, argument);

  test('resolves when everything is sent', async () => {
    await inPage(() => Promise.all(['one', 'two'].map((message) => globalThis.write(message))));
    assert.equal(await sync(), 'resolved');
    assert.deepEqual([posted.sort(), await inPage(() => globalThis.left())], [['one', 'two'], 0]);
  });

  test('rejects while something is deferred, which it tries again, and resolves while what is left is planned', async () => {
    await inPage(() => globalThis.write('later', Date.now() + 3_600_000));
    answer = () => 503;
    await inPage(() => globalThis.write('now'));
    assert.equal(await sync(), LEFT);
    assert.deepEqual([posted, await inPage(() => globalThis.left())], [['now'], 2]);
    answer = () => 202;
    assert.equal(await sync(), 'resolved');
    assert.deepEqual([posted, await inPage(() => globalThis.left())], [['now', 'now'], 1]);
  });

  test('rejects while something is due, also what came meanwhile', async () => {
    await inPage(() => globalThis.write('first'));
    answer = async (message) => {
      if (message === 'first') await inPage(() => globalThis.write('meanwhile'));
      return 202;
    };
    assert.equal(await sync(), LEFT);
    assert.equal(await sync(), 'resolved');
    assert.deepEqual([posted, await inPage(() => globalThis.left())], [['first', 'meanwhile'], 0]);
  });

  test('rejects while a page is sending; at the last chance what is left waits for the next visit', async () => {
    await inPage(() => new Promise((resolve) => {
      const answered = new Promise((answer) => (globalThis.answer = answer));
      globalThis.queue = new Queue(globalThis.storage, { attempt: () => (resolve(undefined), answered) });
      globalThis.write('held').then(() => globalThis.queue.start());
    }));
    assert.equal(await sync(), LEFT);
    assert.equal(await sync(true), 'resolved');
    assert.deepEqual([posted, await inPage(() => globalThis.left())], [[], 1]);
    await inPage(async () => {
      globalThis.answer({ code: 450, message: '4.2.0 later' });
      await globalThis.queue.stop();
    });
    assert.equal(await sync(), 'resolved');
    assert.deepEqual([posted, await inPage(() => globalThis.left())], [['held'], 0]);
  });
});
