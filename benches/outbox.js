/**
 * How fast the page sends through the other side in its service worker, and how long its tasks are meanwhile.
 *
 *     node benches/outbox.js [--messages 1000] [--repetitions 5] [--write]
 */
import { parseArgs } from 'node:util';
import { freshFiles } from '../tools/demo/bundle.js';
import { chromiumPath, openBrowser, skip } from '../tests/support/browser.js';
import { servedFiles } from '../tests/support/served.js';
import { circumstances, fail, median, natural, progress, publish, table } from './report.js';

/** The least number of messages a second, and the longest task in milliseconds. */
const [SPEED, LONGEST] = [200, 100];

const { values: options } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000' }, repetitions: { type: 'string', default: '5' },
    write: { type: 'boolean', default: false },
  },
});
const messages = natural(options, 'messages');
const repetitions = natural(options, 'repetitions');
if (skip || !chromiumPath) fail(`the page is measured in Chromium: ${skip}`);

const site = await servedFiles(await freshFiles({ simulated: true })); // as `make site` writes it
/** @type {{ took: number, longest: number }[][]} queuing and sending, each time */
const measured = [];
try {
  for (let repetition = 0; repetition < repetitions; repetition++) {
    progress(`repetition ${repetition + 1} of ${repetitions}`);
    measured.push(await measure());
  }
} finally {
  await site.close();
  progress('');
}

const rows = ['queued from files', 'sent'].map((what, stage) => {
  const took = median(measured.map((stages) => stages[stage].took));
  const longest = measured.map((stages) => stages[stage].longest);
  const speed = (messages / took) * 1000;
  const reached = speed >= SPEED && median(longest) <= LONGEST;
  return [
    what, speed.toFixed(0), told(median(longest)), told(Math.max(...longest)),
    stage === 1 ? `${SPEED} a second, ${LONGEST} ms: ${reached ? 'reached' : 'missed'}` : '',
  ];
});
const { machine, load, command } = circumstances();
publish('The page', [
  machine, command,
  `${messages.toLocaleString('en')} messages in one tab of Chromium, the other side in its service worker; medians of ` +
    `${repetitions} repetitions; ${load}.`,
  table([['', 'a second', 'longest task', 'the longest of all', 'target'], ...rows]),
], options.write);

/** @param {number} longest in milliseconds; browsers tell of tasks from 50 on */
function told(longest) {
  return longest === 0 ? 'under 50 ms' : `${longest.toFixed(0)} ms`;
}

/** Queues and sends once, in a browser of its own. */
async function measure() {
  const { context, close } = await openBrowser();
  try {
    const page = await context.newPage();
    await page.goto(site.url);
    await page.waitForFunction(() => navigator.serviceWorker.controller && document.querySelector('#counts'));
    return await page.evaluate(send, messages);
  } finally {
    await close();
  }
}

/**
 * Runs in the page.
 *
 * @param {number} messages
 */
async function send(messages) {
  let longest = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
  }).observe({ type: 'longtask' });
  const sending = /** @type {HTMLInputElement} */ (document.querySelector('#sending'));
  const counted = (/** @type {string} */ state) => new Promise((resolve) => {
    const words = `${messages.toLocaleString('en')} ${state}`;
    const look = () => {
      if (!document.querySelector('#counts')?.textContent?.replace(/\s+/g, ' ').includes(words)) return;
      observer.disconnect();
      resolve(undefined);
    };
    const observer = new MutationObserver(look);
    observer.observe(document, { subtree: true, childList: true, characterData: true });
    look();
  });
  const stage = async (/** @type {() => void} */ begin, /** @type {string} */ state) => {
    await new Promise((resolve) => setTimeout(resolve, 500)); // of what was long before, the page is told later
    longest = 0;
    const began = performance.now();
    const done = counted(state);
    begin();
    await done;
    const took = performance.now() - began;
    await new Promise((resolve) => setTimeout(resolve, 500));
    return { took, longest };
  };
  if (sending.checked) sending.click();
  const transfer = new DataTransfer();
  for (let number = 0; number < messages; number++) {
    const text = `From: a@example.com\nTo: b${number}@example.org\nSubject: Letter ${number}\n\n${'Text '.repeat(200)}\n`;
    transfer.items.add(new File([text], `${number}.eml`));
  }
  const input = /** @type {HTMLInputElement} */ (document.querySelector('#file-input'));
  input.files = transfer.files;
  return [
    await stage(() => input.dispatchEvent(new Event('change')), 'waiting'),
    await stage(() => sending.click(), 'delivered'),
  ];
}
