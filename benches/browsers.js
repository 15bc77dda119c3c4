/** Chromium and Firefox, each with a profile of its own on disk: in a private window IndexedDB is in memory. */
import { execFileSync } from 'node:child_process';
import { chromiumPath, openBrowser, skip as noChromium } from '../tests/support/browser.js';
import { ENGINES } from '../tests/support/engines.js';

/**
 * @typedef {object} Page
 * @property {string} version of the browser
 * @property {(method: string, argument?: unknown) => Promise<any>} call of the global `bench`
 * @property {() => Promise<void>} close
 *
 * @typedef {{ name: string, missing: string | false, open: (url: string) => Promise<Page> }} Browser
 */

/** @type {Record<string, Browser>} */
export const browsers = {
  chromium: { name: 'Chromium', missing: noChromium, open: openChromium },
  firefox: { name: 'Firefox', missing: ENGINES.Firefox.skip, open: openInFirefox },
};

/**
 * @param {string} url
 * @returns {Promise<Page>}
 */
async function openChromium(url) {
  const { context, close } = await openBrowser();
  const page = await context.newPage();
  await page.goto(url);
  return {
    version: versionOf(chromiumPath ?? '') ?? (await page.evaluate(() => navigator.userAgent)),
    call: (method, argument) => page.evaluate(call, /** @type {const} */ ([method, argument])),
    close,
  };
}

/**
 * @param {string} url
 * @returns {Promise<Page>}
 */
async function openInFirefox(url) {
  const firefox = await ENGINES.Firefox.start();
  const page = await firefox.open(url);
  return {
    version: versionOf('firefox-esr') ?? versionOf('firefox') ?? (await page.evaluate(() => navigator.userAgent)),
    call: (method, argument) => page.evaluate(call, /** @type {any} */ ([method, argument])),
    close: () => firefox.close(),
  };
}

/**
 * Runs in the page.
 *
 * @param {readonly [method: string, argument: unknown]} what
 */
function call([method, argument]) {
  return /** @type {any} */ (globalThis).bench[method](argument);
}

/**
 * What a program says of itself: pages are told less.
 *
 * @param {string} program
 */
function versionOf(program) {
  try {
    const said = execFileSync(program, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return said.match(/\d[\w.]+/)?.[0];
  } catch {
    return undefined; // it is not called so, or is an application of a Mac
  }
}
