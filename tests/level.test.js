/** The LevelDB host, on LevelDB itself, on its double in memory, and on a part of either. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ClassicLevel } from 'classic-level';
import { MemoryLevel } from 'memory-level';
import { levelHost } from '../pkg/hosts/level.js';
import { AsyncDictStorage, Queue } from '../pkg/load/inline.js';
import { all, anEnvelope, failure, idOf, ids, outcome, queueError } from './support/calls.js';
import { suiteOn } from './support/conformance.js';
import { smallDisk } from './support/disk.js';
import { judge } from './support/lives.js';
import { killAfter, start } from './support/program.js';

const KILLS = process.env.LONG ? 50 : 3;
const folders = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true, maxRetries: 3 })));

function temporary() {
  const folder = mkdtempSync(join(tmpdir(), 'level-'));
  folders.push(folder);
  return folder;
}

/** A database in a folder of its own, and a storage over it. */
async function opened(folder = temporary()) {
  const db = new ClassicLevel(folder);
  const storage = new AsyncDictStorage(levelHost(db));
  return { db, storage, folder };
}

/** Places whose database is closed when the last host on it is, and opened anew by the next one. */
const places = (open) => [
  () => ({ folder: temporary(), hosts: 0 }),
  (place) => {
    place.db ??= open(place.folder);
    place.hosts++;
    const host = levelHost(place.db);
    const close = host.close.bind(host);
    let isOpen = true;
    host.close = async () => {
      close();
      if (isOpen && --place.hosts === 0) {
        const { db } = place;
        place.db = undefined;
        await (db.db ?? db).close();
      }
      isOpen = false;
    };
    return host;
  },
];

describe('LevelDB', () => suiteOn(test, ...places((folder) => new ClassicLevel(folder))));
describe('a part of LevelDB', () => suiteOn(test, ...places((folder) => new ClassicLevel(folder).sublevel('queue'))));
describe('LevelDB in memory', () => suiteOn(test, () => new MemoryLevel(), levelHost));

describe('what the host says and asks', () => {
  test('it is as durable as its database: on disk, or not at all', () => {
    const kept = { atomic: true, writers: 'one', exactlyOnceLoad: true };
    const disk = new ClassicLevel(temporary());
    assert.deepEqual(levelHost(disk).supports, { ...kept, durable: 'disk' });
    assert.deepEqual(levelHost(disk.sublevel('a')).supports, { ...kept, durable: 'disk' });
    assert.deepEqual(levelHost(new MemoryLevel()).supports, { ...kept, durable: 'none' });
    return disk.close();
  });

  test('what is no database is a TypeError', () => {
    for (const wrong of [undefined, null, 5, 'folder', {}, new Map()]) {
      assert.throws(() => levelHost(wrong), { name: 'TypeError', message: /^db: / });
    }
  });

  test('a hundred writes made at once are two batches at most, and every batch is synced', async () => {
    const { db, storage } = await opened();
    const batches = [];
    const { batch } = db;
    db.batch = (operations, options) => {
      batches.push(options);
      return batch.call(db, operations, options);
    };
    await Promise.all(Array.from({ length: 100 }, (_, i) => storage.write(anEnvelope(), i)));
    assert.ok(batches.length <= 2, `${batches.length} batches`);
    const [id] = await ids(storage);
    await storage.incrementAttempts(id);
    await storage.remove(id);
    assert.ok(batches.length >= 3);
    for (const { sync } of batches) assert.equal(sync, true);
    await db.close();
  });

  test('two storages in one process that count attempts 5,000 times each lose none', async () => {
    const { db, storage } = await opened();
    const other = new AsyncDictStorage(levelHost(db));
    const id = await storage.write(anEnvelope(), 1);
    await Promise.all([storage, other].map(async (each) => {
      for (let i = 0; i < 5_000; i += 50) {
        await Promise.all(Array.from({ length: 50 }, () => each.incrementAttempts(id)));
      }
    }));
    assert.equal((await other.get(id))[1], 10_000);
    await db.close();
  });

  test('parts of one database do not see each other, also those of one name made twice do', async () => {
    const db = new ClassicLevel(temporary());
    const [a, again, b] = ['a', 'a', 'b'].map((name) => new AsyncDictStorage(levelHost(db.sublevel(name))));
    const id = await a.write(anEnvelope(), 1);
    await Promise.all(Array.from({ length: 50 }, (_, i) => (i % 2 ? a : again).incrementAttempts(id)));
    assert.equal((await again.get(id))[1], 50);
    assert.deepEqual([await ids(b), await ids(new AsyncDictStorage(levelHost(db)))], [[], []]);
    await db.close();
  });

  test('records of others in the same database are left alone', async () => {
    const { db, storage } = await opened();
    await db.put('mine', 'yours');
    await db.put('zebra', 'stripes');
    await storage.write(anEnvelope(), 1);
    assert.deepEqual([await storage.getInfo(), await storage.check()],
      [{ size: 1, metaSize: 1 }, { orphanEnvelopes: [], orphanMeta: [], corrupt: [] }]);
    assert.deepEqual([await db.get('mine'), await db.get('zebra')], ['yours', 'stripes']);
    await db.close();
  });
});

