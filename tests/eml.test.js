import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { parseAddresses } from '../www/addresses.js';
import { EmlError, headerValue, headerValues, joinEml, splitEml, splitMbox } from '../www/eml.js';
import { compose } from '../www/compose.js';
import { readBody, readEnvelope, readFile, subjectOf } from '../www/mail.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** @param {string} text */
const bytes = (text) => encoder.encode(text);
/** @param {string} text one byte a character */
const raw = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
/** @param {Uint8Array | string} input */
const split = (input) => splitEml(typeof input === 'string' ? bytes(input) : input);

const samples = new URL('../www/samples/', import.meta.url);
const sampleNames = readdirSync(samples).sort();
const noPython = spawnSync('python3', ['--version']).status === 0 ? false : 'python3 is not installed';
/** @param {string} name */
const sample = (name) => new Uint8Array(readFileSync(new URL(name, samples)));

test('headers keep their order, their case and their repetitions', () => {
  const { headers, message } = split('Received: b\r\nreceived: a\r\nX-Empty:\r\nTo: x@example.com\r\n\r\nbody\r\n');
  assert.deepEqual(headers, [['Received', 'b'], ['received', 'a'], ['X-Empty', ''], ['To', 'x@example.com']]);
  assert.equal(decoder.decode(message), 'body\r\n');
});

test('a folded value keeps its folds, in CRLF and in LF', () => {
  assert.deepEqual(split('To: a,\r\n\tb,\r\n  c\r\n\r\n').headers, [['To', 'a,\r\n\tb,\r\n  c']]);
  assert.deepEqual(split('To: a,\n\tb,\n  c\n\n').headers, [['To', 'a,\n\tb,\n  c']]);
  assert.deepEqual(split('Subject:\r\n late\r\n\r\n').headers, [['Subject', '\r\n late']]);
});

test('a line of blanks among the headers continues the field before it', () => {
  const { headers, message } = split('A: 1\r\n \r\nB: 2\r\n\r\nbody');
  assert.deepEqual(headers, [['A', '1\r\n '], ['B', '2']]);
  assert.equal(decoder.decode(message), 'body');
});

test('only the one space after the colon is taken off, and nothing at the end', () => {
  assert.deepEqual(split('A:x\nB: y\nC:  z \nD: a: b\nE: \nF : f\n\n').headers, [
    ['A', 'x'], ['B', 'y'], ['C', ' z '], ['D', 'a: b'], ['E', ''], ['F', 'f'],
  ]);
});

test('the message is the bytes after the first empty line, untouched', () => {
  const body = raw('\r\n\n\x00\xff\r.\r\nA: no header\r\n\r\nend');
  const head = bytes('A: 1\r\n\r\n');
  const file = new Uint8Array([...head, ...body]);
  assert.deepEqual(split(file).message, body);
  assert.deepEqual(split(new Uint8Array([...bytes('A: 1\n\n'), ...body])).message, body);
});

test('a message may have no body and no empty line', () => {
  for (const text of ['A: 1', 'A: 1\r\n', 'A: 1\r\n\r\n', 'A: 1\n\n']) {
    const { headers, message } = split(text);
    assert.deepEqual(headers, [['A', '1']], JSON.stringify(text));
    assert.equal(message.length, 0);
  }
});

test('8-bit headers are UTF-8 or else Latin-1, field by field', () => {
  const file = new Uint8Array([...bytes('Subject: Grüße 🌱\r\n'), ...raw('From: J\xfcrgen <j@example.com>\r\n\r\n')]);
  assert.deepEqual(split(file).headers, [['Subject', 'Grüße 🌱'], ['From', 'Jürgen <j@example.com>']]);
});

test('a byte order mark and the first line of an mbox are no headers', () => {
  assert.deepEqual(split('\ufeffA: 1\n\n').headers, [['A', '1']]);
  assert.deepEqual(split('From lena@example.com Mon Oct 12 08:14:03 2026\nA: 1\n\n').headers, [['A', '1']]);
});

test('what is no message is refused with what it is instead', () => {
  const refused = /** @type {[Uint8Array | string, RegExp][]} */ ([
    ['', /^is empty$/],
    ['\r\n \r\n', /^holds nothing but blank lines$/],
    ['\r\nSubject: late\r\n', /^begins with an empty line$/],
    ['  Subject: x\r\n', /^begins with an indented line/],
    ['{\n  "a": 1\n}', /^does not begin with a header field/],
    ['just some words\nand more', /^does not begin with a header field/],
    [': no name\n\n', /^does not begin with a header field/],
    ['A: 1\nthis is broken\nB: 2\n\n', /^has a line among its headers \(line 2\) that is no header field$/],
    ['A: 1\rB: 2\r\rbody', /^has a carriage return inside line 1/],
    ['A: 1\r\nB: 2\rC: 3\r\n\r\n', /^has a carriage return inside line 2/],
    ['A: 1\nB: \0\n\n', /^is a binary file/],
    [raw('\x89PNG\r\n\x1a\n\0\0\0\rIHDR'), /^is a binary file/],
    [raw('PK\x03\x04\x14\0\x06\0'), /^is a binary file/],
    [raw('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0'), /^is an Outlook message \(\.msg\)/],
    [raw('\xff\xfeS\0u\0b\0j\0e\0c\0t\0:\0'), /^is a binary file/],
  ]);
  for (const [file, message] of refused) {
    assert.throws(() => split(file), (error) => error instanceof EmlError && message.test(error.message),
      `${JSON.stringify(file)} should be refused as ${message}`);
  }
});

