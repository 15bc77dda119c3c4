import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after } from 'node:test';
import {
  ALL, NOTE, browser, choose, page, pageTest, paths, press, row, rows, says, secondTab,
} from '../support/page.js';

/**
 * Moves a slider.
 *
 * @param {string} id
 * @param {number} percent
 */
const setRate = (id, percent) => page.locator(id).fill(String(percent));

/** What the counts of outcomes say. */
const outcomes = () => page.locator('.outcome-counts dd').allTextContents();

/**
 * A service that takes messages from pages, and what it was posted.
 *
 * @param {(request: import('node:http').IncomingMessage) => number} status
 */
async function openService(status) {
  /** @type {{ to: string[], body: string }[]} */
  const posted = [];
  const service = createServer(async (request, response) => {
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', '*');
    if (request.method === 'OPTIONS') return response.writeHead(204).end();
    let body = '';
    for await (const piece of request.setEncoding('utf8')) body += piece;
    const to = String(request.headers['x-envelope-recipient']).split(', ')
      .map((each) => Buffer.from(each, 'base64').toString());
    posted.push({ to, body });
    response.writeHead(status(request)).end();
  });
  await new Promise((resolve) => service.listen(0, '127.0.0.1', () => resolve(undefined)));
  after(() => {
    service.closeAllConnections();
    service.close();
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (service.address());
  return { url: `http://127.0.0.1:${port}/send`, posted };
}

pageTest('nothing is sent before the switch is on, and everything that is due once it is', async () => {
  await choose(...paths('plain-note.eml', 'photo-attached.eml'));
  await rows(2);
  assert.deepEqual(await outcomes(), ['0', '0', '0']);
  await setRate('#rate-deferred', 0);
  await setRate('#rate-refused', 0);
  assert.equal(await page.locator('#share-accepted').textContent(), '100 %');
  const toggle = page.getByRole('switch', { name: 'Send' });
  assert.equal(await toggle.isChecked(), false);
  await toggle.check();
  await page.locator('#empty').waitFor();
  await says('#sent-delivered', '2');
  assert.deepEqual(await outcomes(), ['2', '0', '0']);
  await says('#count-messages', '0');
  const lines = await page.locator('#send-log li').allInnerTexts();
  assert.equal(lines.filter((line) => line.startsWith('Delivered') && line.includes('250 2.0.0')).length, 2);
  assert.equal(await page.locator('#send-drawing .is-delivered').count(), 2);
  assert.match(String(await page.getAttribute('#send-drawing', 'aria-label')), /2 delivered, 0 deferred, 0 refused/);
});

pageTest('what is deferred stays, with its attempts counted and a countdown to the next one', async () => {
  await choose(...paths('plain-note.eml'));
  await rows(1);
  await setRate('#rate-deferred', 100);
  assert.equal(await page.locator('#rate-refused').inputValue(), '0');
  await page.locator('#send').check();
  await row(NOTE).locator('.is-sending').filter({ hasText: 'sending' }).waitFor();
  await says('#sent-deferred', '1');
  await row(NOTE).locator('.next').filter({ hasText: /^in \d s$/ }).waitFor();
  assert.equal(await row(NOTE).locator('.number').first().textContent(), '1');
  await says('#send-log', '451 4.3.0 Simulated');

  // Switched off, it waits also when it is due.
  await page.locator('#send').uncheck();
  await row(NOTE).filter({ hasText: /due (now|\d)/ }).waitFor();
  assert.deepEqual(await outcomes(), ['0', '1', '0']);
  await setRate('#rate-deferred', 0);
  await page.locator('#send').check();
  await page.locator('#empty').waitFor();
  await says('#sent-delivered', '1');
});

pageTest('an opened message says too that it is being sent', async () => {
  await choose(...paths('plain-note.eml'));
  await rows(1);
  await setRate('#rate-deferred', 100);
  await row(NOTE).locator('.open').click();
  await page.locator('#send').check();
  await says('#message-next', 'sending');
  await page.locator('#message-next').filter({ hasText: /^in \d s$/ }).waitFor();
  await says('#message-attempts', '1');
});

pageTest('what waits for later is sent at once when that is asked for', async () => {
  await page.selectOption('#first-attempt', 'tomorrow');
  await choose(...paths('plain-note.eml'));
  await rows(1);
  await setRate('#rate-deferred', 0);
  await setRate('#rate-refused', 0);
  assert.ok(await page.locator('#send-all').isDisabled());
  await page.locator('#send').check();
  await page.locator('#send-all').click();
  await page.locator('#empty').waitFor();
  await says('#sent-delivered', '1');
});

pageTest('who is refused is given up and the sender told, and a bounce that is refused is not bounced', async () => {
  await choose(...paths('plain-note.eml'));
  await rows(1);
  await setRate('#rate-refused', 100);
  await page.locator('#send').check();
  await says('#send-log', 'Sender told');
  await page.locator('#empty').waitFor();
  await says('#sent-failed', '2');
  assert.equal((await page.locator('#send-log').innerText()).match(/Sender told/g)?.length, 1);
});

pageTest('messages are posted to the address that the visitor gives', async () => {
  let refusals = 1;
  const { url, posted } = await openService(() => (refusals-- > 0 ? 503 : 202));
  await choose(...paths('photo-attached.eml'));
  await rows(1);
  await page.getByRole('radio', { name: 'HTTP' }).check();
  await page.getByLabel('Post messages to').fill(url);
  await page.locator('#send').check();
  await says('#send-log', 'HTTP 503');
  await page.locator('#send-all').click();
  await page.locator('#empty').waitFor();
  assert.equal(posted.length, 2);
  assert.deepEqual(posted[1], posted[0]);
  assert.match(posted[0].body, /^From: .*[^]*Subject: Saturday's walk/m);
  assert.ok(posted[0].to.includes('m.silva@example.org'));
  assert.equal(browser.complaints.splice(0).filter((text) => !/503/.test(text)).length, 0);
});

pageTest('without an address that is one nothing is switched on', async () => {
  await page.getByRole('radio', { name: 'HTTP' }).check();
  await page.locator('#send').click();
  await says('#route-problem', 'Give the address');
  assert.equal(await page.locator('#send').isChecked(), false);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'relay-url');
  await page.keyboard.type('nowhere');
  await page.locator('#send').click();
  await says('#route-problem', 'no address of the form');
  await page.locator('#relay-url').fill('http://');
  await page.locator('#send').click();
  await says('#route-problem', 'no address of the form');
  assert.equal(await page.getAttribute('#relay-url', 'aria-invalid'), 'true');
  assert.equal(await page.locator('#send').isChecked(), false);
});

pageTest('two tabs that both send post each message once', async () => {
  const { url, posted } = await openService(() => 200);
  const other = await secondTab();
  await choose(...paths(...Object.keys(ALL)));
  await rows(6, other);
  for (const tab of [page, other]) {
    await press(tab.getByRole('radio', { name: 'HTTP' }));
    await tab.locator('#relay-url').fill(url);
    await press(tab.locator('#send'));
  }
  await rows(0, other);
  await rows(0);
  assert.equal(posted.length, 6);
});

pageTest('sending is switched and steered by keys alone', async () => {
  await page.locator('#send-state').evaluate(() => document.getElementById('choose')?.focus());
  /** @type {string[]} */
  const reached = [];
  for (let presses = 0; presses < 8; presses++) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => {
      const { id, value } = /** @type {any} */ (document.activeElement);
      return id || value;
    }));
  }
  for (const id of ['send', 'simulated', 'rate-deferred', 'rate-refused', 'send-log']) {
    assert.ok(reached.includes(id), id);
  }
  await page.locator('#rate-deferred').focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.locator('#share-deferred').textContent(), '35 %');
  await page.locator('#send').focus();
  await page.keyboard.press('Space');
  assert.equal(await page.locator('#send').isChecked(), true);
  await says('#send-state', 'On: sends what is due');
  await page.locator('input[value="simulated"]').focus();
  await page.keyboard.press('ArrowRight');
  await page.locator('#relay-url').waitFor();
});

pageTest('nothing moves for those who want no motion', async () => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await choose(...paths('plain-note.eml'));
  await rows(1);
  await page.locator('#send').check();
  const dot = row(NOTE).locator('.is-sending');
  await dot.waitFor();
  assert.equal(await dot.evaluate((element) => getComputedStyle(element, '::before').animationName), 'none');
});
