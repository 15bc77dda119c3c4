/** The page in a browser, a new profile for each test of the file that imports this. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serve } from '../../tools/serve.js';
import { openBrowser, skip } from './browser.js';

/** @import { Page } from 'playwright-core' */

export const samples = fileURLToPath(new URL('../../www/samples/', import.meta.url));
/** @param {string[]} names */
export const paths = (...names) => names.map((name) => join(samples, name));
export const NOTE = 'Keys for the workshop';
export const MINUTES = 'Minutes of the autumn meeting';
export const PICTURE = 'Saturday\'s walk, with a picture';
export const ALL = {
  'plain-note.eml': NOTE,
  'photo-attached.eml': PICTURE,
  'encoded-headers.eml': 'Приглашение на открытие выставки',
  'many-recipients.eml': 'Minutes of the autumn meeting, and the list of helpers for the winter fair on 5 December',
  'newsletter.eml': 'October: sow broad beans, save tomato seed 🌱',
  'utf8-headers.eml': 'Tischreservierung für Freitag – vier Plätze, 19:30 Uhr',
};

/** @type {Awaited<ReturnType<typeof serve>>} */
export let server;
/** @type {Awaited<ReturnType<typeof openBrowser>>} */
export let browser;
/** @type {Page} */
export let page;

before(async () => {
  if (!skip) server = await serve(0);
});
after(async () => {
  await browser?.close();
  await server?.close();
});
beforeEach(async () => {
  if (skip) return;
  await browser?.close();
  browser = await openBrowser({ viewport: { width: 1280, height: 900 }, acceptDownloads: true });
  page = browser.context.pages()[0];
  await page.goto(server.url);
  await page.locator('#empty').waitFor();
});

/**
 * @param {string} name
 * @param {() => Promise<void>} run
 */
export function pageTest(name, run) {
  test(name, { skip }, async () => {
    await run();
    assert.deepEqual(browser.complaints, [], 'the console shows errors');
  });
}

/**
 * The row of the message with this subject.
 *
 * @param {string} subject
 * @param {Page} [on]
 */
export function row(subject, on = page) {
  return on.locator('#queue-rows tr').filter({ hasText: subject });
}

/**
 * @param {number} number
 * @param {Page} [on]
 */
export async function rows(number, on = page) {
  await on.waitForFunction((wanted) => document.querySelectorAll('#queue-rows tr').length === wanted, number);
}

/**
 * @param {string} selector
 * @param {string} text
 * @param {Page} [on]
 */
export async function says(selector, text, on = page) {
  await on.locator(selector).filter({ hasText: text }).waitFor();
}

/** @param {string[]} files */
export const choose = (...files) => page.setInputFiles('#file-input', files);

/** @param {string} subject */
export async function open(subject) {
  await row(subject).locator('.open').click();
  await says('#message-subject', subject);
}

/**
 * Presses without waiting for frames, which a tab behind another one draws rarely.
 *
 * @param {import('playwright-core').Locator} locator
 */
export const press = (locator) => locator.evaluate((element) => /** @type {HTMLElement} */ (element).click());

/** A second tab on the same page. */
export async function secondTab() {
  const other = await browser.context.newPage();
  await other.goto(server.url);
  return other;
}
