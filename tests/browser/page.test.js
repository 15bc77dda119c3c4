import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { skip } from '../support/browser.js';
import {
  ALL, MINUTES, NOTE, PICTURE, choose, open, page, pageTest, paths, press, row, rows, samples, says, secondTab, server,
} from '../support/page.js';

const MEGABYTES = 10_000_000;
const folder = mkdtempSync(join(tmpdir(), 'eml-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Does something in the page's database behind its back.
 *
 * @param {{ store: string, key?: string, value: unknown }[]} records
 */
async function put(records) {
  await page.evaluate((records) => new Promise((resolve, reject) => {
    const opening = indexedDB.open('outbox');
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const tx = opening.result.transaction(['envelope', 'meta'], 'readwrite');
      for (const { store, key, value } of records) tx.objectStore(store).put(value, key);
      tx.onabort = () => reject(tx.error);
      tx.oncomplete = () => resolve(opening.result.close());
    };
  }), records);
}

pageTest('chosen samples are queued and shown with subject, sender, recipients, attempts, time and size', async () => {
  await choose(...paths(...Object.keys(ALL)));
  await rows(6);
  for (const subject of Object.values(ALL)) assert.equal(await row(subject).count(), 1, subject);
  const cells = await row(PICTURE).locator('td').allInnerTexts();
  assert.match(cells[0], /Ruth Okafor/);
  assert.match(cells[1], /Hill Walkers\s+Ben Ashdown\s+m\.silva@example\.org/);
  assert.match(cells[2], /due now/);
  assert.equal(cells[3].trim(), '0');
  assert.match(cells[4], /2\.6 kB/);
  await says('#count-messages', '6');
  await says('#count-due', '6');
  await says('#count-envelopes', '6');
  await says('#status', '6 messages queued');
});

pageTest('files that are dropped anywhere on the page are queued', async () => {
  const files = paths('plain-note.eml', 'newsletter.eml').map((path) => readFileSync(path, 'latin1'));
  await page.evaluate((files) => {
    const transfer = new DataTransfer();
    files.forEach((text, index) => {
      const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
      transfer.items.add(new File([bytes], `${index}.eml`));
    });
    const target = document.querySelector('h1');
    for (const type of ['dragenter', 'dragover', 'drop']) {
      target?.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }
  }, files);
  await rows(2);
  assert.equal(await row(NOTE).count(), 1);
  assert.equal(await page.locator('.is-over').count(), 0);
});

pageTest('an empty page offers samples, which one press queues', async () => {
  for (const name of Object.keys(ALL)) await page.locator(`[data-sample="${name}"]:visible`).isVisible();
  await page.locator('#samples-empty [data-sample="many-recipients.eml"]').click();
  await rows(1);
  await page.locator('#samples-more summary').click();
  await page.locator('#samples-menu [data-sample="newsletter.eml"]').click();
  await rows(2);
});

pageTest('a message opens with its headers, text, attachments and recipients', async () => {
  await choose(...paths('photo-attached.eml', 'many-recipients.eml', 'newsletter.eml'));
  await rows(3);
  await open(PICTURE);
  await says('#message-text', 'Eleven of us made it to the top');
  await says('#attachment-list', 'hill-at-dusk.png');
  assert.match(await page.innerText('#attachment-list'), /who-came\.csv/);
  await page.waitForFunction(() => document.querySelector('#attachment-list img')?.matches('[src^="blob:"]'));
  const width = await page.locator('#attachment-list img').evaluate(async (image) => {
    await /** @type {HTMLImageElement} */ (image).decode();
    return /** @type {HTMLImageElement} */ (image).naturalWidth;
  });
  assert.equal(width, 160);
  await page.locator('.raw summary').click();
  assert.match(await page.innerText('#header-list'), /^Date\n[^]*Content-Type\nmultipart\/mixed; boundary/);

  await open(MINUTES);
  assert.equal(await page.locator('#recipient-list li').count(), 12);
  assert.match(await page.innerText('#recipient-list li:nth-child(12)'), /archive@example\.org\s+#11/);
  const headers = await page.locator('#header-list dt').allTextContents();
  assert.ok(headers.includes('Reply-To') && !headers.includes('Bcc'));
  const to = await page.locator('#header-list dd').nth(headers.indexOf('To')).textContent();
  assert.match(to ?? '', /class 2b\)" <miriam\.adams@example\.com>,\r?\n "Bauer/);

  await open('October');
  await says('#message-text', 'Broad beans sown before the 20th stand through the winter');
  assert.match(await page.innerText('#message-from'), /bounces to bounce\+19-4471@example\.com/);
});

pageTest('a message is saved as the file that it was', async () => {
  await choose(...paths('encoded-headers.eml'));
  await rows(1);
  await open('Приглашение');
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#save-message').click()]);
  assert.equal(download.suggestedFilename(), 'encoded-headers.eml');
  const saved = join(folder, 'saved.eml');
  await download.saveAs(saved);
  assert.deepEqual(readFileSync(saved), readFileSync(join(samples, 'encoded-headers.eml')));
});

pageTest('the time of the next attempt is chosen when a message is queued and moved afterwards', async () => {
  await page.selectOption('#first-attempt', '60');
  await choose(...paths('plain-note.eml'));
  await rows(1);
  assert.match(await row(NOTE).innerText(), /in 1 hour/);
  await open(NOTE);
  await page.fill('#schedule-time', '2031-05-04T10:30');
  await page.getByRole('button', { name: 'Reschedule' }).click();
  await says('#message-at', '4 May 2031, 10:30');
  await row(NOTE).filter({ hasText: '4 May 2031, 10:30' }).waitFor();
  await page.fill('#schedule-time', '');
  await page.getByRole('button', { name: 'Reschedule' }).click();
  await says('#schedule-problem', 'Give a date and a time');
  await page.getByRole('button', { name: 'Now' }).click();
  await says('#message-next', 'due now');
  await row(NOTE).filter({ hasText: 'due now' }).waitFor();
});

pageTest('attempts are counted and recipients ticked off, with their places in the original list', async () => {
  await choose(...paths('many-recipients.eml'));
  await rows(1);
  await open(MINUTES);
  await page.locator('#count-attempt').click();
  await says('#message-attempts', '1');
  await page.locator('#count-attempt').click();
  await says('#message-attempts', '2');

  await page.getByLabel('Adams, Miriam').check();
  await page.getByLabel('Dimitar Petrov').check();
  await page.locator('#mark-delivered').click();
  await says('#recipients-title', '10 of 12 left');
  // The second round counts in the original list, not in the shortened one.
  await page.getByLabel('Eriksen, Lars').check();
  await page.locator('#mark-delivered').click();
  await says('#recipients-title', '9 of 12 left');
  const delivered = await page.locator('#recipient-list .is-delivered').allInnerTexts();
  assert.deepEqual(delivered.map((text) => /#\d+/.exec(text)?.[0]), ['#0', '#3', '#4']);
  await row(MINUTES).filter({ hasText: '3 of 12 done' }).waitFor();
});

pageTest('a message is removed after a question, and stays after a no', async () => {
  await choose(...paths('plain-note.eml', 'newsletter.eml'));
  await rows(2);
  await row(NOTE).getByRole('button', { name: 'Remove' }).click();
  await says('#confirm-text', '1 recipient will not get it');
  await page.keyboard.press('Escape');
  await page.locator('#confirm').waitFor({ state: 'hidden' });
  assert.equal(await row(NOTE).count(), 1);

  await open(NOTE);
  await page.locator('#remove-message').click();
  await page.locator('#confirm-remove').click();
  await rows(1);
  await page.locator('#message').waitFor({ state: 'hidden' });
  await says('#count-messages', '1');
  await says('#count-envelopes', '1');

  await row('October').getByRole('button', { name: 'Remove' }).click();
  await page.locator('#confirm-remove').click();
  await page.locator('#empty').waitFor();
});

pageTest('after a reload everything is there as it was', async () => {
  await page.selectOption('#first-attempt', 'tomorrow');
  await choose(...paths(...Object.keys(ALL)));
  await rows(6);
  await open(MINUTES);
  await page.locator('#count-attempt').click();
  await says('#message-attempts', '1');
  await page.getByLabel('Costa, Inês').check();
  await page.locator('#mark-delivered').click();
  await says('#recipients-title', '11 of 12 left');
  await page.locator('#message-close').click();
  const before = await page.locator('#queue-rows').innerText();

  await page.reload();
  await rows(6);
  await row(MINUTES).filter({ hasText: '1 of 12 done' }).waitFor();
  assert.equal(await page.locator('#queue-rows').innerText(), before);
  await open(MINUTES);
  assert.match(await page.innerText('#recipient-list li:nth-child(3)'), /Costa, Inês[^]*#2[^]*done/);
  await says('#count-messages', '6');
});

pageTest('two tabs show the same queue while one of them changes it', async () => {
  const other = await secondTab();
  await other.locator('#empty').waitFor();
  await choose(...paths('many-recipients.eml', 'plain-note.eml'));
  await rows(2, other);
  await press(row(MINUTES, other).locator('.open'));
  await says('#message-subject', MINUTES, other);

  await press(row(MINUTES).locator('.open'));
  await says('#message-subject', MINUTES);
  await press(page.locator('#count-attempt'));
  await says('#message-attempts', '1', other);
  await press(page.getByLabel('Hana Sato'));
  await press(page.locator('#mark-delivered'));
  await says('#recipients-title', '11 of 12 left', other);
  await press(page.getByRole('button', { name: 'Tomorrow' }));
  await says('#message-at', '09:00', other);
  await row(MINUTES, other).filter({ hasText: '09:00' }).waitFor();

  await press(page.locator('#remove-message'));
  await press(page.locator('#confirm-remove'));
  await rows(1, other);
  await other.locator('#message').waitFor({ state: 'hidden' });
  await says('#count-messages', '1', other);
  assert.equal(await row(NOTE, other).count(), 1);
});

pageTest('each file that cannot be read is named with its reason, and the others are queued', async () => {
  /** @type {[string, string | Buffer, string][]} */
  const broken = [
    ['empty.eml', '', 'is empty'],
    ['picture.eml', Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13]), 'is a binary file, not a message'],
    ['outlook.msg', Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 0, 0]), 'is an Outlook message'],
    ['nobody.eml', 'From: a@example.com\r\nSubject: x\r\n\r\n', 'names no recipient in To, Cc, Bcc or Delivered-To'],
    ['words.txt', 'Dear all,\r\n', 'does not begin with a header field'],
    ['torn.eml', 'From: a@example.com\r\nTo\r\n\r\n', 'has a line among its headers (line 2)'],
  ];
  for (const [name, content] of broken) writeFileSync(join(folder, name), content);
  await choose(...broken.map(([name]) => join(folder, name)), ...paths('plain-note.eml'));
  await rows(1);
  await says('#problems-title', '6 files could not be queued');
  const problems = await page.locator('#problem-list li').allInnerTexts();
  for (const [name, , reason] of broken) {
    assert.ok(problems.some((text) => text.includes(`${name} ${reason}`)), `${name} ${reason}: ${problems.join(' | ')}`);
  }
  await says('#status', '1 message queued, 6 not');
  await page.locator('#problems-clear').click();
  await page.locator('#problems').waitFor({ state: 'hidden' });
});

