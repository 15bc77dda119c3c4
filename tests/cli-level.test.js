/** The command line on a LevelDB. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ClassicLevel } from 'classic-level';
import { encodeRecord } from '../pkg/hosts/shared/codec.js';
import { PermanentRelayError, Queue } from '../pkg/load/inline.js';
import { EML, PROGRAM, made, mail, project, put, read, run, start } from './support/cli.js';

const ID = 'a'.repeat(32);
const OTHER = 'b'.repeat(32);
const LEVEL = ['--level', 'q'];
describe('ls and show', { concurrency: 2 }, () => {
  const past = Date.now() - 5_000;
  /** A message in each state that a record can say. */
  const states = () => made(async (storage) => {
    const write = (/** @type {string} */ digit, /** @type {string[]} */ to) => storage.write(mail(to), past, { id: digit.repeat(32) });
    await write('1', ['a@example.com']);
    await write('2', ['a@example.com', 'b@example.com', 'c@example.com']);
    const replies = [{ reply: { code: 450, message: '4.2.0 later' }, indexes: [0] }, { reply: { code: 550, message: '5.1.1 no' }, indexes: [1] }];
    await storage.change('2'.repeat(32), null, {
      attempts: 3, timestamp: Date.now() + 330_000, delivered: [2], failed: { attempt: 3, indexes: [1] }, replies, firstAttempt: past,
    });
    await write('3', ['a@example.com']);
    await storage.change('3'.repeat(32), null, { attempts: 1, lease: { until: Date.now() + 300_000, owner: 'somebody' } });
    await write('4', ['a@example.com']);
    await storage.change('4'.repeat(32), null, { attempts: 1, delivered: [0] });
  });

  test('ls lists each message with its state, when it is due, how often it was attempted and what was said', async () => {
    const folder = await states();
    const { code, lines, stderr } = await run(folder, ['ls', ...LEVEL]);
    assert.deepEqual([code, stderr], [0, '']);
    const seen = lines.map((line) => line.replace(/\d+s ago/, '5s ago').replace(/ +/g, ' '));
    assert.deepEqual(seen, [
      `${'1'.repeat(32)} waiting 5s ago 0`, `${'2'.repeat(32)} deferred in 5m 3 450 4.2.0 later (+1)`,
      `${'3'.repeat(32)} sending 5s ago 1`, `${'4'.repeat(32)} delivered 5s ago 1`,
    ]);
    const columns = new Set(lines.map((line) => /^.{34}\w+ +(?=\S+ \w+ +\d)/.exec(line)?.[0].length));
    assert.deepEqual([...columns], [45]);
  });

  test('ls that is ended by a signal fails, since its list is not whole, and ends well when nobody reads on', async () => {
    // More than the system keeps for a reader who has stopped to read.
    const large = mail(['a@example.com'], { headers: [['Subject', 'x'.repeat(5_000)]] });
    const folder = await made((storage) => Promise.all(Array.from({ length: 300 }, () => storage.write(large, 0))));
    const args = ['ls', ...LEVEL, '--long', '--json'];
    for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT'])) {
      const { child, ended, said } = start(folder, args);
      await said(/waiting/);
      child.stdout.pause();
      child.kill(signal);
      child.stdout.resume();
      const { code, stderr } = await ended;
      assert.deepEqual([code, stderr], [1, 'interrupted: the list is not whole\n'], signal);
    }
    const { child, ended, said } = start(folder, args);
    await said(/waiting/);
    child.stdout.destroy();
    const { code, stderr } = await ended;
    assert.deepEqual([code, stderr], [0, '']);
  });

  test('show wraps a header of a megabyte', async () => {
    const id = '1'.repeat(32);
    const folder = await made((storage) => storage.write(mail(['a@example.com'], { headers: [['X-Long', 'word '.repeat(200_000)]] }), 0, { id }));
    const { code, lines } = await run(folder, ['show', ...LEVEL, id], { env: { COLUMNS: '40' } });
    assert.equal(code, 0);
    assert.equal(lines.join(' ').match(/\bword\b/g)?.length, 200_000);
    assert.ok(lines.every((line) => line.length <= 40));
  });

  test('ls --json is what a queue lists, an object a line; --state and --limit choose', async () => {
    const folder = await states();
    const { json } = await run(folder, ['ls', ...LEVEL, '--json', '--state', 'deferred', '--long']);
    assert.equal(json.length, 1);
    const { due, ...rest } = json[0];
    assert.ok(due > Date.now());
    assert.deepEqual(rest, {
      id: '2'.repeat(32), state: 'deferred', attempts: 3, sender: 'me@example.com', recipients: ['a@example.com'],
      headers: [['Subject', 'Hello']], replies: [{ code: 450, message: '4.2.0 later' }, { code: 550, message: '5.1.1 no' }],
    });
    const few = await run(folder, ['ls', ...LEVEL, '--json', '--limit=2']);
    assert.deepEqual(few.json.map(({ state }) => state), ['waiting', 'deferred']);
    assert.equal((await run(folder, ['ls', ...LEVEL, '--limit=0'])).stdout, '');
  });

  test('show tells what became of each recipient, with the last replies', async () => {
    const folder = await states();
    const { code, stdout } = await run(folder, ['show', ...LEVEL, '2'.repeat(32)]);
    assert.equal(code, 0);
    assert.match(stdout, /^state +deferred$/m);
    assert.match(stdout, /^attempts +3$/m);
    assert.match(stdout, /^recipients\n {2}deferred +a@example\.com\n {13}450 4\.2\.0 later\n {2}failed +b@example\.com\n {13}550 5\.1\.1 no\n {2}delivered +c@example\.com$/m);
    assert.match(stdout, /^headers\n {2}Subject: Hello$/m);
    const { json: [found] } = await run(folder, ['show', ...LEVEL, '--json', '2'.repeat(32)]);
    assert.deepEqual(found.recipients[1], { address: 'b@example.com', state: 'failed', reply: { code: 550, message: '5.1.1 no' } });
    assert.deepEqual([found.state, found.attempts, found.firstAttempt, found.size], ['deferred', 3, past, 8]);
  });

  test('show --raw gives the message back byte for byte', async () => {
    const folder = project();
    const bytes = 'From: me@example.com\r\nTo: you@example.com\r\nSubject: one\r\n two\u001b\r\n\r\nText \u001b[31m \u202e\r\n';
    put(folder, { 'a.eml': bytes });
    const { lines: [id] } = await run(folder, ['add', ...LEVEL, 'a.eml']);
    assert.equal((await run(folder, ['show', ...LEVEL, '--raw', id])).stdout, bytes);
  });

  test('show of what is not there says so', async () => {
    const folder = await states();
    const { code, stdout, stderr } = await run(folder, ['show', ...LEVEL, 'f'.repeat(32)]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /there is no such message/);
  });

  test('what is written of a mail drives no terminal, in text and in JSON', async () => {
    const evil = '\u001b]0;owned\u0007\u009b2J\u202eabc\u2066\u2028\u{e0041}';
    const folder = await made((storage) => storage.write(mail([`${evil.replaceAll('\u2028', '')}@example.com`], {
      headers: [['Subject', evil]],
    }), 0, { id: ID }).then(() => storage.change(ID, null, { replies: [{ reply: { code: 450, message: evil }, indexes: [0] }] })));
    for (const args of [['ls', '--long'], ['ls'], ['show', ID], ['ls', '--json', '--long'], ['show', '--json', ID]]) {
      const { stdout, json } = await run(folder, [...args, ...LEVEL]).then((ended) => (
        { stdout: ended.stdout, json: args.includes('--json') ? ended.json : [] }));
      assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, args.join(' '));
      assert.ok(stdout.includes('owned'));
      if (json[0]) assert.deepEqual(json[0].headers, [['Subject', evil]]);
    }
  });
});

