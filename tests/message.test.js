import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DictStorage, Queue, formatMessage, parseMessage } from '../pkg/load/inline.js';
import { httpRelay } from '../pkg/relays.js';
import { Random } from './support/random.js';

/** @param {string} text one byte a character */
const raw = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const read = (bytes) => Buffer.from(bytes).toString('latin1');
/** @param {string | Uint8Array} message */
const parsed = (message) => {
  const { headers, message: body } = parseMessage(message);
  return [headers, read(body)];
};

test('a message becomes its headers, as they are folded, and its body', () => {
  const text = 'Received: b\r\nreceived: a\r\nTo: a,\r\n\tb\r\nX-Empty: \r\n\r\nHi\r\n';
  const expected = [[['Received', 'b'], ['received', 'a'], ['To', 'a,\r\n\tb'], ['X-Empty', '']], 'Hi\r\n'];
  assert.deepEqual(parsed(text), expected);
  assert.deepEqual(parsed(raw(text)), expected);
  assert.deepEqual(parsed('A: 1\nB: 2\n 3\n\nHi\n'), [[['A', '1'], ['B', '2\n 3']], 'Hi\n']);
});

test('any bytes are a message', () => {
  for (const [bytes, headers, body] of /** @type {[string, [string, string][], string][]} */ ([
    ['', [], ''],
    ['\r\nHi', [], 'Hi'],
    ['A: 1', [['A', '1']], ''],
    ['A: 1\r\n', [['A', '1']], ''],
    ['A: 1\r\nno field\r\nB: 2\r\n\r\nHi', [['A', '1']], 'no field\r\nB: 2\r\n\r\nHi'],
    [' A: 1\r\n', [], ' A: 1\r\n'],
    ['A : 1\r\n\r\n', [['A', '1']], ''],
    ['\xef\xbb\xbfFrom lena@example.com Mon Oct 12 08:14:03 2026\nA: 1\n\nHi', [['A', '1']], 'Hi'],
    ['A: \xc3\xbc\r\nB: \xfc\r\nC: a\0b\rc\r\n\r\n\0\xff\r', [['A', 'ü'], ['B', 'ü'], ['C', 'a b c']], '\0\xff\r'],
  ])) {
    assert.deepEqual(parsed(raw(bytes)), [headers, body], JSON.stringify(bytes));
  }
});

test('a head may be longer than what is looked at first, wherever that ends', () => {
  const body = 'no field: here\r\n'.repeat(10_000);
  for (const length of [65_000, 65_528, 65_529, 65_530, 65_531, 65_532, 65_533, 65_534, 65_535, 65_536, 300_000]) {
    const head = `A: ${'x'.repeat(length - 3)}`;
    assert.deepEqual(parsed(`${head}\r\n folded\r\nB: 2\r\n\r\n${body}`),
      [[['A', `${head.slice(3)}\r\n folded`], ['B', '2']], body], `${length}`);
    assert.deepEqual(parsed(`${head}\r\n\r\n${body}`), [[['A', head.slice(3)]], body], `${length}`);
  }
});

test('a message that is well formed comes back byte for byte', () => {
  const random = new Random(1);
  const letters = [...'!#09AZaz~ \t:,"ü🌱'];
  const text = (most) => Array.from({ length: random.below(most) }, () => random.pick(letters)).join('');
  for (let round = 0; round < 200; round++) {
    const fields = Array.from({ length: random.below(5) }, () => (
      `${random.pick(['To', 'X-!~', 'From'])}: ${[text(9), text(9), text(9)].slice(random.below(3)).join('\r\n ')}\r\n`));
    const body = Array.from({ length: random.below(40) }, () => random.below(256));
    const message = Buffer.concat([Buffer.from(`${fields.join('')}\r\n`), Buffer.from(body)]);
    assert.ok(message.equals(formatMessage(parseMessage(message))), message.toString());
  }
});

test('whatever is parsed can be stored, queued and written', async () => {
  const random = new Random(2);
  const pieces = [
    ...['\r\n', '\n', '\r', ': ', ' ', '\t', '\0', 'From ', 'A', '\xef\xbb\xbf'].map(raw), Uint8Array.of(0xff),
  ];
  const storage = new DictStorage();
  const queue = new Queue(storage);
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.concat(Array.from({ length: random.below(30) }, () => random.pick(pieces)));
    const envelope = { sender: null, recipients: ['you@example.com'], ...parseMessage(bytes) };
    const [stored] = storage.get(storage.write(envelope, 0));
    assert.deepEqual(stored, envelope);
    const [[, id]] = await queue.enqueue(envelope);
    const written = formatMessage(storage.get(id)[0]);
    assert.deepEqual(formatMessage(parseMessage(written)), written);
    assert.deepEqual(parseMessage(written).message, envelope.message);
  }
});

