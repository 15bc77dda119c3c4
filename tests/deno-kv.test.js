/** The Deno KV host in Deno itself, as it is installed. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { program, project, temporary } from './packaging/pack.js';
import { denoKvHost } from '../pkg/hosts/deno-kv.js';
import { idOf, queueError } from './support/calls.js';
import { smallDisk } from './support/disk.js';
import { killAfter } from './support/program.js';

const run = promisify(execFile);
const { arch, platform } = process;
const deno = program([`@deno/${platform}-${arch}-glibc/deno`, `@deno/${platform}-${arch}/deno`, 'deno/deno']);
const skip = deno ? false : 'Deno is not installed';
if (skip) console.log(`skipped: ${skip}`);

const LONG = Boolean(process.env.LONG);
const KILLS = LONG ? 50 : 3;
const STOPPED = LONG ? 30_000 : 1_500;
const INCREMENTS = LONG ? 5_000 : 500;
const ARGS = ['run', '--no-prompt', '--no-remote', '--quiet', '--unstable-kv', '-A'];
const source = (path) => readFileSync(fileURLToPath(new URL(`support/${path}`, import.meta.url)), 'utf8');

let home = '';
let env = {};
before(() => {
  if (skip) return;
  home = project({
    'suite.js': source('deno/suite.js'), 'work.js': source('deno/work.js'), 'lives.js': source('lives.js'),
  });
  env = { PATH: process.env.PATH, HOME: temporary(), NO_COLOR: '1' };
});
const newFile = () => join(temporary(), 'queue.kv');

/** What a program in Deno prints. */
async function work(what, file = newFile(), ...more) {
  const options = { cwd: home, env, maxBuffer: 1 << 26 };
  const { stdout, stderr } = await run(deno, [...ARGS, 'work.js', what, file, ...more], options);
  assert.equal(stderr, '');
  return stdout.trim() && JSON.parse(/^[[{\d]/.test(stdout) ? stdout : JSON.stringify(stdout.trim()));
}

/** A program in Deno that goes on until it is told otherwise. */
function start(...args) {
  const child = spawn(deno, [...ARGS, 'work.js', ...args], { cwd: home, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return { child, lines: createInterface({ input: child.stdout }), ended };
}

test('the suite for hosts, in Deno', { skip }, async (t) => {
  const options = { cwd: home, env, maxBuffer: 1 << 26 };
  const { stdout, stderr } = await run(deno, [...ARGS, 'suite.js', temporary()], options);
  assert.equal(stderr, '');
  const results = stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.ok(results.length > 50);
  for (const { name, error } of results) await t.test(name, () => assert.equal(error, undefined, error));
});

describe('large messages', { skip }, () => {
  test('wherever a program ends, a message is whole or not there, and what is left is found and cleared', async () => {
    const found = await work('crashes');
    assert.ok(found.length >= 12, `${found.length} crashes`);
    for (const crash of found) {
      const { whole, orphans, wrong, left, size, metaSize, after } = crash;
      const text = JSON.stringify(crash);
      assert.equal(wrong, 0, text);
      assert.equal(after, 0, text);
      if (whole === false) assert.fail(text);
      // Nothing is there unnoticed: what has keys is a message or an orphan.
      assert.equal(left, whole === true || orphans === 1, text);
      assert.deepEqual([size, metaSize], [Number(left), Number(whole === true)], text);
    }
    const [written, removed] = ['write', 'remove'].map((which) => found.filter(({ name }) => name === which));
    assert.ok(written.some(({ whole }) => whole) && written.some(({ whole }) => !whole));
    assert.ok(removed.some(({ orphans }) => orphans === 1));
  });

  test('one that is removed while it is written is whole or gone, and leaves nothing', async () => {
    assert.deepEqual(await work('race'), {
      length: 900_000, left: 0, check: { orphanEnvelopes: [], orphanMeta: [], corrupt: [] },
    });
  });

  test('one of more pieces than are deleted together goes whole', async () => {
    assert.deepEqual(await work('huge'), { pieces: 584, length: 35_000_000, left: 0 });
  });

  test('one with more recipients than a record can mark is too large, and leaves nothing', async () => {
    assert.deepEqual(await work('recipients'), { code: 'too-large', left: 0, remaining: 0 });
  });
});

test('a message is written once although Deno sends its commit again', { skip }, async () => {
  assert.deepEqual(await work('again'), { size: 2, metaSize: 2 });
});

test('where nothing says which of both commits of Deno was made, the outcome is unknown', { skip }, async () => {
  assert.deepEqual(await work('unsaid'), { code: 'unknown-outcome', cause: 'away', isThere: true });
});

describe('programs', { skip }, () => {
  test(`two that count attempts ${INCREMENTS} times each lose none`, async () => {
    const file = newFile();
    await work('create', file);
    await Promise.all([0, 1].map(() => work('count', file, String(INCREMENTS))));
    assert.equal(await work('attempts', file), 2 * INCREMENTS);
  });

  test(`one that is stopped for ${STOPPED} ms while it writes loses nothing, nor does another meanwhile`, async () => {
    const file = newFile();
    await work('create', file);
    const stopped = start('live', file, '100000');
    const acknowledged = new Map();
    let count = 0;
    const counted = new Promise((resolve, reject) => {
      stopped.ended.then((end) => reject(new Error(`it ended with ${end} before it was stopped`)));
      stopped.lines.on('line', (line) => {
        const [number, step] = line.split(' ').map(Number);
        acknowledged.set(number, step);
        count++;
        if (count === 100) {
          stopped.child.kill('SIGSTOP');
          setTimeout(() => stopped.child.kill('SIGCONT'), STOPPED);
          resolve(work('count', file, '200'));
        }
        if (count === 300) stopped.child.kill('SIGKILL');
      });
    });
    const failed = await counted.then(() => undefined, (error) => error);
    await stopped.ended;
    const attempts = await work('attempts', file);
    // The one that is stopped may have the lock of the file.
    if (failed) assert.match(failed.stderr, /QueueError: (timeout|unknown-outcome|host): /);
    assert.ok(failed ? attempts <= 200 : attempts === 200, `${attempts} attempts, ${failed}`);
    const list = join(temporary(), 'acknowledged.json');
    writeFileSync(list, JSON.stringify([...acknowledged]));
    assert.deepEqual((await work('judge', file, list)).lost, []);
  });

  test(`of ${KILLS} that are killed while they write, none loses or tears what was acknowledged`, async (t) => {
    const file = newFile();
    const acknowledged = new Map();
    for (let kill = 0; kill < KILLS; kill++) {
      await killAfter(start('live', file, String(kill * 100_000)), 50 + Math.floor(Math.random() * 200), acknowledged);
    }
    const list = join(temporary(), 'acknowledged.json');
    writeFileSync(list, JSON.stringify([...acknowledged]));
    assert.deepEqual(await work('judge', file, list), { lost: [], torn: [] });
    t.diagnostic(`${acknowledged.size} messages, ${KILLS} kills`);
  });
});

describe('the database', { skip }, () => {
  const disk = smallDisk();
  after(() => disk?.remove());
  const unmounted = disk ? false : 'nothing can be mounted here';

  test('a message that a full disk does not take is refused and nowhere', { skip: skip || unmounted }, async () => {
    const ballast = join(disk.folder, 'ballast');
    writeFileSync(ballast, new Uint8Array(5 * 2 ** 20));
    const found = await work('full', join(disk.folder, 'queue.kv'), ballast);
    assert.deepEqual(found, { codes: ['full'], refused: 3, there: 0, later: 1000, wrong: 0 });
  });

  test('a commit that fails with what is no word of its own is an unknown outcome whose cause is the thing thrown', async () => {
    const cause = new Error('the connection was lost');
    const atomic = { check: () => atomic, set: () => atomic, commit: () => Promise.reject(cause) };
    const getMany = async (keys) => keys.map((key) => ({ key, value: null, versionstamp: null }));
    const host = denoKvHost({ getMany, list: async function* () {}, atomic: () => atomic });
    const writes = [{ dict: 'meta', id: idOf(1), value: { timestamp: 1, attempts: 0 } }];
    const error = await queueError(() => host.commit({ checks: [], writes }), 'unknown-outcome', { id: idOf(1) });
    assert.equal(error.cause, cause);
    assert.equal(error.message, 'unknown-outcome: the commit failed: Error: the connection was lost');
  });

  test('one that its owner has closed is closed', async () => {
    assert.deepEqual(await work('closed'), ['closed', 'closed']);
  });

  test('what is no database is a TypeError, and queues of different prefixes do not meet', async () => {
    const { refused, here, keys } = await work('wrong');
    assert.deepEqual([refused, here], [[true, true, true, true, true], 0]);
    for (const key of keys) assert.deepEqual(key, ['other', 1]);
  });
});
