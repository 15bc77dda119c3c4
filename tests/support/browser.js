import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { findProgram } from './programs.js';

/** @import { BrowserContext, Page } from 'playwright-core' */

export const FLAGS = [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/**
 * The same for a Chromium that Playwright does not start: Playwright names features of its own to leave out, and the last
 * list counts. The list below the address is a page that nobody sees here: a start takes half the processor time without it.
 */
export const FLAGS_WITHOUT_PLAYWRIGHT = [
  ...FLAGS, '--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup',
];

/** Where Chromium is on this machine, if it is. */
export const chromiumPath = findProgram(['chromium', 'chromium-browser', 'google-chrome']) ?? findProgram(
  ['Chromium', 'Google Chrome'],
  ['/Applications/Chromium.app/Contents/MacOS', '/Applications/Google Chrome.app/Contents/MacOS'],
);

/** What to say of a test that needs Chromium: `false`, or why it is skipped. */
export const skip = chromiumPath ? false : 'Chromium is not installed';
if (skip) console.log(`skipped: ${skip}`);

/**
 * A browser with a profile of its own on disk. `complaints` collects what its pages write to their consoles as errors
 * and what they throw.
 *
 * @param {Parameters<typeof chromium.launchPersistentContext>[1]} [options]
 * @returns {Promise<{ context: BrowserContext, complaints: string[], close: () => Promise<void> }>}
 */
export async function openBrowser(options = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath, args: FLAGS, headless: true, ...options,
  });
  context.setDefaultTimeout(180_000);
  /** @type {string[]} */
  const complaints = [];
  /** @param {Page} page */
  const listen = (page) => {
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
  };
  context.pages().forEach(listen);
  context.on('page', listen);
  return {
    context,
    complaints,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}
