/** Where the focus of the page is. */

/** @import { PageTab } from '../../support/page.js' */

/** @param {import('../../support/page.js').PageTest} pageTest */
export function focus(pageTest) {
  pageTest('the skip link leads to the outbox and leaves the opened message open', async ({ open }) => {
    const page = await open();
    await page.write({ to: 'ana@example.org', subject: 'Opened' });
    await page.is('Opened', 'delivered');
    await page.press('.letter-open');
    await page.says('.timeline', 'Delivered');
    await page.press('.skip');
    await page.until(() => document.activeElement?.id === 'outbox-title');
    await page.write({ to: 'ben@example.org', subject: 'Next' }); // the page is drawn anew
    await page.is('Next', 'delivered');
    await page.until(() => document.querySelector('[aria-expanded=true] .subject')?.textContent === 'Opened');
    await page.until(() => location.hash.startsWith('#m-'));
  });
}
