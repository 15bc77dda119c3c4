/** The examples, each started as its page says, from beginning to end. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { launch, skip as noChromium } from './packaging/chromium.js';
import { program, project, temporary } from './packaging/pack.js';
import { ROOT, newFolder, startProgram } from './support/documents.js';
import { skip as noRedis, startRedis } from './support/redis.js';
import { startSmtp } from './support/smtp.js';

const execute = promisify(execFile);
const NOWHERE = '127.0.0.1:1';
const { arch, platform } = process;
const deno = program([`@deno/${platform}-${arch}-glibc/deno`, `@deno/${platform}-${arch}/deno`, 'deno/deno']);
const noDeno = deno ? false : 'Deno is not installed';
const ADDRESS = /takes mail at (\S+)/;
const MAIL = { from: 'me@example.com', to: 'you@example.com', text: 'How are you?' };

/**
 * A copy of an example, with the package installed.
 *
 * @param {string} name
 */
function copyOf(name) {
  const folder = newFolder();
  cpSync(join(ROOT, 'examples', name), folder, { recursive: true });
  return folder;
}

/**
 * A service that takes mail over HTTP, and says no for as long as it is told.
 *
 * @param {import('node:test').TestContext} t
 */
async function startService(t) {
  /** @type {string[]} */
  const mails = [];
  const service = { url: '', mails, refuses: 0 };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    if (service.refuses-- > 0) return response.writeHead(503).end();
    mails.push(body);
    response.writeHead(202).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  service.url = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}/send`;
  return service;
}

/**
 * @param {string} url
 * @param {object} body
 * @param {object} [headers]
 */
async function post(url, body, headers = {}) {
  const response = await fetch(url, {
    method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body),
  });
  return { status: response.status, ...await response.json() };
}

/** @param {() => unknown} holds */
async function until(holds) {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

test('every example has a page, and names what it takes in the versions that the tests run with', () => {
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const { version } = JSON.parse(readFileSync(join(ROOT, 'pkg/package.json'), 'utf8'));
  for (const name of readdirSync(join(ROOT, 'examples')).filter((name) => !name.endsWith('.md'))) {
    assert.ok(readFileSync(join(ROOT, 'examples', name, 'README.md'), 'utf8').startsWith(`# ${name}\n`), name);
    if (existsSync(join(ROOT, 'examples', name, 'Cargo.lock'))) continue; // which has the versions
    const own = JSON.parse(readFileSync(join(ROOT, 'examples', name, 'package.json'), 'utf8'));
    for (const [dependency, range] of Object.entries({ ...own.dependencies, ...own.devDependencies })) {
      const expected = dependency === 'slimta-queue-dict' ? `^${version}` : devDependencies[dependency];
      assert.equal(range, expected, `${name}: ${dependency}`);
    }
  }
});

test('node-service: without an SMTP server it says so and takes mail, and sends it when there is one', async (t) => {
  const folder = copyOf('node-service');
  const first = startProgram([process.execPath, 'main.js'], { folder, env: { PORT: '0', SMTP_URL: `smtp://${NOWHERE}` } });
  t.after(() => first.end());
  await first.printed(/There is no SMTP server at smtp:\/\/127\.0\.0\.1:1 .*SMTP_URL names another/);
  const [, url] = await first.printed(ADDRESS);
  const key = { 'Idempotency-Key': 'order 17' };
  const taken = await post(url, { ...MAIL, subject: 'Grüße' }, key);
  assert.equal(taken.status, 202);
  assert.deepEqual(await post(url, { ...MAIL, subject: 'Grüße' }, key), taken);
  assert.match((await post(url, { ...MAIL, to: [] })).error, /recipients/);
  await first.printed(/again at .*ECONNREFUSED/);
  const { counts, waiting } = await (await fetch(url)).json();
  assert.deepEqual([counts.deferred, waiting[0].id, waiting[0].state], [1, taken.id, 'deferred']);
  const other = await post(url, { ...MAIL, to: 'them@example.com' });
  await until(async () => (await fetch(`${url}/${other.id}`, { method: 'DELETE' })).status === 204);

  const second = startProgram([process.execPath, 'main.js'], { folder, env: { PORT: '0' } });
  assert.equal(await second.ended, 1);
  assert.match(second.output(), /The folder mail-queue cannot be used: blocked/);
  assert.equal(await first.end(), 0, first.output());

  const smtp = await startSmtp();
  t.after(() => smtp.stop());
  const third = startProgram([process.execPath, 'main.js'], { folder, env: { PORT: '0', SMTP_URL: `smtp://127.0.0.1:${smtp.port}` } });
  t.after(() => third.end());
  const [, again] = await third.printed(ADDRESS);
  await post(again, MAIL);
  await third.printed(/delivered to you@example\.com/);
  assert.match(String(smtp.mails[0].message), /How are you\?/);
  const { counts: later } = await (await fetch(again)).json();
  if (Date.now() < Date.parse(waiting[0].due)) assert.equal(later.deferred, 1, 'the first one waits for its time');
  assert.equal(await third.end(), 0, third.output());
});

