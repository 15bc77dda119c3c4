/** How the command line is called, and what it says when it is called in a wrong way. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { EML, project, put, run } from './support/cli.js';

const COMMANDS = ['ls', 'show', 'add', 'retry', 'rm', 'flush', 'check', 'repair', 'stats', 'watch', 'copy'];
const ID = '0'.repeat(32);
const folder = project();
put(folder, { 'a.eml': EML });

/**
 * @param {string} what
 * @param {string[]} args
 * @param {RegExp} says
 */
function isWrong(what, args, says) {
  test(what, async () => {
    const { code, stdout, stderr } = await run(folder, args);
    assert.match(stderr, says);
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
    assert.deepEqual([code, stdout], [2, '']);
  });
}

describe('what is said of the program', { concurrency: 4 }, () => {
  test('--help lists every command, and so does being called without one, which ends with 2', async () => {
    const [help, nothing] = await Promise.all([run(folder, ['--help']), run(folder, [])]);
    for (const command of COMMANDS) assert.match(help.stdout, new RegExp(`^  ${command} +[A-Z]`, 'm'));
    assert.deepEqual([help.code, help.stderr], [0, '']);
    assert.deepEqual([nothing.code, nothing.stdout, nothing.stderr], [2, '', help.stdout]);
  });

  test('--help of each command names its options, and fits 40 columns', async () => {
    for (const command of COMMANDS) {
      const { code, lines } = await run(folder, [command, '--help'], { env: { COLUMNS: '40' } });
      assert.equal(code, 0);
      assert.match(lines[0], new RegExp(`^slimta-queue-dict ${command} `));
      assert.ok(lines.some((line) => line.startsWith('  --level PATH')), command);
      for (const line of lines.slice(1)) assert.ok(line.length <= 40, line);
    }
  });

  test('--version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../pkg/package.json', import.meta.url), 'utf8'));
    assert.deepEqual((await run(folder, ['--version'])).lines, [version]);
  });

  test('the package has the program as its command', () => {
    const { bin, files } = JSON.parse(readFileSync(new URL('../pkg/package.json', import.meta.url), 'utf8'));
    assert.deepEqual(bin, { 'slimta-queue-dict': 'cli/main.js' });
    assert.ok(files.includes('cli'));
  });
});

