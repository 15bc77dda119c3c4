/** The command line in a terminal: what fits, colours, progress, and what is asked. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ClassicLevel } from 'classic-level';
import { levelHost } from '../pkg/hosts/level.js';
import { AsyncDictStorage } from '../pkg/load/inline.js';
import { PROGRAM, project, run, start } from './support/cli.js';

const TERMINAL = fileURLToPath(new URL('./support/terminal.py', import.meta.url));
const skip = hasPython() ? false : 'python3 is not installed';
if (skip) console.log(`skipped: ${skip}`);
const ID = 'a'.repeat(32);
const OTHER = 'b'.repeat(32);
const LEVEL = ['--level', 'q'];

/** In a terminal of so many columns; what it shows has one line break as `\n`. */
const inTerminal = (columns) => ({ program: ['python3', TERMINAL, String(columns), process.execPath, PROGRAM], env: { TERM: 'xterm' } });
const shown = (/** @type {string} */ text) => text.replaceAll('\r\n', '\n');

async function queued() {
  const folder = project();
  const db = new ClassicLevel(join(folder, 'q'));
  const storage = new AsyncDictStorage(levelHost(db));
  const write = (/** @type {string} */ id, /** @type {string} */ subject) => storage.write({
    sender: 'a.sender.with.a.long.name@example.com', recipients: ['a@example.com', 'somebody.with.a.long.name@mail.example.com'],
    headers: [['Subject', subject]], message: '',
  }, 0, { id });
  await write(ID, 'A subject that is longer than forty columns are');
  await write(OTHER, '\u6f22\u5b57\u306e\u4ef6\u540d\u306f\u5e45\u304c\u4e8c\u3064\u5206\u3042\u308b\u306e\u3067\u56db\u5341\u6841\u306b\u5165\u3089\u306a\u3044 \u001b[2J\u202e');
  const message = '4.2.0 The mailbox is full, and will be so for longer than forty columns';
  await storage.change(ID, null, { attempts: 3, replies: [{ reply: { code: 450, message }, indexes: [0, 1] }] });
  await db.close();
  return folder;
}

describe('in a terminal', { skip, concurrency: 2 }, () => {
  test('everything fits 40 columns, aligned, and is in colours', async () => {
    const folder = await queued();
    for (const args of [['ls'], ['ls', '--long'], ['show', ID], ['show', OTHER], ['stats'], ['check']]) {
      const { code, stdout } = await run(folder, [...args, ...LEVEL], { ...inTerminal(40), input: undefined });
      const plain = shown(stdout).replace(/\u001b\[[0-9;]*m|\r\u001b\[K|\r[^\n]*?\u001b\[K/g, '');
      assert.equal(code, 0, plain);
      assert.doesNotMatch(plain.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
      for (const line of plain.split('\n')) assert.ok(widthOf(line) <= 40, `${args[0]}: ${line}`);
      if (args.length === 1 && args[0] === 'ls') {
        assert.equal(plain, `ID\n  STATE     DUE      TRIES LAST REPLY\n${ID}\n  deferred  ${years()} ago      3 450 4.2.0 Th…\n`
          + `${OTHER}\n  waiting   ${years()} ago      0\n`);
        assert.match(stdout, /\u001b\[33mdeferred \u001b\[0m/);
      }
    }
  });

  test('a wide one has a line a message', async () => {
    const { stdout } = await run(await queued(), ['ls', ...LEVEL, '--no-color'], { ...inTerminal(100), input: undefined });
    assert.equal(shown(stdout), `ID${' '.repeat(32)}STATE      DUE       TRIES  LAST REPLY\n`
      + `${ID}  deferred   ${years()} ago       3  450 4.2.0 The mailbox is full, and wi…\n${OTHER}  waiting    ${years()} ago       0\n`);
  });

  test('NO_COLOR and --no-color take the colours away, and so does a pipe', async () => {
    const folder = await queued();
    const terminal = { ...inTerminal(100), input: undefined };
    const plain = await Promise.all([
      run(folder, ['stats', '--help'], terminal), run(folder, ['show', ...LEVEL, ID]),
    ]);
    for (const { stdout } of plain) assert.doesNotMatch(stdout, /\u001b\[\d+m/);
    for (const [args, env] of [[['--no-color'], {}], [[], { NO_COLOR: '1' }]]) {
      const { stdout } = await run(folder, ['show', ...LEVEL, ID, ...args], { ...terminal, env: { ...terminal.env, ...env } });
      assert.doesNotMatch(stdout, /\u001b\[\d+m/);
    }
  });

  test('rm asks, and does what the answer is', async () => {
    const folder = await queued();
    for (const [answer, code, said] of [['n', 1, /nothing was done/], ['', 1, /nothing was done/], ['yes', 0, /is removed/]]) {
      const asking = start(folder, ['rm', ...LEVEL, ID], inTerminal(100));
      await asking.said(/Remove message a{32} for good\? \[y\/N\] /);
      asking.child.stdin.write(`${answer}\r`);
      const ended = await asking.ended;
      assert.equal(ended.code, code, ended.stdout);
      assert.match(ended.stdout, said);
    }
  });

  for (const [key, character] of [['ctrl-c', '\u0003'], ['ctrl-d', '\u0004']]) {
    test(`${key} at a question does nothing, and ends with 1`, async () => {
      const folder = await queued();
      const asking = start(folder, ['rm', ...LEVEL, ID], inTerminal(100));
      await asking.said(/\[y\/N\] /);
      asking.child.stdin.write(character);
      assert.equal((await asking.ended).code, 1);
      assert.match((await run(folder, ['ls', ...LEVEL])).stdout, new RegExp(ID));
    });
  }

  test('long work shows how far it is, and takes that away at the end', async () => {
    const { stdout } = await run(await queued(), ['copy', ...LEVEL, '--to-level', 'to'], { ...inTerminal(40), input: undefined });
    assert.match(stdout, /\r\d of 2 messages\u001b\[K/);
    assert.match(shown(stdout), /\r\u001b\[Kcopied 2, there already 0, [^\n]*\n$/);
  });

  test('show --raw shows control characters as what they are', async () => {
    const { stdout } = await run(await queued(), ['show', ...LEVEL, '--raw', OTHER], { ...inTerminal(100), input: undefined });
    assert.match(stdout, /\\u\{1b\}\[2J\\u\{202e\}/);
    assert.doesNotMatch(stdout, /\u001b\[2J|\u202e/);
  });
});

/** How long ago the messages were due. */
function years() {
  return `${Math.floor(Date.now() / 31_557_600_000)}y`;
}

/** @param {string} text */
function widthOf(text) {
  return [...text].reduce((sum, character) => sum + (/[\u3000-\u9fff]/.test(character) ? 2 : 1), 0);
}

function hasPython() {
  try {
    return execFileSync('python3', ['-c', 'import pty, os; os.waitstatus_to_exitcode'], { stdio: 'ignore' }) !== undefined;
  } catch {
    return false;
  }
}
