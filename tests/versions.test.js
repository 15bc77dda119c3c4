/** This version of the package and the one before, on one Redis server, as while a new one is rolled out. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { redisHost } from '../pkg/hosts/redis.js';
import * as current from '../pkg/load/inline.js';
import * as earlier from './fixtures/version-before.js';
import { client, endAll, endings, newPlace } from './support/redis-storage.js';
import { skip, startRedis } from './support/redis.js';
import { judgeMeeting, judgeTurns, judgeWork } from './support/versions-judge.js';
import { attemptByTurns, emptied, meetNewerRecord, work } from './support/versions.js';

test('a storage of another copy of the package is none, for a queue and for its dead letters, and the error says so', () => {
  const relay = { attempt: () => null };
  for (const other of [new earlier.DictStorage(), new earlier.AsyncDictStorage()]) {
    for (const [option, make] of /** @type {const} */ ([
      ['storage', () => new current.Queue(/** @type {any} */ (other), relay)],
      ['options.deadLetter', () => new current.Queue(new current.DictStorage(), relay, { deadLetter: /** @type {any} */ (other) })],
    ])) {
      assert.throws(make, { name: 'TypeError', message: new RegExp(`^${option}: .* of this copy of the package`) });
    }
  }
});

describe('This version and the one before on one Redis server', { skip, timeout: 1_500_000 }, () => {
  let server;
  before(async () => (server = await startRedis()));
  after(() => server.stop());
  afterEach(endAll);

  /** Both versions on one place. */
  const open = () => {
    const prefix = newPlace();
    const on = ({ AsyncDictStorage, Queue }, hostOf, library) => {
      const host = hostOf(client(library, server.port), { prefix });
      const storage = new AsyncDictStorage(host);
      endings.push(() => storage.close());
      return { Queue, storage, host };
    };
    return { old: on(earlier, earlier.redisHost, 'ioredis'), new: on(current, redisHost, 'node-redis') };
  };

  test('both deliver everything once, and tell each sender once', async () => {
    const versions = open();
    const old = work(versions.old, 'old', versions.old.storage);
    await old.enqueue();
    const now = work(versions.new, 'new', versions.new.storage);
    await now.enqueue();
    await old.stop();
    await emptied(versions.new.storage);
    await now.stop();
    judgeWork({
      done: { old: old.done, new: now.done }, errors: { old: old.errors, new: now.errors },
      findings: await versions.old.storage.check(),
    });
  });

  test('this version keeps fields that nobody knows, and the one before leaves alone what it would drop', async () => {
    judgeTurns(await attemptByTurns(open()));
  });

  test('the one before says newer-format of what nobody was told of yet, and leaves it alone', async () => {
    judgeMeeting(await meetNewerRecord(open()));
  });
});