describe('what is called in a wrong way is said in a line, and ends with 2', { concurrency: 4 }, () => {
  isWrong('a command that is not there', ['lst'], /there is no command "lst"; did you mean ls\?/);
  isWrong('a command that is nothing like one', ['frobnicate'], /there is no command "frobnicate"; --help lists them/);
  isWrong('a date that no calendar has', ['add', '--level', 'q', '--at', '2030-02-31T08:00Z', 'a.eml'], /--at: expected a time such as /);
  isWrong('a file that is named twice', ['add', '--level', 'q', 'a.eml', 'b.eml', 'a.eml'], /"a\.eml" is there twice/);
  isWrong('two addresses as one', ['add', '--level', 'q', '--to', 'a@example.com,b@example.com', 'a.eml'], /--to: expected an address such as /);
  for (const url of ['https://me:secret@mail.example.com/', 'https://secret@mail.example.com/']) {
    isWrong(`${url} as the service`, ['flush', '--level', 'q', '--http', url],
      /^(?!.*secret).*--http: expected a URL without user name and password, got "…@mail\.example\.com\/"/);
  }
  for (const [name, args] of Object.entries({
    '--redis': ['ls', '--redis', 'http://me:secret@example.com'], '--to-redis': ['copy', '--level', 'q', '--to-redis', 'me:secret@example.com'],
    '--smtp': ['flush', '--level', 'q', '--smtp', 'smtp://me:sec@ret@mail.example.com:no'], 'a command': ['redis://me:secret@example.com'],
    'an operand': ['ls', '--level', 'q', 'redis://me:secret@example.com'],
  })) isWrong(`the password of ${name} is not shown`, args, /^(?!.*secret|.*sec@ret).*…@/);
  isWrong('a command with control characters', ['l\u001b[2J'], /there is no command "l\\u001b\[2J"/);
  isWrong('an option in the place of the command', ['--level', 'q', 'ls'], /the command comes before "--level"/);
  isWrong('an option that is not there', ['ls', '--levle', 'q'], /there is no option --levle; did you mean --level\?/);
  isWrong('an option of another command', ['ls', '--level', 'q', '--raw'], /there is no option --raw/);
  isWrong('an option twice', ['ls', '--level', 'q', '--level', 'p'], /--level is there twice/);
  isWrong('an option without its value, at the end', ['ls', '--level'], /--level needs a value: --level PATH/);
  isWrong('an option without its value, before another', ['ls', '--level', '--json'], /--level needs a value/);
  isWrong('a switch with a value', ['ls', '--level', 'q', '--json=yes'], /--json takes no value/);
  isWrong('an operand too many', ['ls', '--level', 'q', 'more'], /nothing to be made of "more"/);
  isWrong('no place', ['ls'], /say which queue: --level PATH, or --redis URL/);
  isWrong('two places', ['ls', '--level', 'q', '--redis', 'redis://localhost'], /--level and --redis are two places/);
  isWrong('a prefix without Redis', ['ls', '--level', 'q', '--prefix', 'p'], /--prefix goes with --redis/);
  isWrong('a prefix with braces', ['ls', '--redis', 'redis://localhost', '--prefix', '{p}'], /--prefix: expected a text without braces/);
  isWrong('an empty path', ['ls', '--level', ''], /--level: expected a text that is not empty, got ""/);
  isWrong('a URL of something else', ['ls', '--redis', 'http://localhost'], /--redis: expected a URL that begins with redis:\/\//);
  isWrong('no URL', ['ls', '--redis', 'localhost'], /--redis: expected a URL/);
  isWrong('a state that is none', ['ls', '--level', 'q', '--state', 'lost'], /--state: expected one of waiting, .*, got "lost"/);
  for (const limit of ['-1', '1.5', 'many', '', '1e3']) {
    isWrong(`${limit || 'nothing'} as a limit`, ['ls', '--level', 'q', `--limit=${limit}`], /--limit: expected a whole number from 0/);
  }
  for (const command of ['show', 'retry', 'rm']) {
    isWrong(`${command} without an id`, [command, '--level', 'q'], /ID is missing/);
    isWrong(`${command} of no id`, [command, '--level', 'q', '123'], /ID: expected the id of a message, 32 hexadecimal digits/);
  }
  for (const id of ['F'.repeat(32), '../../etc/passwd', '', 'g'.repeat(32)]) {
    isWrong(`${id || 'nothing'} as an id`, ['show', '--level', 'q', id], /ID: expected the id of a message, 32 hexadecimal digits/);
  }
  isWrong('show of two', ['show', '--level', 'q', ID, ID.replace('0', '1')], /nothing to be made of/);
  isWrong('add without a file', ['add', '--level', 'q'], /FILE is missing/);
  isWrong('add with a key for two files', ['add', '--level', 'q', '--key', 'k', 'a.eml', 'b.eml'], /--key stands for one message/);
  for (const at of ['tomorrow', '2030-01-31', '2030-13-31T08:00Z', '+5', '+5w', '5m', '']) {
    isWrong(`${at || 'nothing'} as a time`, ['add', '--level', 'q', `--at=${at}`, 'a.eml'], /--at: expected a time such as/);
  }
  for (const to of ['you', 'you@', '@example.com', 'a b@example.com', 'a@b\r\nRCPT', '']) {
    isWrong(`${JSON.stringify(to)} as a recipient`, ['add', '--level', 'q', '--to', to, 'a.eml'], /--to: expected an address/);
  }
  isWrong('a sender that is no address', ['add', '--level', 'q', '--from', 'me', 'a.eml'], /--from: expected an address/);
  isWrong('flush without a relay', ['flush', '--level', 'q'], /say how to send: --smtp URL or --http URL/);
  isWrong('flush with two relays', ['flush', '--level', 'q', '--smtp', 'smtp://a', '--http', 'http://a'], /say how to send/);
  isWrong('a database that is no number', ['ls', '--redis', 'redis://localhost/mail'], /--redis: expected a URL whose path is the number of a database or nothing/);
  isWrong('who was given up, without a dead letter', ['ls', '--level', 'q', '--state', 'failed'], /--state failed lists a dead letter: name it with --dead-letter/);
  isWrong('flush by something else', ['flush', '--level', 'q', '--smtp', 'ftp://a'], /--smtp: expected a URL that begins with smtp:\/\/ or smtps/);
  isWrong('a time to keep that is none', ['flush', '--level', 'q', '--keep-delivered', '5'], /--keep-delivered: expected a time such as 90s/);
  isWrong('repair with an id that is none', ['repair', '--level', 'q', '--requeue', 'x'], /--requeue: expected the id/);
  isWrong('copy to nowhere', ['copy', '--level', 'q'], /say which queue: --to-level PATH, or --to-redis URL/);
  isWrong('copy to two places', ['copy', '--level', 'q', '--to-level', 'p', '--to-redis', 'redis://a'], /--to-level and --to-redis are two/);
  isWrong('copy to itself', ['copy', '--level', 'q', '--to-level', 'q'], /--to-level: expected another place/);
  isWrong('copy to itself on Redis', ['copy', '--redis', 'redis://a', '--to-redis', 'redis://:p@a:6379/0'], /--to-redis: expected another place/);
  isWrong('dead letters in the queue itself', ['ls', '--level', 'q', '--dead-letter', 'q'], /--dead-letter: expected another place/);
  isWrong('dead letters under a prefix with braces', ['ls', '--redis', 'redis://a', '--dead-letter', '{'], /--dead-letter: expected a text without/);
});

describe('what is not there', { concurrency: 4 }, () => {
  test('a LevelDB that is not there is not made by whoever only looks', async () => {
    for (const args of [['ls'], ['stats'], ['check'], ['repair'], ['show', ID], ['retry', ID], ['rm', '-y', ID], ['flush', '--http', 'http://a']]) {
      const { code, stderr } = await run(folder, [...args, '--level', 'none']);
      assert.deepEqual([code, stderr], [1, 'there is no LevelDB at none\n'], args[0]);
    }
    assert.ok(!readdirSync(folder).includes('none'));
  });

  test('a file, and a folder with something else, are no LevelDB', async () => {
    const file = await run(folder, ['ls', '--level', 'a.eml']);
    assert.deepEqual([file.code, file.stderr], [1, 'a.eml is a file; a LevelDB is a folder\n']);
    const other = await run(folder, ['add', '--level', 'node_modules', 'a.eml']);
    assert.deepEqual([other.code, other.stderr], [1, 'node_modules is a folder with something else in it than a LevelDB\n']);
  });

  test('what is not installed is named, with the command that installs it', async () => {
    // Beside a copy of the package alone: in the repository it would find its own.
    const bare = project([]);
    const root = new URL('..', import.meta.url);
    cpSync(new URL('pkg/', root), join(bare, 'node_modules/slimta-queue-dict'), { recursive: true });
    symlinkSync(new URL('node_modules/cborg', root), join(bare, 'node_modules/cborg'));
    const program = [process.execPath, join(bare, 'node_modules/slimta-queue-dict/cli/main.js')];
    const said = async (/** @type {string[]} */ ...args) => {
      const { code, stderr } = await run(bare, args, { program });
      assert.equal(code, 1);
      return stderr;
    };
    put(bare, { 'a.eml': EML });
    assert.equal(await said('add', '--level', 'q', 'a.eml'),
      '--level needs classic-level, which is not installed here: npm install classic-level\n');
    assert.equal(await said('ls', '--redis', 'redis://localhost'),
      '--redis needs redis, which is not installed here: npm install redis (ioredis would do, too)\n');
    assert.equal(await said('flush', '--level', 'q', '--smtp', 'smtp://localhost'),
      '--smtp needs nodemailer, which is not installed here: npm install nodemailer\n');
  });
});