test('a listener that throws stops no commit, and keeps no other listener from hearing', async (t) => {
  const { mock } = t.mock.method(console, 'error', () => {});
  const { db, storage } = await opened();
  const heard = [];
  const cause = new Error('thrown by a listener');
  levelHost(db).subscribe(() => { throw cause; });
  levelHost(db).subscribe((id) => heard.push(id));
  for (const number of [1, 2]) await storage.write(anEnvelope(), 1, { id: idOf(number) });
  assert.deepEqual([heard, await ids(storage)], [[idOf(1), idOf(2)], [idOf(1), idOf(2)]]);
  assert.deepEqual(mock.calls.map(({ arguments: [error] }) => error), [cause, cause]);
  await db.close();
});

describe('a database that comes and goes', () => {
  test('a database that another process has open is blocked, and free when that has ended', async () => {
    const folder = temporary();
    const program = start('hold', 'level', folder);
    await program.line();
    const { db, storage } = await opened(folder);
    for (const call of [() => storage.getInfo(), () => storage.write(anEnvelope(), 1), () => all(storage.load())]) {
      await queueError(call, 'blocked');
    }
    program.end();
    await program.ended;
    await storage.write(anEnvelope(), 1);
    assert.equal((await ids(storage)).length, 1);
    await db.close();
  });

  test('a database that its owner closes is closed, and one that is opened again goes on', async () => {
    const { db, storage } = await opened();
    const id = await storage.write(anEnvelope(), 1);
    await db.close();
    await queueError(() => storage.get(id), 'closed');
    await queueError(() => storage.write(anEnvelope(), 1), 'closed');
    assert.equal(db.status, 'closed');
    await db.open();
    assert.equal(await storage.incrementAttempts(id), 1);
    await db.close();
  });

  test('closing the storage leaves the database open to its owner', async () => {
    const { db, storage } = await opened();
    await storage.write(anEnvelope(), 1);
    await storage.close();
    assert.equal(db.status, 'open');
    await db.close();
  });
});