test('values are found by name whatever its case, with their folds undone', () => {
  const { headers } = split('to: a,\r\n b\r\nTO : c\r\n\r\n');
  assert.equal(headerValue(headers, 'To'), 'a, b');
  assert.deepEqual(headerValues(headers, 'To'), ['a, b', 'c']);
  assert.equal(headerValue(headers, 'Cc'), undefined);
});

test('a message that was split and joined is the same, byte for byte', () => {
  for (const name of sampleNames) {
    const file = sample(name);
    const { headers, message } = splitEml(file);
    assert.deepEqual(joinEml(headers, message), file, name);
  }
  assert.equal(decoder.decode(joinEml([['A', '1']], 'text')), 'A: 1\r\n\r\ntext');
});

test('a body of many megabytes is not looked at and not copied', () => {
  const head = bytes('From: a@example.com\r\nTo: b@example.com\r\n\r\n');
  const file = new Uint8Array(head.length + 20_000_000).fill(0x41);
  file.set(head);
  const { message } = splitEml(file);
  assert.equal(message.length, 20_000_000);
  assert.equal(message.buffer, file.buffer);
});

test('every sample has CRLF line ends and becomes an envelope', () => {
  assert.ok(sampleNames.length >= 6);
  for (const name of sampleNames) {
    const file = sample(name);
    assert.ok(!/(?<!\r)\n/.test(Buffer.from(file).toString('latin1')), `${name} has a lone LF`);
    const envelope = readEnvelope(file, name);
    assert.ok(envelope.sender, name);
    assert.ok(envelope.recipients.length > 0, name);
    assert.equal(envelope.origin.size, file.length);
  }
});

test('the sender is the return path or else the author, and the null sender stays one', () => {
  /** @param {string} head */
  const sender = (head) => readEnvelope(bytes(`${head}To: x@example.com\n\n`), 'x.eml').sender;
  assert.equal(sender('Return-Path: <bounce@example.com>\nFrom: Lena <lena@example.com>\n'), 'bounce@example.com');
  assert.equal(sender('From: "Hartmann, Lena" <lena@example.com>\n'), 'lena@example.com');
  assert.equal(sender('Return-Path: <>\nFrom: Mailer <daemon@example.com>\n'), '');
  assert.equal(sender('Sender: s@example.com\n'), 's@example.com');
  assert.equal(sender(''), '');
});

test('the recipients are those in To, Cc and Bcc, each once, and the Bcc goes', () => {
  const envelope = readEnvelope(bytes([
    'From: a@example.com', 'To: "Doe, J." <j@example.com>, Team: k@example.org, l@example.org;',
    'Cc: J@example.com,', ' M <m@example.com>', 'bcc: n@example.com', 'Subject: x', '', '',
  ].join('\r\n')), 'x.eml');
  assert.deepEqual(envelope.recipients,
    ['j@example.com', 'k@example.org', 'l@example.org', 'm@example.com', 'n@example.com']);
  assert.deepEqual(envelope.origin.recipients, envelope.recipients);
  assert.deepEqual(envelope.headers?.map(([name]) => name), ['From', 'To', 'Cc', 'Subject']);
});

test('Delivered-To counts only where nobody else is named', () => {
  /** @param {string} head */
  const recipients = (head) => readEnvelope(bytes(`${head}\n\n`), 'x.eml').recipients;
  assert.deepEqual(recipients('Delivered-To: me@example.com\nTo: list@example.com'), ['list@example.com']);
  assert.deepEqual(recipients('Delivered-To: me@example.com\nTo: undisclosed-recipients:;'), ['me@example.com']);
});

test('a message to nobody is refused', () => {
  for (const head of ['Subject: x', 'To: undisclosed-recipients:;']) {
    assert.throws(() => readEnvelope(bytes(`${head}\n\n`), 'x.eml'), /names no recipient/, head);
  }
});

test('subjects and text are read as people read them', async () => {
  const { headers = [], message } = readEnvelope(sample('encoded-headers.eml'), '');
  assert.equal(subjectOf(headers), 'Приглашение на открытие выставки');
  const body = await readBody({ sender: '', recipients: [], headers, message });
  assert.match(body.text, /^Дорогие друзья,/);
  const photo = readEnvelope(sample('photo-attached.eml'), '');
  const { attachments } = await readBody(photo);
  assert.deepEqual(attachments.map(({ filename }) => filename), ['hill-at-dusk.png', 'who-came.csv']);
});

