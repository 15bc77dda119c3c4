import { chromium } from 'playwright-core';
import { program } from './pack.js';

const FLAGS = [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
const executablePath = program([
  '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]);

/** For how long, in milliseconds, a page may be on its way: on a busy machine half a minute is not enough. */
const PATIENCE = 180_000;

/** Why tests in a browser are skipped, if they are. */
export const skip = executablePath ? false : 'Chromium is not installed';

export async function launch() {
  const browser = await chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false, timeout: PATIENCE });
  const newContext = browser.newContext.bind(browser);
  browser.newContext = async (options) => {
    const context = await newContext(options);
    context.setDefaultTimeout(PATIENCE);
    return context;
  };
  return browser;
}