test('a parsed message shares nothing with its bytes', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(8));
  shared.set(raw('A: 1\n\nHi'));
  const { message } = parseMessage(shared);
  shared.fill(0);
  assert.deepEqual([read(message), message.buffer.constructor, message.buffer.byteLength], ['Hi', ArrayBuffer, 2]);
});

test('an envelope is written with its headers in UTF-8, each line with CRLF, and its body as it is', () => {
  const headers = /** @type {[string, string][]} */ ([['Subject', 'Grüße'], ['To', 'a,\n b,\r\n\tc'], ['X-Empty', '']]);
  const head = 'Subject: Grüße\r\nTo: a,\r\n b,\r\n\tc\r\nX-Empty: \r\n\r\n';
  assert.equal(Buffer.from(formatMessage({ headers, message: 'Hi\n' })).toString(), `${head}Hi\n`);
  const envelope = { sender: null, recipients: [], headers, message: Uint8Array.of(0, 255) };
  assert.ok(Buffer.concat([Buffer.from(head), Buffer.from([0, 255])]).equals(formatMessage(envelope)));
  assert.deepEqual(read(formatMessage({})), '\r\n');
});

test('a relay hands over the bytes that formatMessage makes, and refuses what it refuses', async () => {
  /** @type {[string, string][]} */
  const headers = [
    ['Subject', 'Hello'], ['Subject ', ' old'], ['X-Empty', ''], ['X-\u00fc', 'Gr\u00fc\u00dfe \ud83d\ude00'], [' ', ' '],
    ['To', 'a,\r\n b'], ['To', 'a,\n\tb'], ['To', 'a,\n \r\n\tb'], ['To', '\r\n '],
    ['', ''], ['A:B', '1'], ['A:', '1'], [':', '1'], ['A\r\nB', '1'], ['A\nB', '1'], ['A\rB', '1'], ['A\r\n B', '1'], ['A\0', '1'],
    ['A', '\r'], ['A', '\n'], ['A', 'a\r b'], ['A', 'a\r\tb'], ['A', 'a\rb'], ['A', 'a\r\r\n b'], ['A', 'a\r\n'], ['A', 'a\nb'],
    ['A', 'a\r\nBcc: x'], ['A', 'a\n \nBcc: x'], ['A', 'a\0'], ['A', '\ud800'], ['\udc00', 'a'], ['A'.repeat(90), '\0'.repeat(90)],
  ];
  const wrong = /** @type {any[]} */ ([
    { headers: null }, { headers: {} }, { headers: [['A']] }, { headers: [['A', 1]] }, { headers: [[null, 'a']] }, { headers: ['A: b'] },
    { message: null }, { message: 7 }, { message: 'a\ud800' }, { headers: [['A', 'b'], ['', '']], message: 7 },
  ]);
  const right = [{}, { message: 'Gr\u00fc\u00dfe\n' }, { message: Uint8Array.of(0, 255, 13) }, { headers: headers.slice(0, 9), message: '.' }];
  for (const envelope of [...headers.map((each) => ({ headers: [['Z', 'z'], each], message: 'Hi' })), ...right, ...wrong]) {
    let posted;
    const relay = httpRelay({
      url: 'https://mail.example/',
      async fetch(_, { body }) {
        posted = body;
        return new Response();
      },
    });
    const refusal = await Promise.resolve(relay.attempt({ sender: null, recipients: ['a@example.com'], ...envelope }, 0, /** @type {any} */ ({})))
      .then(() => undefined, String);
    let [expected, refused] = /** @type {any[]} */ ([]);
    try {
      expected = formatMessage(envelope);
    } catch (error) {
      refused = String(error);
    }
    assert.equal(refusal, refused, JSON.stringify(envelope));
    assert.deepEqual(posted, expected, JSON.stringify(envelope));
  }
});

test('what is no message and what is no envelope is refused by its name', () => {
  for (const wrong of [undefined, null, 7, [], {}, new ArrayBuffer(2), 'a\ud800']) {
    assert.throws(() => parseMessage(/** @type {any} */ (wrong)), /^TypeError: message: expected .+, got /);
  }
  for (const [wrong, name] of /** @type {[any, string][]} */ ([
    [undefined, 'envelope'], ['A: 1', 'envelope'], [{ headers: {} }, 'headers'], [{ message: 7 }, 'message'],
    [{ headers: [['A', '1'], ['B', 'x\r\nBcc: y']] }, 'headers[1][1]'], [{ headers: [['A:', '1']] }, 'headers[0][0]'],
  ])) {
    assert.throws(() => formatMessage(wrong), (error) => (
      error instanceof TypeError && error.message.startsWith(`${name}: expected `)));
  }
});
