/** An app of Next that uses the package in a route on the server and in a page that the server renders first. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { launch, skip } from './chromium.js';
import { EXPECTED } from './exercise.js';
import { NAME, ROOT, pack, text } from './pack.js';

const run = promisify(execFile);
const NEXT = join(ROOT, 'node_modules/next/dist/bin/next');
const env = { PATH: process.env.PATH, HOME: process.env.HOME, NEXT_TELEMETRY_DISABLED: '1', NO_COLOR: '1' };
/** Inside the repository: Next refuses modules of its own that are links to elsewhere. */
let home = '';
/** @type {import('node:child_process').ChildProcess} */
let server;
let url = '';

before(async () => {
  mkdirSync(join(ROOT, 'target'), { recursive: true });
  home = mkdtempSync(join(ROOT, 'target/next-'));
  cpSync(fileURLToPath(new URL('next', import.meta.url)), home, { recursive: true });
  cpSync(pack().folder, join(home, 'node_modules', NAME), { recursive: true });
  writeFileSync(join(home, 'exercise.js'), text('exercise.js'));
  writeFileSync(join(home, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const config = { turbopack: { root: ROOT }, outputFileTracingRoot: ROOT };
  writeFileSync(join(home, 'next.config.mjs'), `export default ${JSON.stringify(config)};`);
  await run(process.execPath, [NEXT, 'build'], { cwd: home, env }).catch(({ stdout, stderr }) => {
    throw new Error(`next build:\n${stdout}${stderr}`);
  });
  server = spawn(process.execPath, [NEXT, 'start', '--hostname', '127.0.0.1', '--port', '0'], { cwd: home, env });
  url = await addressOf(server);
});
after(() => {
  server?.kill();
  rmSync(home, { recursive: true, force: true, maxRetries: 3 });
});

test('a route answers with what it finds', async () => {
  const response = await fetch(`${url}/api/queue`);
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), EXPECTED);
});

test('a client page, rendered on the server, works in the browser', { skip }, async () => {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    /** @type {string[]} */
    const wrong = [];
    page.on('pageerror', (error) => wrong.push(String(error)));
    await page.goto(url);
    const found = await page.locator('output:not(:empty)').textContent();
    assert.deepEqual(JSON.parse(found ?? ''), { exercised: EXPECTED, info: { size: 1, metaSize: 1 } });
    assert.deepEqual(wrong, []);
  } finally {
    await browser.close();
  }
});

/**
 * Where a server listens, once it says so.
 *
 * @param {import('node:child_process').ChildProcess} server
 * @returns {Promise<string>}
 */
function addressOf(server) {
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (/** @type {Buffer} */ piece) => {
      said += piece;
      const [, found] = /(http:\/\/127\.0\.0\.1:[1-9]\d*).*Ready/s.exec(said) ?? [];
      if (found) resolve(found);
    };
    server.stdout?.on('data', hear);
    server.stderr?.on('data', hear);
    server.once('exit', () => reject(new Error(`next start:\n${said}`)));
  });
}