pageTest('a message of ten megabytes is queued, survives a reload, and opens', async () => {
  const line = `${'QUJD'.repeat(19)}\r\n`;
  const head = [
    'From: Archive <archive@example.com>', 'To: big@example.org', 'Subject: A large recording', 'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b', '', '--b', 'Content-Type: text/plain', '', 'It is long.', '--b',
    'Content-Type: audio/flac; name=take.flac', 'Content-Disposition: attachment; filename=take.flac',
    'Content-Transfer-Encoding: base64', '', '',
  ].join('\r\n');
  const path = join(folder, 'large.eml');
  writeFileSync(path, `${head}${line.repeat(Math.ceil(MEGABYTES / line.length))}--b--\r\n`);
  await choose(path);
  await rows(1);
  assert.match(await row('A large recording').innerText(), /10 MB/);
  await page.reload();
  await rows(1);
  await open('A large recording');
  await says('#message-text', 'It is long.');
  await says('#attachment-list', 'take.flac');
});

pageTest('two hundred files at once are all queued, and those that are not shown are a press away', async () => {
  const many = Array.from({ length: 200 }, (_, index) => {
    const path = join(folder, `many-${index}.eml`);
    writeFileSync(path, `From: a@example.com\nTo: b${index}@example.org\nSubject: Letter ${index}\n\nText ${index}\n`);
    return path;
  });
  await choose(...many);
  await says('#status', '200 messages queued');
  await says('#count-messages', '200');
  await rows(50);
  await page.locator('#show-more').click();
  await rows(100);
  assert.match(await page.innerText('#show-more'), /100 left/);
});

