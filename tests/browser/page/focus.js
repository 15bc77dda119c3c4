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

  pageTest('the focus stays with a message whose button goes when it is pressed', async ({ open }) => {
    const page = await open();
    await page.write({ to: 'nobody@example.org', subject: 'Refused' });
    await page.is('Refused', 'failed');
    await page.fill('#sending', false);
    await page.write({ to: 'ana@example.org', subject: 'Waits' });
    await page.says('.badge', 'sending is off');
    await press(page, '[data-do=retry]');
    await page.is('Refused', 'waiting');
    await isAt(page, 'Refused');
    await page.press('.letter:first-child .letter-open');
    await press(page, '[data-do=cancel]');
    await page.is('Waits', 'cancelled');
    await isAt(page, 'Waits');
  });

  pageTest('the focus goes from a message that is let go of to the next one, and from the last one to the heading', async ({ open }) => {
    const page = await open();
    for (const subject of ['Last', 'First']) {
      await page.write({ to: 'nobody@example.org', subject });
      await page.is(subject, 'failed');
    }
    await page.until(() => document.querySelectorAll('[data-do=edit]').length === 2); // their letters are kept
    await press(page, '.letter:first-child [data-do=discard]');
    await page.until(() => document.querySelectorAll('.letter').length === 1);
    await isAt(page, 'Last');
    await press(page, '[data-do=discard]');
    await page.until(() => !document.querySelector('.letter'));
    await page.until(() => document.activeElement?.id === 'outbox-title');
  });

  pageTest('the focus goes to the heading of a list that is cleared', async ({ open }) => {
    const page = await open();
    await page.write({ to: 'ana@example.org' });
    await press(page, '#forget');
    await page.until(() => !document.querySelector('.letter'));
    await page.until(() => document.activeElement?.id === 'outbox-title');
    await press(page, '#clear-inbox');
    await page.says('#arrived', '0');
    await page.until(() => document.activeElement?.id === 'inbox-title');
  });
}

/**
 * Presses what is there, or once it is, as somebody who has gone there by keys.
 *
 * @param {PageTab} page
 * @param {string} selector
 */
async function press(page, selector) {
  await page.until((selector) => {
    const element = document.querySelector(selector);
    element?.focus();
    element?.click();
    return Boolean(element);
  }, selector);
}

/** Waits until the focus is at the message with this subject. @param {PageTab} page @param {string} subject */
async function isAt(page, subject) {
  await page.until((subject) => document.activeElement?.matches('.letter-open')
    && document.activeElement.querySelector('.subject')?.textContent === subject, subject);
}