describe('retry and rm', { concurrency: 2 }, () => {
  test('retry lets a message be due now, and names what is not there', async () => {
    const folder = await made((storage) => storage.write(mail(['a@example.com']), Date.now() + 1e9, { id: ID }));
    const { code, stdout, stderr } = await run(folder, ['retry', ...LEVEL, ID, OTHER]);
    assert.deepEqual([code, stdout], [1, `${ID} is due now\n`]);
    assert.equal(stderr, `${OTHER}: there is no such message that waits\n`);
    assert.ok((await read(folder, async (storage) => (await storage.load().next()).value[0])) <= Date.now());
  });

  test('retry leaves what is being sent, and says so', async () => {
    const folder = await made(async (storage) => {
      await storage.write(mail(['a@example.com']), 0, { id: ID });
      await storage.change(ID, null, { lease: { until: Date.now() + 300_000, owner: 'somebody' } });
    });
    const { code, stdout, stderr } = await run(folder, ['retry', ...LEVEL, ID]);
    assert.deepEqual([code, stdout, stderr], [1, '', `${ID}: it is being sent, and stays as it is\n`]);
  });

  test('rm leaves a message whose sender is still to be told, and says so', async () => {
    const folder = await made(async (storage) => {
      await storage.write(mail(['a@example.com']), 0, { id: ID });
      const relay = { attempt: () => new PermanentRelayError('5.1.1 no such user') };
      const queue = new Queue(storage, relay, { bounceQueue: { enqueue: () => Promise.reject(new Error('away')) } });
      await queue.run();
    });
    const { code, stderr } = await run(folder, ['rm', ...LEVEL, '--yes', ID]);
    assert.deepEqual([code, stderr], [1, `${ID}: its sender is still to be told, and it stays: --force removes it\n`]);
  });

  test('rm asks for --yes where nobody can be asked, and removes nothing without it', async () => {
    const folder = await made((storage) => storage.write(mail(['a@example.com']), 0, { id: ID }));
    const { code, stderr } = await run(folder, ['rm', ...LEVEL, ID]);
    assert.equal(code, 2);
    assert.match(stderr, /nobody can be asked here whether this is meant: --yes says that it is/);
    assert.equal((await read(folder, (storage) => storage.getInfo())).size, 1);
    const done = await run(folder, ['rm', ...LEVEL, '--yes', ID, ID]);
    assert.deepEqual([done.code, done.stdout, done.stderr], [0, `${ID} is removed\n`, '']);
    assert.deepEqual(await read(folder, (storage) => storage.getInfo()), { size: 0, metaSize: 0 });
  });

  test('rm leaves what is being sent and what was delivered, unless it is forced', async () => {
    const folder = await made(async (storage) => {
      await storage.write(mail(['a@example.com']), 0, { id: ID });
      await storage.change(ID, null, { lease: { until: Date.now() + 300_000, owner: 'somebody' } });
      await storage.write(mail(['a@example.com']), 0, { id: OTHER });
      await storage.setRecipientsDelivered(OTHER, [0]);
    });
    const none = 'c'.repeat(32);
    const { code, stderr } = await run(folder, ['rm', ...LEVEL, '--yes', ID, OTHER, none]);
    assert.equal(code, 1);
    assert.deepEqual(stderr.split('\n'), [
      `${ID}: it is being sent, and stays`, `${OTHER}: it was delivered, and is kept for a while`, `${none}: there is no such message`, '',
    ]);
    const forced = await run(folder, ['rm', ...LEVEL, '--yes', '--force', ID, OTHER]);
    assert.equal(forced.code, 0);
    assert.equal((await read(folder, (storage) => storage.getInfo())).size, 0);
  });
});

