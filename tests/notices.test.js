/** What a sender reads of a failure, as two parsers and a server that knows neither SMTPUTF8 nor 8BITMIME see it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import nodemailer from 'nodemailer';
import PostalMime from 'postal-mime';
import { DictStorage, Queue } from '../pkg/load/inline.js';
import { smtpRelay } from '../pkg/relays.js';
import { startSmtp } from './support/smtp.js';

const noPython = spawnSync('python3', ['--version']).status === 0 ? false : 'python3 is not installed';
if (noPython) console.log(`skipped: ${noPython}`);

/** @type {[string, string][]} */
const headers = [['Subject', 'Gr\u00fc\u00dfe = hello'], ['Message-ID', '<1@example.com>']];
const message = { sender: 'me@example.com', recipients: ['b@example.com'], headers, message: 'Hi\r\n' };
const refused = { code: 550, message: '5.1.1 No such user' };

/**
 * What the server gets when the first attempts of a message come to this: `null` of who is not in it.
 *
 * @param {import('node:test').TestContext} t
 * @param {Partial<import('../pkg/types.js').Envelope>} mail
 * @param {Record<string, import('../pkg/types.js').Reply>} replies by recipient
 * @returns {Promise<{ from: any, to: any[], message: Buffer }[]>}
 */
async function noticesOf(t, mail, replies) {
  const server = await startSmtp({
    data: ({ message }) => {
      if (message.some((byte) => byte > 127)) return '554 5.6.1 Eight bits are not taken here';
      return String(message).split('\r\n').some((line) => line.length > 998) ? '500 5.5.2 Line too long' : undefined;
    },
  }, { hideSMTPUTF8: true, hide8BITMIME: true });
  const transport = nodemailer.createTransport({ host: '127.0.0.1', port: server.port, ignoreTLS: true });
  const overSmtp = smtpRelay(transport);
  const queue = new Queue(new DictStorage(), {
    attempt: (envelope, ...attempt) => (envelope.sender
      ? envelope.recipients.map((address) => replies[address])
      : overSmtp.attempt(envelope, ...attempt)),
  });
  /** @type {unknown[]} */
  const failed = [];
  queue.addEventListener('error', ({ detail }) => failed.push(detail.error));
  queue.addEventListener('failed', ({ detail }) => {
    if (!detail.envelope.sender) failed.push(detail.reply);
  });
  t.after(async () => {
    await queue.stop();
    transport.close();
    await server.stop();
  });
  await queue.enqueue({ ...message, ...mail });
  await queue.flush(); // the message
  await queue.flush(); // what tells of it
  assert.deepEqual(failed, []);
  return server.mails;
}

/**
 * @param {import('node:test').TestContext} t
 * @param {Partial<import('../pkg/types.js').Envelope>} [mail]
 * @param {import('../pkg/types.js').Reply} [reply]
 */
async function noticeOf(t, mail = {}, reply = refused) {
  const recipients = mail.recipients ?? message.recipients;
  const notices = await noticesOf(t, mail, Object.fromEntries(recipients.map((address) => [address, reply])));
  assert.equal(notices.length, 1);
  return notices[0];
}

/**
 * What a notice says, as Python's email reads it; postal-mime has to read the same.
 *
 * @param {Uint8Array} raw
 */
