/** What the page shows of mail that goes, waits and fails, and what the other side gets. */
import assert from 'node:assert/strict';
import { arrived } from '../../support/page.js';

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
    await page.press('[data-do=cancel]');
    await page.is('Later', 'cancelled');
    assert.deepEqual(arrived(server), {});
    await page.says('#counts', '1 taken back');
  });
}