describe('a batch that fails', () => {
  /** Lets one batch fail, be it before it is written or after. */
  function failOnce(db, late) {
    const { batch } = db;
    const cause = Object.assign(new Error('IO error: 000003.log: Input/output error'), { code: 'LEVEL_IO_ERROR' });
    db.batch = async (...args) => {
      db.batch = batch;
      if (late) await batch.apply(db, args);
      throw cause;
    };
    return cause;
  }

  test('one that was not written is a host error and leaves nothing', async () => {
    const { db, storage } = await opened();
    const there = await storage.write(anEnvelope(), 1);
    const cause = failOnce(db, false);
    const error = await queueError(() => storage.write(anEnvelope(), 1, { id: idOf(1) }), 'host');
    assert.equal(error.cause, cause);
    failOnce(db, false);
    await queueError(() => storage.remove(there), 'host');
    failOnce(db, false);
    await queueError(() => storage.incrementAttempts(there), 'host');
    assert.deepEqual([await ids(storage), (await storage.get(there))[1]], [[there], 0]);
    await db.close();
  });

  test('one that was written nevertheless is a success', async () => {
    const { db, storage } = await opened();
    failOnce(db, true);
    const id = await storage.write(anEnvelope(), 1);
    failOnce(db, true);
    assert.equal(await storage.incrementAttempts(id), 1);
    failOnce(db, true);
    await storage.remove(id);
    assert.deepEqual(await storage.getInfo(), { size: 0, metaSize: 0 });
    await db.close();
  });

  test('the database is opened again before anything else is written', async () => {
    const { db, storage } = await opened();
    await storage.getInfo();
    const events = [];
    for (const event of ['closed', 'open']) db.on(event, () => events.push(event));
    failOnce(db, false);
    const [first, second] = await Promise.all([
      outcome(() => storage.write(anEnvelope(), 1)), outcome(() => storage.getInfo()),
    ]);
    assert.deepEqual([first.error?.code, second.failed, events], ['host', false, ['closed', 'open']]);
    await storage.write(anEnvelope(), 1);
    assert.equal(events.length, 2);
    await db.close();
  });

  test('while the database does not open again the outcome is unknown, and later calls try again', async () => {
    const { db, storage } = await opened();
    await storage.getInfo();
    failOnce(db, true);
    const { open } = db;
    db.open = () => Promise.reject(new Error('it does not open'));
    await queueError(() => storage.write(anEnvelope(), 1, { id: idOf(1) }), 'unknown-outcome', { id: idOf(1) });
    await queueError(() => storage.getInfo(), 'host');
    db.open = open;
    assert.deepEqual(await ids(storage), [idOf(1)]);
    assert.equal(await storage.write(anEnvelope(), 1, { id: idOf(1) }), idOf(1));
    await db.close();
  });

  test('of messages that one batch did not write, each is stored with the key of its own error', async () => {
    const { db, storage } = await opened();
    await storage.getInfo();
    const queue = new Queue(storage);
    const enqueue = (message, options) => queue.enqueue(anEnvelope({ message }), options);
    failOnce(db, false);
    const errors = await Promise.all(['one', 'two'].map((message) => queueError(() => enqueue(message), 'host')));
    await enqueue('one', { key: errors[0].key });
    await enqueue('two', { key: errors[1].key });
    const stored = (await ids(storage)).map(async (id) => (await storage.get(id))[0].message);
    assert.deepEqual((await Promise.all(stored)).sort(), ['one', 'two']);
    await db.close();
  });

  test('what cannot be encoded fails its own commit alone', async () => {
    const { db } = await opened();
    const host = levelHost(db);
    const put = (number, value) => host.commit({ checks: [], writes: [{ dict: 'envelope', id: idOf(number), value }] });
    const [bad, good] = await Promise.all([outcome(() => put(1, { text: 'a\ud800' })), outcome(() => put(2, {}))]);
    assert.deepEqual([bad.failed, good.value, await host.sizes()], [true, true, { size: 1, metaSize: 0 }]);
    await db.close();
  });
});

test(`of ${KILLS} programs that are killed while they write, none loses or tears what was acknowledged`, async (t) => {
  const folder = temporary();
  const acknowledged = new Map();
  for (let kill = 0; kill < KILLS; kill++) {
    const first = kill * 100_000;
    await killAfter(start('live', 'level', folder, String(first)), 50 + Math.floor(Math.random() * 800), acknowledged);
  }
  const { db, storage } = await opened(folder);
  assert.deepEqual(await judge(storage, acknowledged), { lost: [], torn: [] });
  assert.ok(acknowledged.size >= KILLS * 10);
  t.diagnostic(`${acknowledged.size} messages, ${KILLS} kills`);
  await db.close();
});