test('addresses are read with comments, quotes, groups, routes and literals', () => {
  for (const [text, ...expected] of [
    ['Ana (home) <ana@example.org>', 'Ana', 'ana@example.org'],
    ['ana@example.org (Ana (at home))', 'Ana (at home)', 'ana@example.org'],
    ['"Doe, J. \\"JD\\"" <j@example.org>', 'Doe, J. "JD"', 'j@example.org'],
    ['"a b"@example.org', '', '"a b"@example.org'],
    ['"a\\"b@c"@example.org', '', '"a\\"b@c"@example.org'],
    ['ana@[IPv6:2001:db8::1]', '', 'ana@[IPv6:2001:db8::1]'],
    ['Ana <ana@[192.0.2.1]>', 'Ana', 'ana@[192.0.2.1]'],
    ['<@one,@two:ana@example.org>', '', 'ana@example.org'],
    ['ana . b @ example . org', '', 'ana.b@example.org'],
    ['Team: ana@example.org, Ben <ben@example.org>;', '', 'ana@example.org', 'Ben', 'ben@example.org'],
    ['ana@example.org, , ben@example.org', '', 'ana@example.org', '', 'ben@example.org'],
    ['undisclosed-recipients:;'], ['(nobody)'],
  ]) {
    assert.deepEqual(parseAddresses(text).flatMap(({ name, address }) => [name, address]), expected, text);
  }
});

test('a file of which an address cannot be read is refused, and says which', () => {
  for (const address of [
    'ana', 'ana@', '@example.org', 'Ana <ana@example.org', 'a@b@c', 'ana@[IPv6:x]', '"ana@example.org', 'ana..b@example.org',
    'Ana <ana@example.org> Ben', '(ana@example.org',
  ]) {
    const file = new TextEncoder().encode(`From: a@example.com\r\nTo: ben@example.org, ${address}\r\n\r\nx`);
    assert.throws(() => readEnvelope(file, 'x.eml'), (error) => error instanceof EmlError && /in To, “.*” is no address/.test(error.message), address);
  }
});

test('an mbox of two messages becomes two, and lines that were quoted in it are as before', () => {
  const one = 'From a Mon Oct 12 08:14:03 2026\nTo: one@example.org\n\nText\n>From here\n>>From there\n\n';
  const two = 'From b Mon Oct 12 08:14:03 2026\nTo: two@example.org\n\n>From within\nText\n';
  const bytes = new TextEncoder().encode(one + two);
  const envelopes = readFile(bytes, 'x.mbox');
  assert.deepEqual(envelopes.map(({ recipients }) => recipients), [['one@example.org'], ['two@example.org']]);
  assert.deepEqual(envelopes.map(({ message }) => new TextDecoder().decode(message)), ['Text\nFrom here\n>From there\n\n', 'From within\nText\n']);
  const alone = new TextEncoder().encode('To: a@example.org\n\n\nFrom x\n');
  assert.deepEqual(splitMbox(alone), [alone]);
});

test('an mbox may begin with a byte order mark, and a paragraph that begins with From is no new message', () => {
  const one = '\uFEFFFrom a Mon Oct 12 08:14:03 2026\nTo: one@example.org\n\nText\n\nFrom here on it is mine.\n\n';
  const two = 'From b Mon Oct 12 08:14 2026\nTo: two@example.org\n\nText\n';
  const envelopes = readFile(new TextEncoder().encode(one + two), 'x.mbox');
  assert.deepEqual(envelopes.map(({ recipients }) => recipients), [['one@example.org'], ['two@example.org']]);
  assert.match(new TextDecoder().decode(envelopes[0].message), /From here on it is mine\./);
});

test('who gets a blind copy is nowhere in the message, also of one that was sent again', () => {
  const { headers } = readEnvelope(new TextEncoder().encode('To: a@example.org\nBcc: b@example.org\nResent-Bcc : c@example.org\n\nx'), 'x');
  assert.deepEqual(headers.map(([name]) => name), ['To']);
});

test('attached files arrive with their names and bytes, as Python reads them', { skip: noPython }, async () => {
  const names = ["report (1).pdf", "Ana's *%.txt", 'Grüße.txt', 'mail.eml'];
  const files = names.map((name) => new File([name], name, { type: name.endsWith('.eml') ? 'message/rfc822' : 'text/plain' }));
  const { headers, message } = await compose({ from: 'a@example.com', to: ['b@example.org'], subject: 'Files', text: 'x', files });
  const script = `import email, email.policy, json, sys
mail = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
print(json.dumps([[part.get_filename(), part.get_payload(decode=True).decode()] for part in mail.iter_attachments()]))`;
  const { stdout, stderr } = spawnSync('python3', ['-c', script], { input: joinEml(headers, message), encoding: 'utf8' });
  assert.deepEqual(JSON.parse(stdout || stderr), names.map((name) => [name, name]));
});
