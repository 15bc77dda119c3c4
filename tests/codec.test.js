/** Records as bytes: what other programs find, what they may leave, and what comes back of every value. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encode } from 'cborg';
import {
  decodeEnvelope, decodeMeta, encodeEnvelope, encodeMeta, encodeRecord, encodeVersion, refuseTooMany,
} from '../pkg/hosts/shared/codec.js';
import { decodeManifest, encodeManifest, join, split } from '../pkg/hosts/shared/chunks.js';
import { Random } from './support/random.js';
import { randomValue } from './support/random-values.js';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (...parts) => new Uint8Array(Buffer.from(parts.join('').replaceAll(' ', ''), 'hex'));
const text = (string) => {
  const utf8 = Buffer.from(string);
  return (0x60 + utf8.length).toString(16) + utf8.toString('hex');
};
const [sender, recipients, message, timestamp, attempts] =
  ['sender', 'recipients', 'message', 'timestamp', 'attempts'].map(text);

describe('an envelope', () => {
  test('is the number of the format and a map of its fields, with its message beside it', () => {
    const body = new Uint8Array([7, 8]);
    const { record, message: beside } = encodeEnvelope({ sender: null, recipients: ['a@b'], message: body });
    assert.equal(hex(record), hex(bytes('01 a3', sender, 'f6', recipients, '81', text('a@b'), message, '82 00 02')));
    assert.deepEqual(beside, new Uint8Array([7, 8]));
  });

  test('says of a text how many bytes it has', () => {
    const { record, message: beside } = encodeEnvelope({ sender: '', recipients: [], message: 'é' });
    assert.equal(hex(record), hex(bytes('01 a3', sender, '60', recipients, '80', message, '82 01 02')));
    assert.deepEqual(beside, new Uint8Array([0xc3, 0xa9]));
  });

  test('has nothing beside it without a message', () => {
    const { record, message: beside } = encodeEnvelope({ sender: '', recipients: [] });
    assert.equal(hex(record), hex(bytes('01 a2', sender, '60', recipients, '80')));
    assert.equal(beside, undefined);
  });

  test('says what its extra values are in the tags that are registered for them', () => {
    const values = {
      date: [new Date(1500), 'c1 f9 3e00'], small: [5n, 'c2 41 05'], negative: [-1n, 'c3 41 00'],
      set: [new Set([1]), 'd9 0102 81 01'], map: [new Map([[1, 2]]), 'd9 0103 a1 01 02'],
      object: [{ a: 1 }, 'a1 6161 01'],
      bytes: [new Uint8Array([9]), '41 09'], integer: [-2, '21'], half: [0.5, 'f9 3800'], minus: [-0, 'f9 8000'],
      wide: [2 ** 60, 'fa 5d800000'], nothing: [null, 'f6'], yes: [true, 'f5'],
    };
    for (const [name, [value, code]] of Object.entries(values)) {
      const { record } = encodeEnvelope({ recipients: [], x: value });
      assert.equal(hex(record), hex(bytes('01 a2', recipients, '80', text('x'), code)), name);
    }
  });

  test('may be written by another program in longer forms than the shortest', () => {
    const record = bytes(
      '18 01 bf', recipients, '9f', '7803 614062', 'ff', sender, 'f7', message, '98 02 00 1a 00000001 ff',
    );
    const found = decodeEnvelope(record, new Uint8Array([5]));
    assert.deepEqual(found, { recipients: ['a@b'], sender: undefined, message: new Uint8Array([5]) });
  });

  test('is none when it cannot be read, or when its message is not the one it speaks of', () => {
    const { record, message: beside } = encodeEnvelope({ sender: null, recipients: [], message: 'text' });
    const wrong = [
      [record, undefined], [record, beside.subarray(1)], [record, new Uint8Array([255, 255, 255, 255])],
      [record.subarray(0, -1), beside], [bytes('01'), beside], [bytes(''), beside], [bytes('ff'), beside],
      [bytes('6161 a0'), beside], [bytes('01 a1 61 61'), beside], [bytes('01 a0 00'), beside],
      [bytes('01 a1', message, '05'), beside],
    ];
    for (const [bad, besides] of wrong) assert.deepEqual(decodeEnvelope(bad, besides), {}, hex(bad));
    assert.equal(decodeEnvelope(bytes('02 a1', recipients, '80'), undefined).recipients, undefined);
  });

  test('is encoded in the shortest form, whatever its values are and however many', () => {
    const whole = [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5, 2 ** 53 - 1, 2 ** 53, -1];
    const texts = [0, 23, 24, 255, 256, 70_000].flatMap((size) => ['a'.repeat(size), `${'a'.repeat(size)}é`]);
    const others = [0.5, null, true, undefined, [], {}, new Array(70_000).fill('ab'), 'ab\x7f'];
    for (const value of [...whole, ...texts, ...others]) {
      const expected = Buffer.concat([encode(1), encode({ list: [value, { value }] }, { mapSorter: undefined })]);
      assert.equal(hex(encodeRecord({ list: [value, { value }] })), hex(expected));
    }
  });

  test('with text that UTF-8 cannot hold is refused, wherever the text is', () => {
    const lone = '\ud800';
    for (const bad of [
      { message: lone }, { extra: lone }, { extra: { [lone]: 1 } }, { [lone]: 1 }, { extra: [new Map([[lone, 1]])] },
      { extra: new Set([`a${lone}b`]) }, { extra: `\udc00${lone}` },
    ]) {
      assert.throws(() => encodeEnvelope(bad), { name: 'TypeError', message: /surrogates/ });
    }
  });

  test('of random values comes back as it was', () => {
    const random = new Random(7);
    for (let i = 0; i < 3000; i++) {
      const envelope = { recipients: [], list: [randomValue(random), randomValue(random)] };
      const { record } = encodeEnvelope(envelope);
      assert.deepEqual(decodeEnvelope(record, undefined), envelope);
    }
  });
});

describe('a meta record', () => {
  test('is a map, with one bit a recipient for the marks', () => {
    const lease = { until: 2, owner: 'me' };
    const record = encodeMeta({ timestamp: 1, attempts: 3, deliveredIndexes: [0, 9], lease });
    assert.equal(hex(record), hex(bytes(
      '01 a4', timestamp, '01', attempts, '03', text('deliveredIndexes'), '42 01 02', text('lease'),
      'a2', text('until'), '02', text('owner'), text('me'),
    )));
  });

  test('marks a hundred thousand recipients in less than thirteen thousand bytes', () => {
    const deliveredIndexes = Array.from({ length: 100_000 }, (_, i) => i);
    const record = encodeMeta({ timestamp: 1, attempts: 0, deliveredIndexes });
    assert.ok(record.length < 13_000, `${record.length} bytes`);
    assert.deepEqual(decodeMeta(record).deliveredIndexes, deliveredIndexes);
  });

  test('that was read is, as a version, the bytes that it was read from, whoever wrote them', () => {
    const foreign = bytes('01 bf', attempts, '1800', timestamp, 'fb 3ff0000000000000 ff');
    const meta = decodeMeta(foreign);
    assert.deepEqual(meta, { attempts: 0, timestamp: 1 });
    assert.equal(hex(encodeVersion(meta)), hex(foreign));
    assert.equal(hex(encodeVersion({ ...meta })), hex(encodeMeta({ attempts: 0, timestamp: 1 })));
  });

  test('that was read and then changed is written as it is then', () => {
    const meta = decodeMeta(encodeMeta({ timestamp: 1, attempts: 0 }));
    meta.attempts = 5;
    assert.deepEqual(decodeMeta(encodeMeta(meta)), { timestamp: 1, attempts: 5 });
  });

  test('that cannot be read is none, and still a version of itself', () => {
    for (const bad of ['', 'ff', '01', '01 ff', '01 a1', '6161', 'f6 a0', '01 a0 00']) {
      const record = bytes(bad);
      const meta = decodeMeta(record);
      assert.deepEqual(meta, {}, bad);
      assert.equal(hex(encodeVersion(meta)), hex(record));
    }
  });

  test('of a newer format says so, and nothing else', () => {
    const newer = bytes('03 83 01 02 03');
    assert.deepEqual(decodeMeta(newer), { format: 3 });
    assert.equal(hex(encodeVersion(decodeMeta(newer))), hex(newer));
    assert.deepEqual(decodeMeta(encodeMeta({ timestamp: 1, format: 300 })), { format: 300 });
  });

  test('that no storage writes is kept as it is', () => {
    for (const strange of [
      { deliveredIndexes: [2, 1] }, { deliveredIndexes: ['a'] }, { deliveredIndexes: [] },
      { deliveredIndexes: [2 ** 40] }, { timestamp: 'soon' }, 'text', 5, null, [1],
    ]) {
      assert.deepEqual(decodeMeta(encodeMeta(strange)), strange);
      assert.equal(hex(encodeVersion(decodeMeta(encodeMeta(strange)))), hex(encodeMeta(strange)));
    }
  });
});

test('recipients are too many where a record that marks them all, and names them all as given up, would not fit', () => {
  const [limit, most] = [5_000, 5_600];
  const withSome = (length) => ({ recipients: Array.from({ length }, () => 'a@b') });
  refuseTooMany(withSome(most), limit);
  assert.throws(() => refuseTooMany(withSome(most + 1), limit), { name: 'QueueError', code: 'too-large' });
  const indexes = Array.from({ length: most }, (_, i) => i);
  const reply = { code: 550, message: 'x'.repeat(200) };
  const full = encodeMeta({
    timestamp: Number.MIN_VALUE, attempts: 2 ** 32 - 1, deliveredIndexes: indexes, firstAttempt: Number.MIN_VALUE,
    lease: { until: Number.MAX_VALUE, owner: 'x'.repeat(36) },
    failed: [0, 1].map((parity) => ({ attempt: 2 ** 32 - 1, indexes: indexes.filter((i) => i % 2 === parity) })),
    expires: Number.MAX_VALUE, scheduled: 2 ** 32 - 1, untold: 2 ** 32 - 1, notice: 'confirmed', format: 2,
    replies: Array.from({ length: 5 }, (_, i) => ({ reply, indexes: [i] })),
  });
  assert.ok(full.length <= limit, `${full.length} bytes`);
});

describe('an envelope in chunks', () => {
  const envelopeOf = (length) => ({
    recipients: ['a@b'], message: length === undefined ? undefined : new Uint8Array(length).map((_, i) => i + 1),
  });

  test('comes back from chunks of any size, of which only the last is smaller', () => {
    for (const length of [undefined, 0, 1, 9, 10, 11, 50, 1000]) {
      const { message, ...rest } = envelopeOf(length);
      const envelope = message ? { ...rest, message } : rest;
      for (const size of [1, 7, 10, 31, 32, 33, 64, 5000]) {
        const { manifest, chunks } = split(envelope, size);
        assert.deepEqual(join(manifest, chunks), envelope);
        assert.equal(manifest.pieces, chunks.length);
        for (const chunk of chunks.slice(0, -1)) assert.equal(chunk.length, size);
        assert.ok(chunks.at(-1).length > 0);
      }
    }
  });

  test('is none when a chunk is missing, twice there or another one', () => {
    const { manifest, chunks } = split(envelopeOf(100), 30);
    assert.ok(chunks.length > 3);
    for (const wrong of [chunks.slice(1), [...chunks, chunks[0]], [chunks[1], chunks[0], ...chunks.slice(2)], []]) {
      assert.deepEqual(join(manifest, wrong), {});
    }
  });

  test('has a manifest that says how long its parts are, how many chunks there are, and whose they are', () => {
    const { manifest } = split(envelopeOf(100), 30);
    manifest.upload = 'u';
    assert.deepEqual(decodeManifest(encodeManifest(manifest)), manifest);
    assert.equal(manifest.message, 100);
    for (const bad of ['', 'ff', '02 a0', '01 a0', '01 05']) assert.equal(decodeManifest(bytes(bad)), undefined);
  });
});
