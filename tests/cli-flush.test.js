/** What the command line sends: by a real SMTP server and over HTTP; and what was given up. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { describe, test } from 'node:test';
import { EML, made, mail, project, put, run, start } from './support/cli.js';
import { gate } from './support/queues.js';
import { startSmtp } from './support/smtp.js';

const LEVEL = ['--level', 'q'];

/**
 * A folder with a queue of some messages.
 *
 * @param {...string[]} messages the recipients of each
 */
async function queued(...messages) {
  const folder = project();
  put(folder, { 'a.eml': EML });
  const ids = [];
  for (const to of messages) {
    const { lines: [id] } = await run(folder, ['add', ...LEVEL, ...to.flatMap((each) => ['--to', each]), 'a.eml']);
    ids.push(id);
  }
  return { folder, ids };
}

/** An SMTP server that ends with the test. */
async function smtp(test, rules, options) {
  const server = await startSmtp(rules, options);
  test.after(() => server.stop());
  return { ...server, option: ['--smtp', `smtp://127.0.0.1:${server.port}`] };
}

describe('flush', { concurrency: 2 }, () => {
  test('sends what is due by SMTP, writes what became of it, and removes it', async (t) => {
    const { folder, ids: [id] } = await queued(['a@example.com', 'b@example.com']);
    const { mails, option } = await smtp(t);
    const { code, lines, stderr } = await run(folder, ['flush', ...LEVEL, ...option]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(lines[0], new RegExp(`^${id}  delivered +1  250 2\\.6\\.0 Taken$`));
    assert.deepEqual(lines.slice(1), ['attempted 1: delivered 1, deferred 0, failed 0', 'left 0']);
    assert.deepEqual(mails.map(({ to }) => to.map(({ address }) => address)), [['a@example.com', 'b@example.com']]);
    assert.equal(String(mails[0].message), EML);
    assert.deepEqual((await run(folder, ['stats', ...LEVEL, '--json'])).json[0].messages, 0);
  });

  test('attempts again what was deferred, tells of each outcome as JSON, and ends with 1 as long as somebody waits', async (t) => {
    const { folder, ids: [id] } = await queued(['a@example.com', 'b@example.com']);
    let isFull = true;
    const { mails, option } = await smtp(t, { to: (address) => (isFull && address.startsWith('b') ? '452 4.2.2 Full' : undefined) });
    const first = await run(folder, ['flush', ...LEVEL, '--json', ...option]);
    assert.equal(first.code, 1);
    const [{ timestamp, ...deferred }] = first.json.filter(({ type }) => type === 'deferred');
    assert.deepEqual(deferred, { type: 'deferred', id, attempts: 1, recipients: ['b@example.com'], replies: [{ code: 452, message: '4.2.2 Full' }] });
    assert.ok(timestamp > Date.now());
    const { nextDue, ...end } = first.json.at(-1);
    assert.deepEqual(end, { type: 'end', attempted: 1, delivered: 1, deferred: 1, failed: 0, left: 1 });
    isFull = false;
    const second = await run(folder, ['flush', ...LEVEL, '--json', ...option]);
    assert.deepEqual([second.code, second.json.at(-1).left], [0, 0]);
    assert.deepEqual(mails.map(({ to }) => to[0].address), ['a@example.com', 'b@example.com']);
  });

  test('ends when everything is sent, also over connections that are kept for more', { timeout: 60_000 }, async (t) => {
    const { folder } = await queued(['a@example.com']);
    const { port } = await smtp(t);
    const { code, lines } = await run(folder, ['flush', ...LEVEL, '--smtp', `smtp://127.0.0.1:${port}/?pool=true`]);
    assert.deepEqual([code, lines.at(-1)], [0, 'left 0']);
  });

  test('posts over HTTP, no more messages than --limit says', async (t) => {
    const { folder } = await queued(['a@example.com'], ['b@example.com']);
    const posted = [];
    const server = createServer((request, response) => {
      posted.push(request.headers['x-envelope-recipient']);
      request.resume().on('end', () => response.end());
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    t.after(() => server.close());
    const { code, lines } = await run(folder, ['flush', ...LEVEL, '--http', `http://127.0.0.1:${server.address().port}/`, '--limit', '1']);
    assert.deepEqual([code, posted.length, lines.at(-2)], [0, 1, 'attempted 1: delivered 1, deferred 0, failed 0']);
    assert.match(lines.at(-1), /^left 1, next /);
  });

  test('keeps what was delivered for as long as --keep-delivered says', async (t) => {
    const { folder, ids: [id] } = await queued(['a@example.com']);
    const { option } = await smtp(t);
    await run(folder, ['flush', ...LEVEL, ...option, '--keep-delivered', '1h']);
    const { json } = await run(folder, ['ls', ...LEVEL, '--json']);
    assert.deepEqual(json.map((one) => [one.id, one.state]), [[id, 'delivered']]);
  });

  test('a server that is not there defers everything, which is told and no failure of the program', async () => {
    const { folder, ids: [id] } = await queued(['a@example.com']);
    const { code, lines, stderr } = await run(folder, ['flush', ...LEVEL, '--smtp', 'smtp://127.0.0.1:9']);
    assert.deepEqual([code, stderr], [1, '']);
    assert.match(lines[0], new RegExp(`^${id}  deferred +in \\d+[sm] +1  450 4\\.4\\.2 connect ECONNREFUSED`));
  });

  test('after ctrl-c no attempt begins, and those under way end as they do', async (t) => {
    const AT_ONCE = 100;
    const folder = await made((storage) => (
      Promise.all(Array.from({ length: 150 }, (_, i) => storage.write(mail([`${i}@example.com`]), i)))));
    const [full, interrupted] = [gate(), gate()];
    let begun = 0;
    const { mails, option } = await smtp(t, {}, {
      onMailFrom(_address, _session, callback) {
        if (++begun === AT_ONCE) full.open();
        interrupted.opened.then(() => callback());
      },
    });
    const { child, ended } = start(folder, ['flush', ...LEVEL, ...option]);
    await full.opened;
    child.kill('SIGINT');
    interrupted.open();
    const { code, lines, stderr } = await ended;
    assert.equal(stderr.trim(), 'interrupted: what is due was not all attempted');
    assert.deepEqual([code, lines.at(-2)], [1, `attempted ${AT_ONCE}: delivered ${AT_ONCE}, deferred 0, failed 0`]);
    assert.match(lines.at(-1), /^left 50, next /);
    assert.deepEqual([begun, mails.length], [AT_ONCE, AT_ONCE]);
  });

  test('ends with 1 and names the message where a record cannot be read, and sends the others', async (t) => {
    const { option } = await smtp(t);
    for (const record of ['envelope', 'meta']) {
      const folder = await made(async (storage, db) => {
        for (const digit of ['1', '2']) await storage.write(mail(['a@example.com']), 0, { id: digit.repeat(32) });
        await db.put(`${record}:${'1'.repeat(32)}`, 'nonsense');
      });
      const { code, lines, stderr } = await run(folder, ['flush', ...LEVEL, ...option]);
      assert.deepEqual([code, lines[1]], [1, 'attempted 1: delivered 1, deferred 0, failed 0'], record);
      assert.match(stderr, /^1{32}: corrupt: .*\n$/, record);
    }
    const kept = await made(async (storage) => {
      await storage.setRecipientsDelivered(await storage.write(mail(['a@example.com']), Date.now() + 1e9), [0]);
    });
    const { code, stderr } = await run(kept, ['flush', ...LEVEL, ...option]);
    assert.deepEqual([code, stderr], [0, '']);
  });

  test('what a server says drives no terminal', async (t) => {
    const { folder } = await queued(['a@example.com']);
    const { option } = await smtp(t, { to: () => '452 4.2.2 Full \u001b]0;owned\u0007\u202e' });
    const { stdout } = await run(folder, ['flush', ...LEVEL, ...option]);
    assert.match(stdout, /452 4\.2\.2 Full/);
    assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
  });
});

describe('dead letters', () => {
  test('what is given up is kept, listed, shown, queued again, and gone once it is delivered', async (t) => {
    const { folder, ids: [id] } = await queued(['a@example.com', 'b@example.com']);
    const dead = ['--dead-letter', 'dead'];
    let isGood = false;
    const { mails, option } = await smtp(t, { to: (address) => (!isGood && address.startsWith('b') ? '550 5.1.1 No such user' : undefined) });
    const flushed = await run(folder, ['flush', ...LEVEL, ...dead, ...option, '--json']);
    assert.equal(flushed.code, 1);
    assert.deepEqual(flushed.json.find(({ type }) => type === 'failed')?.recipients, ['b@example.com']);

    const { json } = await run(folder, ['ls', ...LEVEL, ...dead, '--state', 'failed', '--long', '--json']);
    assert.deepEqual(json.map((one) => [one.id, one.state, one.recipients]), [[id, 'failed', ['b@example.com']]]);
    const { json: [stats] } = await run(folder, ['stats', ...LEVEL, ...dead, '--json']);
    assert.equal(stats.failed, 1);
    const { json: [shown] } = await run(folder, ['show', ...LEVEL, ...dead, '--json', id]);
    assert.deepEqual([shown.state, shown.recipients], ['failed', [{ address: 'b@example.com', state: 'failed', reply: { code: 550, message: '5.1.1 No such user' } }]]);

    const retried = await run(folder, ['retry', ...LEVEL, ...dead, id]);
    assert.deepEqual([retried.code, retried.stderr], [0, '']);
    isGood = true;
    await run(folder, ['flush', ...LEVEL, ...dead, ...option]);
    const got = mails.flatMap(({ to }) => to.map(({ address }) => address)).filter((address) => address !== 'me@example.com');
    assert.deepEqual(got, ['a@example.com', 'b@example.com']);
    const left = await run(folder, ['ls', ...LEVEL, ...dead, '--json']);
    assert.deepEqual(left.json.filter(({ state }) => state === 'failed'), []);
  });
});
