/** The page on writing a host: what it shows works. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = readFileSync(join(root, 'docs/writing-a-host.md'), 'utf8');
const [host, suite] = [...page.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code);

const folder = mkdtempSync(join(tmpdir(), 'writing-a-host-'));
after(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'node_modules'));
symlinkSync(join(root, 'pkg'), join(folder, 'node_modules/slimta-queue-dict'));
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
writeFileSync(join(folder, 'file-host.js'), host);
writeFileSync(join(folder, 'file-host.test.js'), suite);

test('the host of the page passes the suite, run as the page says', () => {
  // Within a test, Node would tell this one in its own words how the other went.
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const { stdout, status } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', 'file-host.test.js'], {
    cwd: folder, env, encoding: 'utf8', maxBuffer: 1 << 26,
  });
  assert.equal(status, 0, stdout);
  assert.ok(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]) > 50, stdout);
  assert.match(stdout, /^# skipped 0$/m);
});

test('the host of the page keeps what was acknowledged when its last line was cut short', async () => {
  const { fileHost } = await import(pathToFileURL(join(folder, 'file-host.js')).href);
  const path = join(folder, 'queue');
  const id = '0'.repeat(32);
  const writes = [{ dict: 'meta', id, value: { timestamp: 1, attempts: 0 } }];
  const first = fileHost(path);
  assert.equal(await first.commit({ checks: [], writes }), true);
  await first.close();
  const before = readFileSync(path);
  appendFileSync(path, before.subarray(0, before.length >> 1));
  const second = fileHost(path);
  assert.deepEqual((await second.read('meta', id)).value, { timestamp: 1, attempts: 0 });
  assert.equal(await second.commit({ checks: [], writes: [{ dict: 'meta', id, value: undefined }] }), true);
  await second.close();
  const third = fileHost(path);
  assert.deepEqual(await third.sizes(), { size: 0, metaSize: 0 });
  await third.close();
});