describe('check, repair and stats', { concurrency: 2 }, () => {
  /** One message of each kind that something is wrong with, and a whole one. */
  const broken = () => made(async (storage, db) => {
    for (const digit of ['1', '2', '3', '4', '5']) await storage.write(mail(['a@example.com']), 0, { id: digit.repeat(32) });
    await db.del(`meta:${'1'.repeat(32)}`);
    await db.del(`envelope:${'2'.repeat(32)}`);
    await db.put(`meta:${'3'.repeat(32)}`, 'nonsense');
    await db.put(`meta:${'4'.repeat(32)}`, encodeRecord({ timestamp: 0, attempts: 0 }, 9), { valueEncoding: 'view' });
  });
  const wrong = [
    `${'1'.repeat(32)}  an envelope that no list shows`, `${'2'.repeat(32)}  a record without its envelope`,
    `${'3'.repeat(32)}  cannot be read`, `${'4'.repeat(32)}  cannot be read`,
  ];

  test('check names what is not whole, and ends with 1; of a whole queue it says so', async () => {
    const { code, lines } = await run(await broken(), ['check', ...LEVEL]);
    assert.deepEqual([code, lines], [1, [...wrong, '4 found, beside whole messages']]);
    const whole = await run(await made((storage) => storage.write(mail(['a@example.com']), 0)), ['check', ...LEVEL]);
    assert.deepEqual([whole.code, whole.stdout], [0, '1 message, all whole\n']);
  });

  test('repair clears orphans, queues again what is named, and leaves the rest', async () => {
    const folder = await broken();
    const refused = await run(folder, ['repair', ...LEVEL]);
    assert.equal(refused.code, 2);
    const { code, lines } = await run(folder, ['repair', ...LEVEL, '--yes', '--requeue', '3'.repeat(32)]);
    assert.deepEqual([code, lines], [0, [
      `${'1'.repeat(32)}  cleared: an envelope that no list shows`, `${'2'.repeat(32)}  cleared: a record without its envelope`,
      `${'3'.repeat(32)}  queued again`,
    ]]);
    const { json: [left] } = await run(folder, ['check', ...LEVEL, '--json']);
    assert.deepEqual(left, { orphanEnvelopes: [], orphanMeta: [], corrupt: ['4'.repeat(32)] });
    const again = await run(folder, ['repair', ...LEVEL, '--yes', '--requeue', '4'.repeat(32)]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /^4{32}: it was not queued again/);
  });

  test('repair of a whole queue asks nothing', async () => {
    const folder = await made((storage) => storage.write(mail(['a@example.com']), 0));
    assert.deepEqual(await run(folder, ['repair', ...LEVEL]).then(({ code, stdout }) => [code, stdout]), [0, 'nothing to clear\n']);
  });

  test('ls tells of messages that it cannot list, show says of a newer format what to do', async () => {
    const folder = await broken();
    const { code, lines, stderr } = await run(folder, ['ls', ...LEVEL]);
    assert.deepEqual([code, lines.length], [0, 2]);
    assert.match(stderr, /^not listed: 2, whose records cannot be read or that came meanwhile; `check` tells$/m);
    const newer = await run(folder, ['show', ...LEVEL, '4'.repeat(32)]);
    assert.equal(newer.code, 1);
    assert.match(newer.stderr, /^newer-format: .*; a newer version of slimta-queue-dict wrote it: use that version$/m);
    for (const command of ['retry', 'rm']) {
      const { code, stderr } = await run(folder, [command, ...LEVEL, ...(command === 'rm' ? ['--yes'] : []), '4'.repeat(32)]);
      assert.equal(code, 1, command);
      assert.match(stderr, /use that version/, command);
    }
  });

  test('stats counts by state', async () => {
    const folder = await made(async (storage) => {
      await storage.write(mail(['a@example.com']), Date.now() + 1e9);
      await storage.incrementAttempts(await storage.write(mail(['a@example.com']), 0));
    });
    const { lines } = await run(folder, ['stats', ...LEVEL]);
    assert.deepEqual(lines, [
      'messages  2', 'waiting   1', 'deferred  1', 'due       1', 'sending   0', 'oldest    1970-01-01 00:00:00 UTC',
      `          ${Math.floor(Date.now() / 31_557_600_000)}y ago`,
    ]);
    const { json: [counts] } = await run(folder, ['stats', ...LEVEL, '--json']);
    assert.deepEqual(counts, { waiting: 1, due: 1, deferred: 1, sending: 0, failed: 0, oldestDue: 0, messages: 2 });
  });
});

