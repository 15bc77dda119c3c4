/** The page for everybody: what axe finds, narrow and wide, light and dark. */
import assert from 'node:assert/strict';
import axe from 'axe-core';

/** @import { PageTab } from '../../support/page.js' */

/** @param {PageTab} page */
async function examine(page, /** @type {string} */ what) {
  const found = await page.tab.look(`() => { ${axe.source}
    return axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(
      ({ id, nodes }) => id + ': ' + nodes.map(({ html, failureSummary }) => html.slice(0, 120) + ' ' + failureSummary).join(' | '))); }`);
  assert.deepEqual(found, [], what);
}

/** @param {import('../../support/page.js').PageTest} pageTest */
export function access(pageTest) {
  pageTest('axe finds nothing in light, dark and narrow, and nothing is wider than the window', async ({ server, open }) => {
    const page = await open();
    const { tab } = page;
    // Motion would be examined half way.
    const look = (/** @type {string} */ scheme) => tab.devtools('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }],
    });
    await look('light');
    await page.write({ to: 'ana@example.org, nobody@example.org', subject: 'Both' });
    await page.is('Both', 'failed');
    server.arrivals.turn({ defer: 100 });
    await page.write({ to: 'ben@example.org', subject: 'Later' });
    await page.is('Later', 'deferred');
    await page.press('.letter:last-child .letter-open');
    await page.says('.notice', 'nobody@example.org');
    await page.press('#chart summary');
    await page.says('#chart caption', 'People by state');
    assert.match(await page.text('#chart tbody tr:last-child'), /1\s+1\s+1$/);
    for (const scheme of ['light', 'dark']) {
      await look(scheme);
      await examine(page, scheme);
    }
    await page.press('#write');
    await examine(page, 'the editor');
    await page.press('.editor [aria-label=Close]');
    for (const width of [390, 320]) { // 320 is 1280 at 400 %
      await tab.devtools('Emulation.setDeviceMetricsOverride', { width, height: 800, deviceScaleFactor: 1, mobile: false });
      if (width === 390) await examine(page, 'narrow');
      assert.equal(await tab.look(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, `${width} px`);
    }
    await tab.devtools('Emulation.clearDeviceMetricsOverride');
    await look('light');
  });

  pageTest('a mail is written, sent and opened without a pointer', async ({ open }) => {
    const page = await open();
    const { tab } = page;
    const key = (/** @type {string} */ key, code = key) => tab.devtools('Input.dispatchKeyEvent', { type: 'keyDown', key, code, ...KEYS[key] })
      .then(() => tab.devtools('Input.dispatchKeyEvent', { type: 'keyUp', key, code, ...KEYS[key] }));
    const tabTo = async (/** @type {string} */ selector) => {
      for (let presses = 0; presses < 60; presses++) {
        await key('Tab');
        if (await tab.look((/** @type {string} */ selector) => document.activeElement?.matches(selector) ?? false, selector)) return;
      }
      assert.fail(`the Tab key does not reach ${selector}`);
    };
    await tabTo('#write');
    await key('Enter');
    await page.until(() => document.activeElement?.matches('#editor [name=to]'));
    await tab.devtools('Input.insertText', { text: 'ana@example.org' });
    await tabTo('[name=subject]');
    await tab.devtools('Input.insertText', { text: 'By keys' });
    await key('Enter');
    await page.is('By keys', 'delivered');
    await page.until(() => document.activeElement?.id === 'write'); // the focus goes back
    await tabTo('.letter-open');
    await key('Enter');
    await page.says('.timeline', 'Delivered');
    assert.ok(await tab.look(() => document.activeElement?.matches('.letter-open')));
  });

  pageTest('what was delivered, failed and waits differs in the chart by its pattern, also where colours are forced', async ({ open }) => {
    const page = await open();
    await page.write({ to: 'ana@example.org', subject: 'Drawn' });
    await page.is('Drawn', 'delivered');
    await page.press('#chart summary');
    await page.until(() => document.querySelector('.drawing'));
    const looks = (/** @type {string} */ selector) => page.tab.look((/** @type {string} */ selector) => (
      [...document.querySelectorAll(selector)].map((area) => {
        const { fill, color } = getComputedStyle(area);
        return fill === color ? 'plain' : fill;
      })), selector);
    const areas = await looks('.drawing polygon');
    assert.equal(new Set(areas).size, 3, areas.join());
    assert.deepEqual(await looks('.key rect'), areas);
    await page.tab.devtools('Emulation.setEmulatedMedia', { features: [{ name: 'forced-colors', value: 'active' }] });
    assert.deepEqual(await looks('.key rect'), areas);
    const colours = await page.tab.look(() => [...document.querySelectorAll('body, .drawing polygon, .key rect')].map((each) => getComputedStyle(each).color));
    assert.equal(new Set(colours).size, 1, colours.join());
    await page.tab.devtools('Emulation.setEmulatedMedia', { features: [] });
  });

  // Such a key would also act on a word that is spoken to the browser, and on a slip (WCAG 2.1.4).
  pageTest('no single key does anything where nobody types', async ({ open }) => {
    const page = await open();
    await page.until(() => document.querySelector('#write') && document.querySelector('#search'));
    const found = await page.tab.look(() => [...'abcdefghijklmnopqrstuvwxyz0123456789/?.,'].filter((key) => {
      const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true });
      document.body.dispatchEvent(event);
      return event.defaultPrevented || document.activeElement !== document.body || document.querySelector('dialog[open]');
    }));
    assert.deepEqual(found, []);
  });
}

/** @type {Record<string, object>} */
const KEYS = {
  Tab: { windowsVirtualKeyCode: 9 },
  Enter: { windowsVirtualKeyCode: 13, text: '\r' },
};
