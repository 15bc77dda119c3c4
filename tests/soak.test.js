/** A storage may live for as long as its program does: what calls leave behind would add up. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { AsyncDictStorage, DictStorage, Queue } from '../pkg/load/inline.js';
import { all, anEnvelope, idOf, outcome } from './support/calls.js';
import { MemoryHost } from './support/host.js';
import { subjects } from './support/subjects.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const CALLS = process.env.LONG ? 200_000 : 4_000;
/** A promise that is kept, with what waits for it, takes several times as much. */
const BYTES_PER_CALL = 200;

const calls = {
  get: (storage, id) => storage.get(id),
  incrementAttempts: (storage, id) => storage.incrementAttempts(id),
  setTimestamp: (storage, id, i) => storage.setTimestamp(id, i),
  setRecipientsDelivered: (storage, id, i) => storage.setRecipientsDelivered(id, [i % 3]),
  change: (storage, id, i) => storage.change(id, { attempts: i % 2 }, { lease: { until: i, owner: 'me' } }),
  getInfo: (storage) => storage.getInfo(),
  load: (storage) => all(storage.load()),
  'load that is given up': async (storage) => {
    for await (const _ of storage.load()) break;
  },
  'write and remove': async (storage) => storage.remove(await storage.write(anEnvelope(), 1)),
  'a call that is refused': (storage) => outcome(() => storage.write({ sender: 5 }, 1)),
  'a call on a message that is not there': (storage) => outcome(() => storage.get(idOf(99))),
};

/** What the others add is the dictionaries' own: they are for the long run. */
const SUBJECTS = subjects.filter(({ name }) => process.env.LONG || / on (Maps|a host)$/.test(name));

for (const { name, open } of SUBJECTS) {
  describe(name, () => {
    for (const [what, call] of Object.entries(calls)) {
      test(`${what}: ${CALLS} calls leave nothing in memory`, async () => {
        const { storage } = open();
        const id = await storage.write(anEnvelope(), 10);
        const run = async (times) => {
          for (let i = 0; i < times; i++) {
            await call(storage, id, i);
            if (i % 100 === 0) await turn();
          }
        };
        await run(CALLS); // what the first calls compile, cache and reserve does not count
        // What is compiled beside it may end in any round; a leak shows in each.
        for (let left = 3, perCall = Infinity; perCall >= BYTES_PER_CALL; left--) {
          const before = await inUse();
          await run(CALLS);
          perCall = ((await inUse()) - before) / CALLS;
          assert.ok(perCall < BYTES_PER_CALL || left > 0, `${perCall.toFixed()} bytes per call`);
        }
      });
    }
  });
}

test('a queue that nobody has any more is let go, and so is what it was given', async () => {
  /** @type {WeakRef<object>[]} */
  const given = [];
  const use = async () => {
    const storage = new DictStorage();
    const relay = { attempt: () => null };
    const queue = new Queue(storage, relay);
    queue.addEventListener('delivered', () => {});
    queue.start();
    await queue.enqueue(anEnvelope());
    await queue.run();
    await queue.stop();
    given.push(...[queue, relay, storage.metaDb].map((value) => new WeakRef(value)));
  };
  for (let i = 0; i < 20; i++) await use();
  for (let i = 0; i < 100 && given.some((value) => value.deref()); i++) {
    await turn();
    collect();
  }
  assert.equal(given.filter((value) => value.deref()).length, 0);
});

test('what calls at once were given is not kept when they have ended', async () => {
  const host = new MemoryHost();
  /** @type {WeakRef<object>[]} */
  const given = [];
  const { commit } = host;
  host.commit = (batch) => {
    given.push(...batch.writes.filter(({ dict }) => dict === 'envelope').map(({ value }) => new WeakRef(value)));
    return commit.call(host, batch);
  };
  const storage = new AsyncDictStorage(host);
  await Promise.all(Array.from({ length: 50 }, () => storage.write(anEnvelope(), 1)));
  await inUse();
  assert.equal(given.length, 50);
  assert.equal(given.filter((value) => value.deref()).length, 0);
  assert.deepEqual(await storage.getInfo(), { size: 50, metaSize: 50 });
});

/** Bytes that are live, outside of the heap too, after whatever can be collected was. */
async function inUse() {
  for (let i = 0; i < 3; i++) {
    collect();
    await turn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
