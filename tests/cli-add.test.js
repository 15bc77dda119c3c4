/** The command line queues messages from files. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EML, project, put, read, run, start } from './support/cli.js';

const LEVEL = ['--level', 'q'];

/**
 * A folder with a file of a message for each list of recipients, and the names of these files.
 *
 * @param {string[]} lists
 */
function addressed(lists) {
  const folder = project();
  const files = lists.map((to, number) => [`${number}.eml`, `From: me@example.com\r\nTo: ${to}\r\n\r\nText\r\n`]);
  put(folder, Object.fromEntries(files));
  return { folder, names: files.map(([name]) => name) };
}

describe('add', { concurrency: 2 }, () => {
  test('queues a file under the addresses of its headers, without Bcc, and says its id', async () => {
    const folder = project();
    put(folder, {
      'a.eml': 'From: "Me, myself" <me@example.com>\r\nTo: (a comment, "here) Jane <jane@example.com>,\r\n "Doe, J." <j.doe@example.com>\r\n'
        + 'Cc: friends: a@example.com, <@old.example.com:b@EXAMPLE.com>;, b@example.com\r\nBcc: secret@example.com\r\nSubject: Hi\r\n\r\nText\r\n',
    });
    const { code, lines: [id], stderr } = await run(folder, ['add', ...LEVEL, 'a.eml']);
    assert.deepEqual([code, stderr], [0, '']);
    const [envelope, attempts] = await read(folder, (storage) => storage.get(id));
    assert.equal(envelope.sender, 'me@example.com');
    assert.deepEqual(envelope.recipients, ['jane@example.com', 'j.doe@example.com', 'a@example.com', 'b@example.com', 'secret@example.com']);
    assert.deepEqual(envelope.headers.map(([name]) => name), ['From', 'To', 'Cc', 'Subject']);
    assert.deepEqual([attempts, new TextDecoder().decode(envelope.message)], [0, 'Text\r\n']);
  });

  test('takes sender, recipients and time from its options, and the message from its input', async () => {
    const folder = project();
    const args = ['add', ...LEVEL, '--from=<>', '--to', 'x@example.com', '--to', '"a b"@example.com', '--at', '2030-01-31T08:00Z', '-'];
    const { code, lines: [id] } = await run(folder, args, { input: EML });
    assert.equal(code, 0);
    const [[timestamp], [envelope]] = await read(folder, async (storage) => [(await storage.load().next()).value, await storage.get(id)]);
    assert.deepEqual([envelope.sender, envelope.recipients], ['', ['x@example.com', '"a b"@example.com']]);
    assert.equal(timestamp, Date.UTC(2030, 0, 31, 8));
  });

  test('queues nothing of a message that ctrl-c has cut short', async () => {
    const folder = project();
    const { child, ended } = start(folder, ['add', ...LEVEL, '-']);
    child.stdin.on('error', () => {}); // nobody reads on
    // More than a pipe holds: the command is reading once it is gone.
    await new Promise((resolve) => child.stdin.write(EML + 'x'.repeat(1e6), resolve));
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    assert.deepEqual([code, stdout, stderr], [1, '', '-: interrupted: it was not queued\n']);
    assert.equal((await read(folder, (storage) => storage.getInfo())).metaSize, 0);
  });

  test('every recipient of a list is in the envelope: brackets in a name or in a comment are text', async () => {
    const lists = /** @type {[to: string, recipients: string[]][]} */ ([
      ['"Sales [EU" <a@example.com>, "Sales US]" <b@example.com>', ['a@example.com', 'b@example.com']],
      ['Sales [EU <a@example.com>, Sales US] <b@example.com>', ['a@example.com', 'b@example.com']],
      ['you@example.com (office [old), second@example.com (desk])', ['you@example.com', 'second@example.com']],
      ['a@[192.0.2.1], [x] <b@[IPv6:2001:db8::1]>', ['a@[192.0.2.1]', 'b@[IPv6:2001:db8::1]']],
      ['a@example.com <A@example.com>, \'b@example.com\' <b@example.com>', ['A@example.com', 'b@example.com']],
      ['a@example.com,b@example.com;"c, d"@example.com', ['a@example.com', 'b@example.com', '"c, d"@example.com']],
      ['pete(his account)@silly.test(his (\\)nested) host)', ['pete@silly.test']],
    ]);
    const { folder, names } = addressed(lists.map(([to]) => to));
    const { json, stderr } = await run(folder, ['add', ...LEVEL, '--json', ...names]);
    assert.equal(stderr, '');
    const envelopes = await read(folder, (storage) => Promise.all(json.map(async ({ id }) => (await storage.get(id))[0])));
    assert.deepEqual(envelopes.map(({ recipients }) => recipients), lists.map(([, recipients]) => recipients));
  });

  test('a list that cannot be read as a whole is refused, and not thinned', async () => {
    const lists = [
      'a@example.com <x@example.org', 'a@example.com <x@example.org>', '<a@example.com> b@example.org', '<a@example.com> <b@example.org>',
      '<a@example.com,b@example.org>', 'a@example.com b@example.org', 'a@example.com: b@example.org;', 'jane <a@example.com>: b@example.org',
      'a@example.com (b@example.org', 'a@example.com)', 'a@example.com>', 'a@example.com "b@example.org', '"b <a@example.com>', '<>',
      'a\\,b@example.com', 'a@example.com@example.org', '"me <x@example.com>',
    ];
    const { folder, names } = addressed(lists.map((wrong) => `you@example.com, ${wrong}`));
    const { code, stdout, stderr } = await run(folder, ['add', ...LEVEL, ...names]);
    assert.deepEqual([code, stdout], [1, '']);
    const says = lists.map((wrong, i) => `${names[i]}: has something else than an address in To: ${JSON.stringify(wrong)}`);
    assert.deepEqual(stderr.split('\n').slice(0, -1), says);
    assert.equal((await read(folder, (storage) => storage.getInfo())).size, 0);
  });

  test('a repeat with the same key queues nothing more', async () => {
    const folder = project();
    put(folder, { 'a.eml': EML });
    const ids = [];
    for (const _ of [1, 2]) ids.push((await run(folder, ['add', ...LEVEL, '--key', 'order 17', 'a.eml'])).stdout);
    assert.equal(ids[0], ids[1]);
    assert.equal((await read(folder, (storage) => storage.getInfo())).size, 1);
  });

  test('goes on after a file that is no message, names it, and ends with 1', async () => {
    const folder = project();
    put(folder, {
      'good.eml': EML, 'empty.eml': '', 'nobody.eml': 'From: me@example.com\r\n\r\n', 'anonymous.eml': 'To: you@example.com\r\n\r\n',
      'wrong.eml': 'From: me@example.com\r\nTo: you@example.com, not an address\r\n\r\n',
      'bad\u001b[2J.eml': 'no header',
    });
    const files = ['empty.eml', 'nobody.eml', 'anonymous.eml', 'wrong.eml', 'bad\u001b[2J.eml', 'missing.eml', '.', 'good.eml'];
    const { code, json, stderr } = await run(folder, ['add', ...LEVEL, '--json', ...files]);
    assert.deepEqual([code, json.map(({ file }) => file)], [1, ['good.eml']]);
    assert.deepEqual(stderr.split('\n'), [
      'empty.eml: is no message: it begins with no header',
      'nobody.eml: names no recipient in To, Cc or Bcc: say --to',
      'anonymous.eml: names no sender in From: say --from',
      'wrong.eml: has something else than an address in To: "not an address"',
      'bad\\u{1b}[2J.eml: is no message: it begins with no header',
      'missing.eml: there is no such file',
      '.: cannot be read: EISDIR: illegal operation on a directory, read', '',
    ]);
    assert.equal((await read(folder, (storage) => storage.getInfo())).size, 1);
  });
});
