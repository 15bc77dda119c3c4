/** The page on the command line: its examples write what it says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { examplesIn, openConsole } from './support/console.js';
import { skip } from './support/redis.js';

const page = readFileSync(new URL('../docs/command-line.md', import.meta.url), 'utf8');

/** What is written whenever it is written: times, and the blanks that fill their columns, apart. */
const timeless = (/** @type {string} */ text) => text
  .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, 'DATE').replace(/"(due|received)":[\d.]+/g, '"$1":TIME')
  .replace(/\bin \d+[smhdy]|\b\d+[smhdy] ago|\bnow\b/g, 'WHEN').replace(/^(due +)\d$/gm, '$1COUNT').replace(/ +/g, ' ');

/** @param {string} text */
const inOrder = (text) => text.split('\n').sort().join('\n');

test('every example of the page writes what stands below it', { skip }, async (t) => {
  const typed = await openConsole(page);
  t.after(() => typed.close());
  const examples = examplesIn(page);
  for (const { command, output } of examples) {
    const written = await typed.type(command);
    // Several attempts are under way at once.
    const [found, expected] = [written, output].map((text) => (/ flush /.test(command) ? inOrder(timeless(text)) : timeless(text)));
    assert.equal(found, expected, command);
  }
  for (const name of ['ls', 'show', 'add', 'retry', 'rm', 'flush', 'check', 'repair', 'stats', 'copy']) {
    assert.ok(examples.some(({ command }) => command.includes(`slimta-queue-dict ${name} `)), name);
  }
});
