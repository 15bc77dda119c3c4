/** Pictures of the page, for people who look before they read. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** With PICTURES=1 those of the README are made anew. */
const FOLDER = fileURLToPath(new URL(`../../../${process.env.PICTURES ? 'docs' : 'target/pictures'}`, import.meta.url));

/** @param {import('../../support/page.js').PageTest} pageTest */
export function pictures(pageTest) {
  pageTest('what its demo has come to can be seen in light and dark', async ({ open }) => {
    const page = await open();
    await page.press('#run-demo');
    await page.until(() => document.querySelector('.stage[data-done]'));
    const { tab } = page;
    await tab.devtools('Emulation.setDeviceMetricsOverride', { width: 1180, height: 1320, deviceScaleFactor: 1, mobile: false });
    mkdirSync(FOLDER, { recursive: true });
    const made = [];
    for (const scheme of ['light', 'dark']) {
      // Without motion, which would be seen half way.
      const features = [{ name: 'prefers-color-scheme', value: scheme }, { name: 'prefers-reduced-motion', value: 'reduce' }];
      await tab.devtools('Emulation.setEmulatedMedia', { features });
      const { data } = await tab.devtools('Page.captureScreenshot', { format: 'webp', quality: 80 });
      writeFileSync(`${FOLDER}/page-${scheme}.webp`, Buffer.from(data, 'base64'));
      made.push(data);
    }
    await tab.devtools('Emulation.clearDeviceMetricsOverride');
    await tab.devtools('Emulation.setEmulatedMedia', { features: [] });
    assert.ok(made.every((data) => data.length > 30_000) && made[0] !== made[1]);
  });
}