async function read(raw) {
  const script = fileURLToPath(new URL('support/read-mail.py', import.meta.url));
  const { stdout, stderr, status } = spawnSync('python3', [script], { input: raw, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const report = JSON.parse(stdout);
  assert.deepEqual([report, ...report.parts].flatMap(({ defects }) => defects), []);
  assert.deepEqual(report.parts.map((/** @type {any} */ { type }) => type),
    ['text/plain', 'message/delivery-status', 'text/rfc822-headers']);
  const [text, status_, original] = report.parts;
  const [of, ...blocks] = status_.fields.map((/** @type {[string, string][]} */ block) => new Map(block));

  const mail = await PostalMime.parse(raw, { forceRfc822Attachments: true });
  const content = (/** @type {string} */ type) => {
    const part = mail.attachments.find(({ mimeType }) => mimeType === type);
    return new TextDecoder().decode(/** @type {ArrayBuffer} */ (part?.content));
  };
  const lines = (/** @type {string} */ of) => of.trim().split(/\r?\n/);
  assert.deepEqual(lines(mail.text ?? ''), lines(text.text));
  assert.deepEqual(lines(content('text/rfc822-headers')), lines(original.text));
  const unfolded = content('message/delivery-status').replace(/\r?\n /g, ' ');
  for (const block of [of, ...blocks]) {
    for (const [name, value] of block) assert.ok(lines(unfolded).includes(`${name}: ${value}`), `${name}: ${value}`);
  }
  return {
    headers: new Map(report.headers), text: text.text, original: original.text, of,
    /** @type {Map<string, string>[]} */
    blocks,
  };
}

/** What a field in ASCII stands for. */
const decoded = (/** @type {string | undefined} */ value) =>
  (value ?? '').replace(/\\x\{([0-9A-F]+)\}/g, (_, hex) => String.fromCodePoint(parseInt(hex, 16)));

test('each recipient has a block of fields with its own reply', { skip: noPython }, async (t) => {
  const recipients = ['a@example.com', 'b@example.com', 'c@example.com', 'd@example.com'];
  const notices = await noticesOf(t, { recipients }, {
    'a@example.com': refused, 'b@example.com': { code: 552, message: '5.2.2 Full' },
    'c@example.com': { code: 250, message: '2.0.0 Ok' }, 'd@example.com': refused,
  });
  const told = [];
  for (const notice of notices) {
    assert.deepEqual([notice.from.address, notice.to.map(({ address }) => address)], ['', ['me@example.com']]);
    const { blocks } = await read(notice.message);
    for (const block of blocks) {
      told.push(['Final-Recipient', 'Action', 'Status', 'Diagnostic-Code'].map((name) => block.get(name)).join(' | '));
    }
  }
  assert.deepEqual(told.sort(), [
    'rfc822; a@example.com | failed | 5.1.1 | smtp; 550 5.1.1 No such user',
    'rfc822; b@example.com | failed | 5.2.2 | smtp; 552 5.2.2 Full',
    'rfc822; d@example.com | failed | 5.1.1 | smtp; 550 5.1.1 No such user',
  ]);
});

test('a notice is a report with the headers of a message, and names what it is about', { skip: noPython }, async (t) => {
  const { headers, of, text, original } = await read((await noticeOf(t)).message);
  const names = 'From To Subject Date Message-ID Auto-Submitted MIME-Version Content-Type In-Reply-To References';
  assert.deepEqual([...headers.keys()], names.split(' '));
  assert.match(headers.get('Content-Type'), /^multipart\/report;.*report-type="?delivery-status"?/i);
  assert.deepEqual(['To', 'In-Reply-To'].map((name) => headers.get(name)), ['me@example.com', '<1@example.com>']);
  assert.equal(of.get('Reporting-MTA'), 'dns; example.com');
  assert.match(text, /to:\s+b@example\.com\s+What was said of it, at attempt 1:\s+550 5\.1\.1 No such user/);
  assert.equal(original.trim(), 'Subject: Gr\u00fc\u00dfe = hello\r\nMessage-ID: <1@example.com>'.replace(/\r/g, ''));
});

test('nothing in a refusal becomes a header, a field or a part', { skip: noPython }, async (t) => {
  for (const text of [
    'No\r\nX-Evil: 1\r\n\r\n--boundary', '\0\x1b[31mred', 'Content-Type: text/html', '=3D=\r\n', '.',
    '\u2028X-Evil: 1',
  ]) {
    const { headers, blocks } = await read((await noticeOf(t, {}, { code: 550, message: text })).message);
    assert.equal(blocks.length, 1, JSON.stringify(text));
    assert.ok(![...headers.keys(), ...blocks[0].keys()].includes('X-Evil'), JSON.stringify(text));
  }
});

test('an address and a reply beyond ASCII take no SMTPUTF8, and arrive whole', { skip: noPython }, async (t) => {
  const recipient = '\u7528\u6237+x@\u4f8b\u5b50.example';
  const said = '5.1.1 Gibt es nicht: \u00fc\u00f6 \u{1f600}';
  const { message: raw } = await noticeOf(t, { recipients: [recipient] }, { code: 550, message: said });
  const { blocks: [block], text, original } = await read(raw);
  assert.match(block.get('Final-Recipient') ?? '', /^utf-8; [\x21-\x7e]+$/);
  assert.equal(decoded(block.get('Final-Recipient')), `utf-8; ${recipient}`);
  assert.match(block.get('Diagnostic-Code') ?? '', /^smtp; 550 5\.1\.1 Gibt es nicht: [\x20-\x7e]+$/);
  assert.equal(decoded(block.get('Diagnostic-Code')), `smtp; 550 ${said}`);
  assert.ok(text.includes(recipient) && text.includes(said), text);
  assert.ok(original.includes('Subject: Gr\u00fc\u00dfe = hello'), original);
});

test('whatever is long is folded, cut or left out, and no line is too long for SMTP', { skip: noPython }, async (t) => {
  const long = 'x'.repeat(5_000);
  for (const [mail, reply] of /** @type {[object, any][]} */ ([
    [{ recipients: [`${long}@example.com`] }, refused],
    [{ recipients: [`${'\u00fc'.repeat(5_000)}@example.com`] }, refused],
    [{}, { code: 550, message: `5.1.1 ${long}` }],
    [{}, { code: 550, message: `5.1.1 ${'\u00fc'.repeat(5_000)}` }],
    [{}, { code: 550, message: `5.1.1 ${'word '.repeat(1_000)}` }],
    [{ headers: [['Message-ID', `<${long}@example.com>`]] }, refused],
    [{ receiver: long }, refused],
  ])) {
    const { blocks } = await read((await noticeOf(t, mail, reply)).message);
    assert.equal(blocks.length, 1);
    assert.equal(blocks[0].get('Status'), '5.1.1');
  }
});

test('an original header that is too long loses itself and no other one', { skip: noPython }, async (t) => {
  const { message: raw } = await noticeOf(t, {
    headers: [
      ['Subject', 'Gr\u00fc\u00dfe'], ['X-Unfolded', 'x'.repeat(5_000)], ['X-Huge', 'words and\n '.repeat(10_000) + 'x'],
      ['To', 'b@example.com,\n c@example.com'],
    ],
  });
  const { original } = await read(raw);
  assert.deepEqual(original.trim().split(/\r?\n/), ['Subject: Gr\u00fc\u00dfe', 'To: b@example.com,', ' c@example.com']);
});

test('a host or a domain of the sender beyond ASCII is named in ASCII, A-labels as they are', { skip: noPython }, async (t) => {
  for (const [mail, expected] of /** @type {[object, string][]} */ ([
    [{ receiver: 'xn--bcher-kva.example' }, 'dns; xn--bcher-kva.example'],
    [{ receiver: 'b\u00fccher.example' }, 'dns; b\\x{FC}cher.example'],
    [{ sender: 'me@b\u00fccher.example' }, 'dns; b\\x{FC}cher.example'],
    [{}, 'dns; example.com'],
  ])) {
    const { of, headers } = await read((await noticeOf(t, mail)).message);
    assert.equal(of.get('Reporting-MTA'), expected);
    assert.match(headers.get('From'), /<MAILER-DAEMON@[a-z.-]+>$/);
  }
});