test('node-service: it reads no file, and delivers to the addresses beside names, whatever key another sender has', async (t) => {
  const smtp = await startSmtp();
  t.after(() => smtp.stop());
  const service = startProgram([process.execPath, 'main.js'], {
    folder: copyOf('node-service'), env: { PORT: '0', SMTP_URL: `smtp://127.0.0.1:${smtp.port}` },
  });
  t.after(() => service.end());
  const [, url] = await service.printed(ADDRESS);
  const file = join(ROOT, 'package.json');
  for (const wrong of [
    { text: { path: file } }, { html: { href: url } }, { subject: { path: file } }, { text: [{ path: file }] },
    { from: '' }, { from: undefined }, { to: '' }, { to: undefined }, { to: ['you@example.com', 'nobody'] },
  ]) {
    const { status, error } = await post(url, { ...MAIL, ...wrong });
    assert.equal(status, 400, JSON.stringify(wrong));
    assert.match(error, new RegExp(`^${Object.keys(wrong)[0]}: expected `));
  }
  const key = { 'Idempotency-Key': 'order 17' };
  const named = { ...MAIL, from: 'Me <me@example.com>', to: 'You <you@example.com>, them@example.com' };
  const { id } = await post(url, named, key);
  assert.equal((await post(url, MAIL, key)).id, id);
  assert.notEqual((await post(url, { ...MAIL, from: 'other@example.com' }, key)).id, id);
  await until(() => smtp.mails.length === 2);
  const sent = smtp.mails.map(({ from, to }) => [from.address, ...to.map(({ address }) => address)].join());
  assert.deepEqual(sent.sort(), ['me@example.com,you@example.com,them@example.com', 'other@example.com,you@example.com']);
  assert.equal(await service.end(), 0, service.output());
});

test('redis-workers: three processes send each message once', { skip: noRedis }, async (t) => {
  const folder = copyOf('redis-workers');
  const [redis, smtp] = await Promise.all([startRedis(), startSmtp()]);
  t.after(() => Promise.all([redis.stop(), smtp.stop()]));
  const env = { REDIS_URL: `redis://127.0.0.1:${redis.port}`, SMTP_URL: `smtp://127.0.0.1:${smtp.port}`, MESSAGES: '60' };
  const main = startProgram([process.execPath, 'main.js'], { folder, env });
  assert.equal(await main.ended, 0, main.output());
  assert.match(main.output(), /60 messages are in the queue[^]*0 messages are left\n$/);
  const sent = [...main.output().matchAll(/worker \d has sent (\d+)/g)].map(([, count]) => Number(count));
  assert.deepEqual([sent.length, sent.reduce((sum, count) => sum + count, 0)], [3, 60]);
  assert.equal(smtp.mails.length, 60);
  assert.equal(new Set(smtp.mails.map(({ to }) => to[0].address)).size, 60);
});

test('redis-workers: it says which server is missing', async (t) => {
  const folder = copyOf('redis-workers');
  const smtp = await startSmtp();
  t.after(() => smtp.stop());
  for (const [env, missing] of /** @type {[object, RegExp][]} */ ([
    [{ SMTP_URL: `smtp://${NOWHERE}` }, /There is no SMTP server at smtp:\/\/127\.0\.0\.1:1 /],
    [{ SMTP_URL: `smtp://127.0.0.1:${smtp.port}`, REDIS_URL: `redis://${NOWHERE}` }, /There is no Redis server at redis:\/\/127\.0\.0\.1:1 /],
  ])) {
    const main = startProgram([process.execPath, 'main.js'], { folder, env });
    assert.equal(await main.ended, 1, main.output());
    assert.match(main.output(), missing);
  }
});

test('durable-object: the alarm sends what was taken, again after a failure, and without SEND_URL it says so', async (t) => {
  const folder = copyOf('durable-object');
  const bare = startProgram([process.execPath, 'main.js'], { folder });
  assert.equal(await bare.ended, 1);
  assert.match(bare.output(), /SEND_URL is missing/);
  const service = await startService(t);
  service.refuses = 1;
  const main = startProgram([process.execPath, 'main.js'], { folder, env: { SEND_URL: service.url, PORT: '0', BACKOFF: '100' } });
  t.after(() => main.end());
  const [, url] = await main.printed(ADDRESS);
  assert.equal((await post(url, { ...MAIL, to: 'no\r\none' })).status, 400);
  assert.equal((await post(url, MAIL)).status, 202);
  await until(() => service.mails.length === 1);
  assert.match(service.mails[0], /^From: me@example\.com\r\n[^]*How are you\?$/);
  await until(async () => {
    const { waiting, sending, deferred } = await (await fetch(url)).json();
    return waiting + sending + deferred === 0;
  });
});