/** Copies a folder as it is at one moment: again where files have come or gone meanwhile. */
function copyAtOnce(from, to) {
  for (;;) {
    const names = readdirSync(from).join();
    rmSync(to, { recursive: true, force: true });
    try {
      cpSync(from, to, { recursive: true });
      if (readdirSync(from).join() === names) return;
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
}

test('after a batch that failed, the other parts of its database go on as well', async () => {
  const { db } = await opened();
  const [failing, other] = ['a', 'b'].map((name) => db.sublevel(name));
  const [one, two, root] = [failing, other, db].map((each) => new AsyncDictStorage(levelHost(each)));
  const id = idOf(1);
  await Promise.all([one, two, root].map((storage) => storage.write(anEnvelope(), 1, { id })));
  const batch = failing.batch.bind(failing);
  failing.batch = async () => {
    failing.batch = batch;
    throw new Error('No space left on device');
  };
  const results = await Promise.all([one, two, root].map((storage) => outcome(() => storage.incrementAttempts(id))));
  assert.equal(results[0].error?.code, 'full');
  for (const [i, storage] of [one, two, root].entries()) {
    assert.equal(await storage.incrementAttempts(id), results[i].failed ? 1 : 2, `${i}: ${results[i].error}`);
  }
  await db.close();
});

test('a batch that fails while its database is closed has an unknown outcome', async () => {
  const { db, storage } = await opened();
  const id = await storage.write(anEnvelope(), 1);
  const cause = new Error('IO error');
  db.batch = async () => {
    await db.close();
    throw cause;
  };
  const { error } = await outcome(() => storage.incrementAttempts(id));
  assert.deepEqual([error.code, error.cause], ['unknown-outcome', cause]);
});

describe('a full disk', () => {
  const disk = smallDisk();
  after(() => disk?.remove());
  const unmounted = disk ? false : 'nothing can be mounted here';

  test('what is acknowledged at a full disk is there, and what is refused as full is not', { skip: unmounted }, async () => {
    const { db, storage } = await opened(join(disk.folder, 'db'));
    const written = new Map();
    const refused = new Set();
    const write = async (number, bytes) => {
      const message = new Uint8Array(bytes).fill(number);
      const id = idOf(number);
      const { failed, error } = await outcome(() => storage.write(anEnvelope({ message }), number, { id }));
      if (!failed) written.set(id, message);
      else if (error.code === 'full') refused.add(id);
      else assert.equal(error.code, 'unknown-outcome', String(error));
      return !failed;
    };
    let number = 0;
    for (let round = 0; round < 3; round++) {
      writeFileSync(join(disk.folder, 'ballast'), new Uint8Array((8 - round) * 2 ** 20));
      let failures = 0;
      while (failures < 3) failures += Number(!(await write(++number, 40_000)));
      rmSync(join(disk.folder, 'ballast'));
      // Nobody has to open anything again: there is room now.
      for (let i = 0; i < 5; i++) assert.ok(await write(++number, 500));
    }
    // As a power cut would leave it, but for what the disk itself forgets.
    const remains = temporary();
    copyAtOnce(join(disk.folder, 'db'), remains);
    const after = await opened(remains);
    for (const each of [storage, after.storage]) {
      const found = await ids(each);
      for (const [id, message] of written) assert.deepEqual((await each.get(id))[0].message, message);
      for (const id of refused) await failure(() => each.get(id), { name: 'KeyError' });
      assert.deepEqual((await each.check()).corrupt, []);
      assert.ok(found.length >= written.size);
    }
    assert.ok(refused.size + written.size > 20);
    await Promise.all([db.close(), after.db.close()]);
  });
});
