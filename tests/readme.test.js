import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const examples = [...readme.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code);

/**
 * Runs an example as a stranger would: in an empty folder, by the name of the package.
 *
 * @param {string} code
 */
function run(code) {
  const folder = mkdtempSync(join(tmpdir(), 'readme-'));
  try {
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(join(root, 'pkg'), join(folder, 'node_modules/slimta-queue-dict'));
    writeFileSync(join(folder, 'example.mjs'), code);
    return execFileSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('the first example of the README prints what its comment says', () => {
  assert.match(run(examples[0]), /^\[ 'them@example\.com' \] 1 \[ 1 \]\n$/);
});

test('the IndexedDB example of the README runs as it stands', () => {
  const database = new URL('../node_modules/fake-indexeddb/auto/index.mjs', import.meta.url);
  assert.equal(run(`import '${database}';\n${examples[1]}`), '');
});

test('the queue example of the README tells what its comment says', () => {
  assert.equal(run(examples[2]), 'told me@example.com\ndelivered to you@example.com\n');
});

test('the README lists every code of QueueError that the package knows', () => {
  const source = readFileSync(join(root, 'pkg/errors.js'), 'utf8');
  const list = source.match(/new Set\(\[([\s\S]*?)\]\)/)?.[1] ?? '';
  const codes = [...list.matchAll(/'([a-z-]+)'/g)].map(([, code]) => code);
  assert.ok(codes.length > 10);
  for (const code of codes) assert.ok(readme.includes(`\`${code}\``), code);
});