test('deno-kv: it sends what it takes, and without SEND_URL it says so', { skip: noDeno }, async (t) => {
  const path = (/** @type {string} */ name) => readFileSync(join(ROOT, 'examples/deno-kv', name), 'utf8');
  const folder = project({ 'main.js': path('main.js') });
  const command = [/** @type {string} */ (deno), 'run', '--no-prompt', '--no-remote', '--quiet', '--unstable-kv', '-A', 'main.js'];
  const env = { HOME: temporary(), NO_COLOR: '1', PORT: '0' };
  const bare = startProgram(command, { folder, env });
  assert.equal(await bare.ended, 1);
  assert.match(bare.output(), /SEND_URL is missing/);
  const service = await startService(t);
  const main = startProgram(command, { folder, env: { ...env, SEND_URL: service.url } });
  t.after(() => main.end());
  const [, url] = await main.printed(ADDRESS);
  assert.equal((await post(url, { ...MAIL, to: [] })).status, 400);
  const { id } = await post(url, MAIL);
  await main.printed(new RegExp(`${id}: delivered to you@example\\.com`));
  assert.match(service.mails[0], /^From: me@example\.com\r\n/);
  assert.equal(await main.end(), 0, main.output());
});

test('offline-form: its server goes on whatever is sent, and takes each request without a key', async (t) => {
  const folder = copyOf('offline-form');
  mkdirSync(join(folder, 'dist'));
  const server = startProgram([process.execPath, 'server.js'], { folder, env: { PORT: '0' } });
  t.after(() => server.end());
  const [, url] = await server.printed(/the form is at (\S+)/);
  const send = async (/** @type {string} */ body, headers = {}) => (await fetch(`${url}send`, { method: 'POST', body, headers })).status;
  const ask = (/** @type {object} */ options) => request({ port: new URL(url).port, host: '127.0.0.1', ...options });
  const [strange] = await once(ask({ path: '//' }).end(), 'response');
  assert.equal(strange.resume().statusCode, 400);
  const aborted = ask({ path: '/send', method: 'POST', headers: { 'Content-Length': '100' } });
  aborted.on('error', () => {}).write('The beginning', () => aborted.destroy());
  await new Promise((resolve) => aborted.once('close', resolve));
  assert.equal(await send('x'.repeat(5_000_000)), 413);
  for (const headers of [{}, {}, { 'Idempotency-Key': 'one' }, { 'Idempotency-Key': 'one' }]) {
    assert.equal(await send('Hello', headers), 202);
  }
  assert.equal(server.output().split('Hello').length - 1, 3);
  assert.equal(await server.end(), 0, server.output());
});

test('offline-form: what is sent offline is kept, and goes out once when there is a network', { skip: noChromium }, async (t) => {
  const folder = copyOf('offline-form');
  const bare = startProgram([process.execPath, 'server.js'], { folder, env: { PORT: '0' } });
  assert.equal(await bare.ended, 1);
  assert.match(bare.output(), /dist is missing/);
  await execute(process.execPath, [join(ROOT, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'error'], { cwd: folder });
  const server = startProgram([process.execPath, 'server.js'], { folder, env: { PORT: '0' } });
  t.after(() => server.end());
  const [, url] = await server.printed(/the form is at (\S+)/);
  const browser = await launch();
  t.after(() => browser.close());
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  await page.evaluate('navigator.serviceWorker.ready.then(() => {})');
  await context.setOffline(true);
  await page.reload(); // from the cache, after one visit
  await page.fill('input', 'me@example.com');
  await page.fill('textarea', 'From far away');
  await page.dblclick('button'); // one message all the same
  await page.locator('[role=status]', { hasText: 'It is kept' }).waitFor();
  await page.locator('li', { hasText: 'From far away' }).waitFor();
  assert.doesNotMatch(server.output(), /From far away/);
  await page.locator('li', { hasText: 'deferred' }).waitFor(); // an attempt under way would keep the worker waiting
  // As if the page was closed before there was a network: the worker alone sends.
  await page.close();
  await context.setOffline(false);
  const other = await context.newPage();
  await other.goto(`${url}page.js`); // of the site, and without the queue
  const client = await context.newCDPSession(other);
  const registered = new Promise((resolve) => {
    client.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => registrations.length > 0 && resolve(registrations[0]));
  });
  await client.send('ServiceWorker.enable');
  const { registrationId } = /** @type {any} */ (await registered);
  await client.send('ServiceWorker.dispatchSyncEvent', {
    origin: new URL(url).origin, registrationId, tag: 'outbox', lastChance: false,
  });
  await server.printed(/Subject: From the form[^]*From far away/);
  await other.goto(url);
  await other.waitForFunction('document.querySelectorAll("li").length === 0');
  assert.equal(server.output().split('From far away').length, 2);
});
