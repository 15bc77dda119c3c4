/** The page in several tabs at once. */
import assert from 'node:assert/strict';
import { arrived, eventually } from '../../support/page.js';
import { gate } from '../../support/queues.js';

const MANY = 200;

/** @param {import('../../support/page.js').PageTest} pageTest */
export function tabs(pageTest) {
  pageTest('shows what another tab sends, and sends it within seconds when that tab is closed', async ({ server, open }) => {
    const first = await open();
    const { opened: arrives, open: letArrive } = gate();
    server.arrivals.takeTime = () => arrives;
    await first.write({ to: 'ana@example.org', subject: 'Half way' });
    await first.is('Half way', 'sending');
    const other = await open();
    await other.says('.badge', 'Sending in another tab');
    await first.tab.close();
    letArrive(undefined);
    await other.is('Half way', 'delivered');
    assert.deepEqual(arrived(server), { 'Half way to ana@example.org': 1 });
  });

  pageTest('the mail of a demo whose tab is closed in the middle is sent by another tab', async ({ server, open }) => {
    const [one, other] = [await open(), await open()];
    await one.press('#run-demo');
    await other.until(() => document.querySelectorAll('.letter').length >= 3);
    await one.tab.close();
    await other.until(() => Number(document.querySelector('#arrived').textContent) >= 4);
    await other.until(() => document.querySelector('#sending').checked);
    await eventually(() => server.arrivals.dials.slow === 0);
  });

  pageTest('what was switched off before a demo is off again when its tab is left in the middle', async ({ server, open }) => {
    const [one, other] = [await open(), await open()];
    const { opened: arrives, open: letArrive } = gate();
    server.arrivals.takeTime = () => arrives;
    await other.fill('#sending', false);
    await one.until(() => !document.querySelector('#sending').checked);
    await one.press('#run-demo');
    await other.until(() => document.querySelector('#sending').checked);
    await one.leave();
    await other.until(() => !document.querySelector('#sending').checked);
    await eventually(() => server.arrivals.dials.slow === 0);
    letArrive(undefined);
  });

  pageTest(`two tabs and a worker send ${MANY} mails, each of them once, and show what arrived`, async ({ server, open }) => {
    const [one, other] = [await open(), await open()];
    await one.fill('#sending', false);
    await other.until(() => !document.querySelector('#sending').checked);
    await other.tab.look((/** @type {number} */ many) => {
      const transfer = new DataTransfer();
      for (let number = 0; number < many; number++) {
        transfer.items.add(new File([`From: a@example.com\nTo: b${number}@example.org\nSubject: Letter ${number}\n\nText\n`], `${number}.eml`));
      }
      const input = document.querySelector('#file-input');
      input.files = transfer.files;
      input.dispatchEvent(new Event('change'));
    }, MANY);
    await other.says('#counts', `${MANY} messages to ${MANY} people: ${MANY} waiting`);
    await one.says('#counts', `${MANY} messages to ${MANY} people: ${MANY} waiting`);
    assert.deepEqual(arrived(server), {});
    await other.tab.look(() => {
      /** @type {any} */ (window).sender = new Worker('sender.js', { type: 'module' });
    });
    await one.fill('#sending', true);
    await eventually(() => Object.keys(arrived(server)).length === MANY);
    for (const tab of [other, one]) await tab.says('#counts', `${MANY} messages to ${MANY} people: ${MANY} delivered`);
    assert.ok(Object.values(arrived(server)).every((copies) => copies === 1));
    await one.says('#arrived', String(MANY));
    await one.says('#twice', '0');
  });
}
