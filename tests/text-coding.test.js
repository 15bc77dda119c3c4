/** Bytes as text: `tools/encode.js` writes it, `pkg/load/decode.js` reads it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../pkg/load/decode.js';
import { encode } from '../tools/encode.js';
import { Random } from './support/random.js';

const random = new Random(1);
const length = 5_000;
const SAMPLES = {
  nothing: new Uint8Array(),
  'one byte': Uint8Array.of(200),
  'every byte once': Uint8Array.from({ length: 256 }, (_, byte) => byte),
  'the same byte again and again': new Uint8Array(length).fill(7),
  'random bytes': Uint8Array.from({ length }, () => random.below(256)),
  'bytes of which few are frequent': Uint8Array.from({ length }, () => random.below(1 + random.below(256))),
};

for (const [what, bytes] of Object.entries(SAMPLES)) {
  test(`${what}: the text is read as the bytes that it was written for`, () => {
    const { text, order, size } = encode(bytes);
    assert.deepEqual(decode(text, order, size), bytes);
  });
}

test('the text stands in a string of JavaScript as it is', () => {
  const { text } = encode(SAMPLES['random bytes']);
  assert.equal(new Function(`return '${text}'`)(), text);
});