describe('a LevelDB', () => {
  test('that another program has is said in a sentence, by every command, and nothing is changed', async () => {
    const folder = project();
    put(folder, { 'a.eml': EML });
    const db = new ClassicLevel(join(folder, 'q'));
    await db.open();
    for (const args of [['ls'], ['add', 'a.eml'], ['copy', '--to-level', 'other']]) {
      const { code, stdout, stderr } = await run(folder, [...args, ...LEVEL]);
      assert.deepEqual([code, stdout], [1, ''], args[0]);
      assert.equal(stderr, 'q is open in another program, and LevelDB lets in one at a time: stop that program first\n');
    }
    await db.close();
  });

  test('that cannot be opened is said with the reason that LevelDB has', async () => {
    const folder = await made((storage) => storage.write(mail(['a@example.com']), 0));
    put(folder, { 'q/CURRENT': 'nonsense' });
    const { code, stdout, stderr } = await run(folder, ['ls', ...LEVEL]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^host: .*CURRENT file does not end with newline\n$/);
  });

  test('is nothing to watch', async () => {
    const { code, stderr } = await run(project(), ['watch', ...LEVEL]);
    assert.equal(code, 1);
    assert.match(stderr, /^watch sees nothing on a LevelDB/);
  });

  test('is copied to another one as it is, and again without writing twice', async () => {
    const folder = await made(async (storage, db) => {
      for (const digit of ['1', '2', '3']) await storage.write(mail(['a@example.com', 'b@example.com']), 5, { id: digit.repeat(32) });
      await storage.change('1'.repeat(32), null, {
        attempts: 2, delivered: [1], firstAttempt: 7, scheduled: 2, untold: 2, failed: { attempt: 2, indexes: [1] },
        replies: [{ reply: { code: 450, message: 'later' }, indexes: [0] }], lease: { until: Date.now() + 60_000, owner: 'here:gone' },
      });
      await db.put(`meta:${'3'.repeat(32)}`, encodeRecord({ timestamp: 0, attempts: 0 }, 9), { valueEncoding: 'view' });
    });
    const first = await run(folder, ['copy', ...LEVEL, '--to-level', 'to']);
    assert.deepEqual([first.code, first.stdout], [1, 'copied 2, there already 0, being sent 0, failed 1\n']);
    assert.match(first.stderr, /^3{32}: newer-format/);
    const again = await run(folder, ['copy', ...LEVEL, '--to-level', 'to', '--json']);
    assert.deepEqual(again.json, [{ copied: 0, there: 2, sending: 0, failed: 1 }]);
    const records = async (/** @type {string} */ name) => {
      const db = new ClassicLevel(join(folder, name), { valueEncoding: 'hex' });
      const all = await db.iterator().all();
      await db.close();
      return all.filter(([key]) => !key.endsWith('3'.repeat(32)));
    };
    assert.deepEqual(await records('to'), await records('q'));
  });
});

