/**
 * Records of random messages on Redis, for a program that copies them: `node random-records.js write|compare <port>
 * <prefix> <count>`. `compare` finds the copy of message i under the id i + count, with one attempt more, and writes what
 * it has read under i + 2 count.
 */
import assert from 'node:assert/strict';
import { createClient } from 'redis';
import { redisHost } from '../../pkg/hosts/redis.js';
import { idOf } from './calls.js';
import { Random } from './random.js';
import { randomValue } from './random-values.js';

const [what, port, prefix, number] = process.argv.slice(2);
const count = Number(number);
const client = createClient({ url: `redis://127.0.0.1:${port}` });
const host = redisHost(client, { prefix });
const random = new Random(11);
const perhaps = (/** @type {() => any} */ value) => (random.chance(2) ? value() : {});
const extras = () => Object.fromEntries(Array.from({ length: random.below(4) }, (_, i) => [`x-${i}`, randomValue(random)]));
const positions = () => [...new Set(random.some([0, 1, 2, 7, 8, 9, 1000]))].sort((a, b) => a - b);

function envelope() {
  return {
    sender: random.pick([null, '', 'grüße@example.com']),
    recipients: random.some(['a@example.com', 'b@example.com', 'c@example.com']),
    ...perhaps(() => ({ headers: [['X', 'folded\r\n value'], ['X', '']] })),
    message: random.pick([new Uint8Array([0, 255]), 'Grüße', '']),
    ...perhaps(() => ({ client: { ip: '192.0.2.1', ...extras() } })),
    ...perhaps(() => ({ receiver: 'here' })),
    ...perhaps(() => ({ timestamp: random.pick([0, 0.5, -1, 1e300, 2 ** 53]) })),
    ...perhaps(() => ({ noticeOf: { id: idOf(3), attempt: 2 } })),
    ...extras(),
  };
}

function meta() {
  const told = random.pick([{}, { untold: 3 }, { notice: 'open' }, { notice: 'void' }]);
  const ofQueue = {
    ...perhaps(() => ({ failed: [{ attempt: 1, indexes: [0] }, { attempt: 7, indexes: [8, 1000] }] })),
    ...perhaps(() => ({ firstAttempt: 1_700_000_000_000.5 })), ...perhaps(() => ({ expires: 1e15 })), ...perhaps(() => ({ scheduled: 2 })),
    ...perhaps(() => ({ replies: [{ reply: { code: 450, message: '4.2.0 später' }, indexes: [2, 9] }] })), ...told,
  };
  return {
    timestamp: random.pick([0, 0.5, -1, 1e300, 1_700_000_000_000]), attempts: random.pick([0, 1, 100_000]),
    ...perhaps(() => ({ deliveredIndexes: [0, ...positions().slice(1)] })),
    ...perhaps(() => ({ lease: { until: random.pick([1, 1.5]), owner: 'wörker' } })),
    ...ofQueue, ...(Object.keys(ofQueue).length > 0 && { format: 2 }), ...extras(),
  };
}

const write = (/** @type {string} */ id, /** @type {any} */ envelope, /** @type {any} */ meta) => host.commit({
  checks: [{ dict: 'envelope', id, version: null }],
  writes: [{ dict: 'envelope', id, value: envelope }, { dict: 'meta', id, value: meta }],
});

for (let i = 0; i < count; i++) {
  const [mail, record] = [envelope(), meta()];
  if (what === 'write') {
    await write(idOf(i), mail, record);
    continue;
  }
  const copy = [(await host.read('envelope', idOf(i + count)))?.value, (await host.read('meta', idOf(i + count)))?.value];
  const message = typeof mail.message === 'string' ? new TextEncoder().encode(mail.message) : mail.message;
  assert.deepEqual(structuredClone(copy), [{ ...mail, message }, { ...record, attempts: record.attempts + 1 }], `message ${i}`); // cloned: bytes come as Buffers
  await write(idOf(i + 2 * count), copy[0], copy[1]);
}
host.close?.();
client.destroy();
console.log('done');