pageTest('choosing, opening and closing need no pointer', async () => {
  /** @param {string} selector */
  const tabTo = async (selector) => {
    for (let presses = 0; presses < 60; presses++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate((selector) => document.activeElement?.matches(selector), selector)) return;
    }
    assert.fail(`the Tab key does not reach ${selector}`);
  };
  const chosen = page.waitForEvent('filechooser'); // the browser has to know before it is asked
  await tabTo('#choose');
  await page.keyboard.press('Enter');
  const chooser = await chosen;
  assert.ok(chooser.isMultiple());
  await chooser.setFiles(paths('plain-note.eml', 'many-recipients.eml'));
  await rows(2);

  await tabTo('#queue-rows .open');
  const subject = await page.evaluate(() => document.activeElement?.textContent ?? '');
  await page.keyboard.press('Enter');
  await says('#message-subject', subject);
  await page.waitForFunction(() => document.activeElement?.id === 'message-subject');
  await tabTo('#recipient-list input');
  await page.keyboard.press('Space');
  await page.keyboard.press('Enter');
  await says('#recipient-list', 'done');
  await page.keyboard.press('Escape');
  await page.locator('#message').waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), subject);

  await tabTo('#queue-rows [aria-label^="Remove"]');
  await page.keyboard.press('Enter');
  await page.locator('#confirm').waitFor();
  await tabTo('#confirm-remove');
  await page.keyboard.press('Enter');
  await rows(1);
  await page.waitForFunction(() => document.activeElement?.matches('#queue-rows .open'));
});

