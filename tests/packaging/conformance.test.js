import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { NAME, project, text } from './pack.js';

const run = promisify(execFile);
const home = project({ 'suite.js': text('suite.js') });

test('the suite for hosts runs as it is installed, on a host that a stranger has written', async () => {
  await passes(join(home, 'suite.js'));
});

test('the suite for hosts runs as a bundler for browsers makes it', async () => {
  const outfile = join(home, 'bundle/suite.js');
  await build({ entryPoints: [join(home, 'suite.js')], bundle: true, format: 'esm', platform: 'browser', outfile });
  await passes(outfile);
});

/** @param {string} path a program that runs the suite and prints how it went */
async function passes(path) {
  const { stdout, stderr } = await run(process.execPath, [path], { cwd: home });
  assert.equal(stderr, '');
  const { passed, failed } = JSON.parse(stdout);
  assert.deepEqual(failed, []);
  assert.ok(passed > 50, `${passed} tests`);
}
