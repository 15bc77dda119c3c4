/** What the page shows of mail that goes, waits and fails, and what the other side gets. */
import assert from 'node:assert/strict';
import { arrived, eventually } from '../../support/page.js';

/** @import { PageTab } from '../../support/page.js' */

/** @param {import('../../support/page.js').PageTest} pageTest */
export function outcomes(pageTest) {
  pageTest('the demo ends its sender, reloads the page, and counts nobody lost and nobody twice', async ({ server, open }) => {
    const page = await open();
    await page.press('#run-demo');
    await page.says('.step.is-now', 'Another one takes over');
    await page.until(() => document.querySelector('.stage[data-done]'));
    assert.match(await page.text('#verdict'), /^0 lost, 0 twice/);
    assert.match(await page.text('#verdict'), /5 of 6 people have one copy,\s+1 refused/);
    assert.deepEqual(Object.values(arrived(server)), [1, 1, 1, 1, 1]);
    assert.equal(await page.text('#arrived'), '5');
    assert.equal(await page.text('#twice'), '0');
  });

  pageTest('a mail is written, delivered, and shown with the reply of the other side', async ({ server, open }) => {
    const page = await open();
    await page.write({ to: 'ana@example.org, ben@example.org', subject: 'Grüße' });
    const recipients = await page.is('Grüße', 'delivered');
    assert.deepEqual(recipients.map((text) => /^(\S+) Delivered\s?250 2\.0\.0/.exec(text)?.[1]), ['ana@example.org', 'ben@example.org']);
    await page.says('#counts', '1 message to 2 people: 2 delivered');
    assert.deepEqual(arrived(server), { 'Grüße to ana@example.org': 1, 'Grüße to ben@example.org': 1 });
    await page.says('#arrived', '2');
  });

  pageTest('one of three is refused: the message is in Failed with the reply and its notice, is retried and delivered', async ({ server, open }) => {
    const page = await open();
    server.arrivals.turn({ refuse: 100 });
    await page.write({ to: 'dan@example.org', subject: 'Refused' });
    await page.is('Refused', 'failed');
    server.arrivals.turn({ refuse: 0 });
    await page.write({ to: 'ana@example.org, nobody@example.org, ben@example.org', subject: 'Three' });
    const recipients = await page.is('Three', 'failed');
    assert.match(recipients[0], /^ana@example\.org Delivered/);
    assert.match(recipients[1], /^nobody@example\.org Failed\s?550 5\.1\.1/);
    await page.press('[data-tab=failed]');
    await page.says('[data-tab=failed]', 'Failed2');
    assert.deepEqual(arrived(server), { 'Three to ana@example.org': 1, 'Three to ben@example.org': 1 });

    // Nothing of this goes away by itself, nor with the page.
    await page.reload();
    await page.is('Refused', 'failed');
    assert.match((await page.is('Three', 'failed'))[1], /Failed\s?550 5\.1\.1/);
    await page.press('.letter:first-child .letter-open');
    await page.says('.notice', 'nobody@example.org');
    assert.doesNotMatch(JSON.stringify(arrived(server)), /Undeliver|Delivery|Failure/i);

    await page.press('.letter:last-child [data-do=retry]');
    await page.press('[data-tab=all]');
    await page.is('Refused', 'delivered');
    await page.press('.letter:first-child [data-do=edit]');
    await page.fill('#editor [name=to]', 'carla@example.org');
    await page.press('#send-draft');
    await page.is('Three', 'delivered');
    assert.equal(arrived(server)['Three to carla@example.org'], 1);
    assert.equal(arrived(server)['Refused to dan@example.org'], 1);
    await page.says('[data-tab=failed]', 'Failed0');
  });

  pageTest('what is deferred shows the reply and when it is tried next, and can be taken back', async ({ server, open }) => {
    const page = await open();
    server.arrivals.turn({ defer: 100 });
    await page.write({ to: 'ana@example.org', subject: 'Later' });
    assert.match((await page.is('Later', 'deferred'))[0], /Deferred\s?451 4\.3\.2/);
    await page.says('.letter-facts', 'next in');
    await page.press('.letter-open');
    await page.takeBack();
    await page.is('Later', 'cancelled');
    assert.deepEqual(arrived(server), {});
    await page.says('#counts', '1 taken back');
    await page.says('.timeline', 'Taken back');
    assert.doesNotMatch(await page.text('.timeline'), /Removed/);
  });

  pageTest('of a message that was given up for one and retried, the other one can be taken back', async ({ server, open }) => {
    const page = await open();
    await page.tab.look(() => {
      new MutationObserver(() => {
        if (document.querySelector('#app').textContent.includes('another tab')) document.body.dataset.wrong = 'yes';
      }).observe(document, { subtree: true, childList: true, characterData: true });
    });
    server.arrivals.turn({ defer: 100 });
    await page.write({ to: 'ana@example.org, nobody@example.org', subject: 'Both' });
    await page.is('Both', 'failed');
    await page.press('.letter-open');
    for (const attempts of [1, 2]) {
      await page.until((attempts) => document.querySelectorAll('.timeline .is-failed').length === attempts, attempts);
      if (attempts === 1) await page.press('[data-do=retry]');
    }
    await page.takeBack();
    await page.says('.recipient', 'ana@example.org Taken back');
    await page.says('.recipient', 'nobody@example.org Failed');
    assert.deepEqual(JSON.parse(await page.kept()).metas, []);
    assert.deepEqual(arrived(server), {});
    assert.equal(await page.tab.look(() => document.body.dataset.wrong ?? 'no'), 'no');
  });

  pageTest('whoever was given up is written to anew, and the others of that message stay as they are', async ({ server, open }) => {
    const page = await open();
    server.arrivals.turn({ defer: 100 });
    await page.write({ to: 'ana@example.org, nobody@example.org', subject: 'Both' });
    await page.is('Both', 'failed');
    await page.press('[data-do=edit]');
    await page.until(() => document.querySelector('#editor [name=to]')?.value === 'nobody@example.org');
    await page.fill('#editor [name=to]', 'carla@example.org');
    await page.press('#send-draft');
    await page.says('.letter[data-state=deferred] .recipient', 'ana@example.org Deferred');
    await page.says('.recipient', 'nobody@example.org Taken back');
    server.arrivals.turn({ defer: 0 });
    await page.says('.recipient', 'ana@example.org Delivered');
    await page.says('.recipient', 'carla@example.org Delivered');
    assert.deepEqual(arrived(server), { 'Both to ana@example.org': 1, 'Both to carla@example.org': 1 });
  });

  pageTest('an edited message that is stored slowly takes no other one with it, and is not queued twice', async ({ server, open }) => {
    const page = await open();
    await page.write({ to: 'nobody@example.org', subject: 'First' });
    await page.is('First', 'failed');
    await page.write({ to: 'nobody@example.org', subject: 'Second' });
    await page.is('Second', 'failed');
    await page.until(() => document.querySelector('.letter:first-child [data-do=edit]') !== null); // its letter is kept
    await page.press('.letter:last-child [data-do=edit]');
    await page.until(() => document.querySelector('.editor[open] [name=subject]')?.value === 'First');
    await page.fill('#editor [name=to]', 'carla@example.org');
    await page.tab.look(() => {
      const dialog = document.querySelector('.editor');
      document.querySelector('#editor').requestSubmit();
      if (dialog.dispatchEvent(new Event('cancel', { cancelable: true }))) document.body.dataset.wrong = 'closed';
      dialog.close(); // as browsers close a dialog whose page has refused it once
      document.querySelector('.letter:first-child [data-do=edit]').click();
    });
    await page.is('First', 'delivered');
    await page.says('[data-tab=all]', 'All2');
    await page.is('Second', 'failed');
    assert.equal(await page.tab.look(() => document.body.dataset.wrong ?? 'no'), 'no');
    assert.deepEqual(arrived(server), { 'First to carla@example.org': 1 });
  });

  pageTest('what is attached stays with the draft, and a second press queues nothing twice', async ({ server, open }) => {
    const page = await open();
    await page.press('#write');
    await page.fill('#editor [name=to]', 'ana@example.org');
    await page.fill('#editor [name=subject]', 'Attached');
    await page.tab.look(() => {
      const [chosen, dropped] = ['report (1).txt', 'dropped.eml'].map((name) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(['To: x@example.org\n\nText'], name, { type: 'text/plain' }));
        return transfer;
      });
      const input = document.querySelector('#editor [name=files]');
      input.files = chosen.files;
      input.dispatchEvent(new Event('change', { bubbles: true }));
      const drop = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: dropped });
      // Firefox makes one without the files that it is given.
      if (drop.dataTransfer?.files.length !== 1) Object.defineProperty(drop, 'dataTransfer', { value: dropped });
      input.dispatchEvent(drop);
    });
    await page.says('.attached', 'report (1).txt');
    await page.says('.attached', 'dropped.eml');
    await page.press('.editor [aria-label=Close]');
    await page.press('#write');
    await page.says('.attached', 'report (1).txt');
    await page.press('[aria-label="Remove dropped.eml"]');
    await page.until(() => document.querySelectorAll('.attached li').length === 1);
    await page.tab.look(() => {
      const form = document.querySelector('#editor');
      form.requestSubmit();
      form.requestSubmit();
    });
    await page.is('Attached', 'delivered');
    await page.says('#counts', '1 message to 1 person: 1 delivered');
    assert.deepEqual(arrived(server), { 'Attached to ana@example.org': 1 });
    await page.press('#write');
    await page.until(() => document.querySelector('#editor') && !document.querySelector('.attached'));
  });

  pageTest('a reload in the middle of the demo leaves the page as it was before', async ({ server, open }) => {
    const page = await open();
    await page.press('#run-demo');
    await page.says('.step.is-now', 'Three mails are queued');
    await page.until(() => document.querySelectorAll('.letter').length === 3);
    await page.reload();
    await page.until(() => document.querySelector('#sending').checked);
    await eventually(() => Object.keys(arrived(server)).length === 4 && server.arrivals.dials.slow === 0);
  });

  pageTest('files that cannot be queued stay in their list, each once, until somebody dismisses it', async ({ open }) => {
    const page = await open();
    await choose(page, { 'first.eml': 'Subject: To nobody\n\nText' });
    await page.says('#problem-list', 'first.eml');
    await choose(page, { 'second.eml': 'Subject: To nobody\n\nText', 'good.eml': 'To: ana@example.org\nSubject: Good\n\nText' });
    await page.says('#problem-list', 'second.eml');
    await page.is('Good', 'delivered');
    await choose(page, { 'first.eml': 'Subject: To nobody\n\nText' });
    await page.until(() => document.querySelector('#problem-list li:last-child strong')?.textContent === 'first.eml');
    await page.says('#problems-title', '2 files could not be queued');
    await page.press('.problems .button');
    await page.until(() => !document.querySelector('.problems'));
  });
}

/**
 * Chooses files, as somebody does in the dialog of the browser.
 *
 * @param {PageTab} page
 * @param {Record<string, string>} files their texts by their names
 */
async function choose(page, files) {
  await page.until((files) => {
    const input = document.querySelector('#file-input');
    if (!input) return false;
    const transfer = new DataTransfer();
    for (const [name, text] of Object.entries(files)) transfer.items.add(new File([text], name, { lastModified: 1 }));
    input.files = transfer.files;
    input.dispatchEvent(new Event('change'));
    return true;
  }, files);
}