describe('many messages', () => {
  const LARGE = 1_500;
  const many = made((storage) => Promise.all(Array.from({ length: 3_000 }, (_, i) => storage.write(mail(['a@example.com']), i))));

  test('ls ends when nobody reads on, and says nothing of it', async () => {
    const folder = await many;
    const { child, ended, said } = start(folder, ['ls', ...LEVEL, '--json']);
    await said(/\n/);
    child.stdout.destroy();
    const { code, stderr } = await ended;
    assert.deepEqual([code, stderr], [0, '']);
    const piped = await run(folder, ['-c', `"$0" "$1" ls --level q | head -1; echo "\${PIPESTATUS[0]}"`, process.execPath, PROGRAM], { program: ['bash'] });
    assert.match(piped.stdout, /^[0-9a-f]{32} .*\n0\n$/);
    assert.equal(piped.stderr, '');
  });

  test('what cannot be written is no success', { skip: existsSync('/dev/full') ? false : 'there is no /dev/full' }, async () => {
    const { code, stderr } = await run(await many, ['-c', '"$0" "$1" ls --level q > /dev/full', process.execPath, PROGRAM], { program: ['sh'] });
    assert.deepEqual([code, stderr], [1, 'what it writes cannot be written: ENOSPC: no space left on device, write\n']);
  });

  test('a copy that is interrupted says so, and the same command goes on', async () => {
    // So large that they are still being copied when the signal comes.
    const large = mail(['a@example.com'], { message: 'x'.repeat(20_000) });
    const folder = await made((storage) => Promise.all(Array.from({ length: LARGE }, (_, i) => storage.write(large, i))));
    const first = start(folder, ['copy', ...LEVEL, '--to-level', 'to']);
    while (!hasSome(join(folder, 'to'))) await new Promise((resolve) => setImmediate(resolve));
    first.child.kill('SIGINT');
    const { code, stderr, stdout } = await first.ended;
    assert.deepEqual([code, stderr], [1, 'interrupted: the same command goes on\n']);
    const copied = Number(/^copied (\d+),/.exec(stdout)?.[1]);
    assert.ok(copied > 0 && copied < LARGE, stdout);
    const second = await run(folder, ['copy', ...LEVEL, '--to-level', 'to', '--json']);
    assert.deepEqual(second.json, [{ copied: LARGE - copied, there: copied, sending: 0, failed: 0 }]);
  });
});

/**
 * Whether anything was written to a LevelDB.
 *
 * @param {string} folder
 */
function hasSome(folder) {
  try {
    return readdirSync(folder).some((name) => name.endsWith('.log') && statSync(join(folder, name)).size > 0);
  } catch {
    return false; // there is nothing yet
  }
}
