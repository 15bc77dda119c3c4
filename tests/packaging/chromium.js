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

/** Why tests in a browser are skipped, if they are. */
export const skip = executablePath ? false : 'Chromium is not installed';

export function launch() {
  return chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false });
}
