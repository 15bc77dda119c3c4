/** The example in Rust, built and started as its page says, from beginning to end. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import { ROOT, newFolder, startProgram } from './support/documents.js';
import { startSmtp } from './support/smtp.js';

const TARGET = join(ROOT, 'target/examples');
const PROGRAM = join(TARGET, 'debug/rust-mailer');
const ADDRESS = /takes mail at (\S+)/;
const MAIL = { from: 'me@example.com', to: ['you@example.com'], subject: 'Grüße', text: 'How are you?' };

before(() => promisify(execFile)('cargo', ['build', '--quiet', '--target-dir', TARGET], {
  cwd: join(ROOT, 'examples/rust-mailer'),
  env: { ...process.env, CARGO_PROFILE_DEV_DEBUG: '0' }, // nobody debugs it
}));

/**
 * @param {string} folder
 * @param {string} server
 * @param {string[]} [command]
 */
const start = (folder, server, command = [PROGRAM]) => (
  startProgram(command, { folder, env: { PORT: '0', SMTP_SERVER: server } }));

/**
 * @param {string} url
 * @param {object} body
 * @param {object} [headers]
 */
const post = (url, body, headers = {}) => fetch(url, {
  method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body),
});

test('rust-mailer: it says which setting is missing or wrong', async () => {
  for (const [env, missing] of /** @type {[object, RegExp][]} */ ([
    [{}, /^SMTP_SERVER is missing/],
    [{ SMTP_SERVER: 'localhost' }, /^SMTP_SERVER: expected a name and a port, got localhost/],
    [{ SMTP_SERVER: 'localhost:25', QUEUE: 'no/such/folder' }, /no\/such\/folder/],
  ])) {
    const program = startProgram([PROGRAM], { folder: newFolder(), env: { PORT: '0', ...env } });
    assert.equal(await program.ended, 1, program.output());
    assert.match(program.output(), missing);
  }
});

test('rust-mailer: without an SMTP server it says so and takes mail, a repeat as the same message', async (t) => {
  const folder = newFolder();
  const first = start(folder, '127.0.0.1:1');
  t.after(() => first.end());
  await first.printed(/There is no SMTP server at 127\.0\.0\.1:1\. .*SMTP_SERVER names another/);
  const [, url] = await first.printed(ADDRESS);
  const key = { 'Idempotency-Key': 'order 17' };
  const taken = await post(url, MAIL, key);
  assert.equal(taken.status, 202);
  const [id] = await taken.json();
  assert.deepEqual(await (await post(url, MAIL, key)).json(), [id]);
  assert.equal((await post(url, { ...MAIL, to: ['nobody'] })).status, 400);
  await first.printed(new RegExp(`${id}: deferred: 450 .*onnect`));
  const [{ state, attempts, ...listed }, ...others] = await (await fetch(url)).json();
  assert.deepEqual([listed.id, state, attempts, others], [id, 'deferred', 1, []]);
  const another = await post(url, { ...MAIL, from: 'them@example.com' }, key);
  assert.notDeepEqual(await another.json(), [id], 'the key of one sender is not that of another');
  assert.equal((await post(url, MAIL, { 'Idempotency-Key': '' })).status, 400);

  const second = start(folder, '127.0.0.1:1');
  assert.equal(await second.ended, 1);
  assert.match(second.output(), /the file mail-queue\.redb is open already/);
  assert.equal(await first.end(), 0, first.output());
});

test('rust-mailer: what it accepted before it was killed arrives once', async (t) => {
  const folder = newFolder();
  /** @type {(value?: unknown) => void} */
  let begun = () => {};
  const begins = new Promise((resolve) => { begun = resolve; });
  let hangs = true;
  const smtp = await startSmtp({
    from() {
      begun();
      return hangs ? 'hang' : undefined;
    },
  });
  t.after(() => smtp.stop());
  const killed = start(folder, `127.0.0.1:${smtp.port}`);
  t.after(() => killed.child.kill('SIGKILL'));
  const [, url] = await killed.printed(ADDRESS);
  const taken = await post(url, MAIL);
  assert.equal(taken.status, 202);
  const [id] = await taken.json();
  await begins;
  killed.child.kill('SIGKILL');
  await killed.ended;
  hangs = false;

  const next = start(folder, `127.0.0.1:${smtp.port}`);
  t.after(() => next.end());
  await next.printed(new RegExp(`${id}: delivered: 250 `));
  const [, again] = await next.printed(ADDRESS);
  const listed = await (await fetch(again)).json();
  assert.deepEqual(listed.map((/** @type {any} */ one) => [one.id, one.state]), [[id, 'delivered']]);
  assert.equal(await next.end(), 0, next.output());
  assert.equal(smtp.mails.length, 1);
  const [{ from, to, message }] = smtp.mails;
  assert.deepEqual([from.address, to.map(({ address }) => address)], ['me@example.com', ['you@example.com']]);
  assert.match(String(message), /^Message-ID: <.*@example\.com>\r\n\r\nHow are you\?/m);
});

test('rust-mailer: it answers 503 where the disk has no room, and has what it accepted', async (t) => {
  // No file grows beyond 4 MiB, and who tries is told so and goes on.
  const small = start(newFolder(), '127.0.0.1:1', ['bash', '-c', `trap '' XFSZ; ulimit -f 4096; exec ${PROGRAM}`]);
  t.after(() => small.end());
  const [, url] = await small.printed(ADDRESS);
  const accepted = [];
  let response = await post(url, MAIL);
  for (; response.status === 202; response = await post(url, { ...MAIL, text: 'x'.repeat(500_000) })) {
    accepted.push(...await response.json());
  }
  assert.deepEqual([response.status, response.headers.get('Retry-After')], [503, '60'], small.output());
  assert.match(await response.text(), /there is no room for it/);
  const listed = await (await fetch(url)).json();
  assert.deepEqual(listed.map((/** @type {any} */ one) => one.id).sort(), accepted.sort());
});
