/** Structured values that cross between JavaScript and the core: drawn at random, they come out as they went in. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anEnvelope, idOf } from './support/calls.js';
import { Random } from './support/random.js';
import { subjects } from './support/subjects.js';

const QUEUE_FIELDS = ['failed', 'firstAttempt', 'expires', 'scheduled', 'untold', 'notice', 'replies'];

const ROUNDS = process.env.LONG ? 20_000 : 500;
const RECIPIENTS = anEnvelope().recipients.length;

/** Numbers at which an encoding could go wrong. */
const NUMBERS = [
  0, -0, 1, -1, 0.1, 5e-324, 1e300, -1e300, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 + 2, -(2 ** 53), 1_700_000_000_000.5,
];
const COUNTS = [0, 1, 2, 2 ** 31, 2 ** 32 - 1];
const OWNERS = ['', 'a', '__proto__', 'h\u00e9 \u{1f600}', '\0', 'x'.repeat(1_000), 'lock:1', 'here:1'];

/** Fields of a meta record that this version does not know. */
function unknownFields(random) {
  const fields = {};
  for (const name of random.some(['later', 'history', '\u{1f600}', 'constructor'])) {
    fields[name] = random.pick([
      null, true, 1.5, 'text', [], [{ attempt: 1, indexes: [0, 2] }], { reply: { code: 550, message: '5.1.1' } },
    ]);
  }
  return fields;
}

const TEXTS = ['', '5.1.1 no such user', 'h\u00e9 \u{1f600}', 'x'.repeat(300)];
const INDEXES = [[0], [1, 2], [0, 1, 2]];

/** Some of the fields of a meta record that only queues set. */
function queueFields(random) {
  const all = {
    failed: [{ attempt: random.pick(COUNTS), indexes: random.pick(INDEXES) }, { attempt: 7, indexes: [2] }],
    firstAttempt: random.pick(NUMBERS), expires: random.pick(NUMBERS), scheduled: random.pick([1, 2 ** 32 - 1]),
    untold: random.pick(COUNTS),
    notice: random.pick(['confirmed', 'void']),
    replies: [{ reply: { code: random.pick([250, 451, 550]), message: random.pick(TEXTS) }, indexes: random.pick(INDEXES) }],
  };
  return Object.fromEntries(random.some(Object.keys(all)).map((name) => [name, all[name]]));
}

/** The same with the format of which those leave it alone who do not know what queues set. */
function formatted(record) {
  const { format: _, ...rest } = record;
  return QUEUE_FIELDS.some((name) => rest[name] !== undefined) ? { ...rest, format: 2 } : rest;
}

/** A lease, none, or nothing said of it. */
function lease(random) {
  return random.pick([undefined, null, { until: random.pick(NUMBERS), owner: random.pick(OWNERS) }]);
}

/** What `change` may be told of a record; a `Date` is as good as its number. */
function fields(random) {
  const all = {
    timestamp: random.pick([undefined, random.pick(NUMBERS), new Date(random.below(1e9))]),
    attempts: random.pick([undefined, random.pick(COUNTS)]),
    lease: lease(random),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined || random.chance(2)));
}

/** What a record says after a change. */
function changed(meta, { timestamp, attempts, lease: next, delivered = [], failed, untold, ...others }) {
  const after = { ...meta };
  if (timestamp !== undefined) after.timestamp = Number(timestamp);
  if (attempts !== undefined) after.attempts = attempts;
  if (next === null) delete after.lease;
  if (next) after.lease = { ...next };
  const marks = [...new Set([...(meta.deliveredIndexes ?? []), ...delivered])].sort((one, other) => one - other);
  if (marks.length > 0) after.deliveredIndexes = marks;
  const left = failed?.indexes.filter((index) => !marks.includes(index)) ?? [];
  if (left.length > 0) {
    after.deliveredIndexes = [...marks, ...left].sort((one, other) => one - other);
    after.failed = [...(meta.failed ?? []), { attempt: failed.attempt, indexes: left }];
  }
  if (untold === null) delete after.untold;
  else if (untold !== undefined && (failed === undefined || left.length > 0)) after.untold = untold;
  return formatted({ ...after, ...others });
}

/** Whether a record is as a change expects. */
function expected(meta, { timestamp, attempts, lease: claim }) {
  const same = (one, other) => one?.until === other?.until && one?.owner === other?.owner;
  return (timestamp === undefined || Number(timestamp) === meta.timestamp) &&
    (attempts === undefined || attempts === meta.attempts) &&
    (claim === undefined || (claim === null ? meta.lease === undefined : meta.lease !== undefined && same(claim, meta.lease)));
}

for (const { name, open } of subjects) {
  describe(name, () => {
    test('a record says after any change what it said before and what was changed, and keeps what only others know', async () => {
      const random = new Random(1);
      const { storage, meta } = open();
      const id = await storage.write(anEnvelope(), 1, { id: idOf(1) });
      for (let round = 0; round < ROUNDS; round++) {
        const before = formatted({
          ...queueFields(random), timestamp: random.pick(NUMBERS), attempts: random.pick(COUNTS), ...unknownFields(random),
          ...(random.chance(2) && { lease: { until: random.pick(NUMBERS), owner: random.pick(OWNERS) } }),
          ...(random.chance(2) && { deliveredIndexes: [random.below(RECIPIENTS)] }),
        });
        meta.set(id, structuredClone(before));
        const [expect, next] = [random.pick([null, fields(random)]), fields(random)];
        const { failed, expires: _, ...ofQueue } = queueFields(random);
        Object.assign(next, ofQueue, failed && { failed: failed[0] }, random.chance(4) && { untold: null });
        if (random.chance(2)) next.delivered = new Set(random.some([0, 1, 2]));
        const holds = expected(before, expect ?? {});
        assert.equal(await storage.change(id, expect, next), holds, `round ${round}`);
        const marks = { ...next, delivered: [...(next.delivered ?? [])] };
        assert.deepEqual(meta.get(id), holds ? changed(before, marks) : before, `round ${round}`);
      }
    });
  });
}