pageTest('on a phone a message covers the page and its status is heard inside', async () => {
  await page.setViewportSize({ width: 390, height: 800 });
  await choose(...paths('many-recipients.eml'));
  await rows(1);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page scrolls sideways');
  await open(MINUTES);
  assert.ok(await page.evaluate(() => document.querySelector('#message')?.matches(':modal')));
  await page.locator('#count-attempt').click();
  await says('#message #status', 'Attempt 1 counted');
  // Turned sideways on a large screen, it stands beside the queue and stays open.
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.waitForFunction(() => document.querySelector('#message[open]')?.matches(':not(:modal)'));
  await page.keyboard.press('Escape');
  await page.locator('#message').waitFor({ state: 'hidden' });
});

pageTest('a check finds what is not whole, and a repair clears or requeues it', async () => {
  await choose(...paths('plain-note.eml'));
  await rows(1);
  await page.locator('#check').click();
  await says('#health-result', 'Every message is whole');

  const [orphan, widow, corrupt] = ['a', 'b', 'c'].map((digit) => `${digit.repeat(8)}4aaa`.padEnd(16, '8').padEnd(32, digit));
  const envelope = { sender: 'a@example.com', recipients: ['b@example.com'], headers: [['Subject', 'Found again']] };
  await put([
    { store: 'envelope', key: orphan, value: envelope },
    { store: 'meta', value: { id: widow, timestamp: 1, attempts: 0 } },
    { store: 'envelope', key: corrupt, value: envelope },
    { store: 'meta', value: { id: corrupt, timestamp: 'soon', attempts: 0 } },
  ]);
  await page.locator('#check').click();
  await says('#health-result', '1 orphan envelope, 1 orphan meta record, 1 corrupt message');
  await page.locator('#findings li').filter({ hasText: corrupt }).getByRole('checkbox').check();
  await page.locator('#repair-at-once').check();
  await page.getByRole('button', { name: 'Repair' }).click();
  await says('#health-result', 'Every message is whole');
  assert.match(await page.innerText('#health-result'),
    /1 orphan envelope cleared, 1 orphan meta record cleared, 1 message requeued/);
  await rows(2);
  assert.equal(await row('Found again').count(), 1);
});

pageTest('a message that cannot be read is listed as such and can be removed', async () => {
  const id = 'd'.repeat(12) + '4ddd8' + 'd'.repeat(15);
  await put([
    { store: 'envelope', key: id, value: 'no envelope' }, { store: 'meta', value: { id, timestamp: 1, attempts: 0 } },
  ]);
  await page.reload();
  await rows(1);
  assert.match(await row('An unreadable message').innerText(), /this message cannot be read/);
  await row('An unreadable message').locator('.open').click();
  await says('#status', 'This message cannot be opened');
  await row('An unreadable message').getByRole('button', { name: 'Remove' }).click();
  await page.locator('#confirm-remove').click();
  await page.locator('#empty').waitFor();
});

test('the server serves only what belongs to the page, with a strict policy', { skip }, async () => {
  /**
   * @param {string} path as it stands, dots and all
   * @param {string} [method]
   * @returns {Promise<{ status?: number, headers: import('node:http').IncomingHttpHeaders, length: number }>}
   */
  const get = (path, method = 'GET') => new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    request({ hostname, port, path, method }, (response) => {
      let length = 0;
      response.on('data', (chunk) => (length += chunk.length));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, length }));
    }).on('error', reject).end();
  });
  const index = await get('/');
  assert.equal(index.status, 200);
  const policy = String(index.headers['content-security-policy']);
  assert.match(policy, /default-src 'none'.*script-src 'self' 'wasm-unsafe-eval'/);
  assert.doesNotMatch(policy, /unsafe-inline|'unsafe-eval'/);
  assert.match(String((await get('/main.js')).headers['content-type']), /^text\/javascript/);
  assert.equal((await get('/samples/plain-note.eml')).headers['content-type'], 'message/rfc822');
  assert.deepEqual([(await get('/', 'HEAD')).length, (await get('/', 'POST')).status], [0, 405]);
  for (const path of [
    '/nothing.html', '/view/table.js', '/tsconfig.json', '/../package.json', '/..%2fREADME.md', '/samples',
    '/%2e%2e/www/../Cargo.toml', '/a%00.html', '/%',
  ]) {
    assert.equal((await get(path)).status, 404, path);
  }
});
