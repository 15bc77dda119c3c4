/** What befalls the Redis host: connections that are lost, servers that stop, end, or have no room. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import { redisHost } from '../pkg/hosts/redis.js';
import { AsyncDictStorage } from '../pkg/load/inline.js';
import { all, anEnvelope, idOf, ids, outcome, queueError } from './support/calls.js';
import { smallDisk } from './support/disk.js';
import { judge } from './support/lives.js';
import { killAfter, start } from './support/program.js';
import { proxyTo } from './support/proxy.js';
import { LIBRARIES, endAll, endings, newPlace, storageOn, urlOf } from './support/redis-storage.js';
import { ask, skip, startRedis } from './support/redis.js';

/** Repeats a call that changes nothing the second time, whose deadline a busy machine may miss. */
async function untilDone(call) {
  while ((await outcome(call)).failed);
}

const KILLS = process.env.LONG ? 50 : 3;
const STOPPED = process.env.LONG ? 30_000 : 1_500;

describe('a connection that is lost', { skip }, () => {
  let server;
  before(async () => (server = await startRedis()));
  after(() => server.stop());
  afterEach(endAll);

  for (const library of Object.keys(LIBRARIES)) {
    for (const [when, made] of [['before the commit arrives', 0], ['before its answer arrives', 1]]) {
      test(`${library}: lost ${when}, the outcome is unknown, and nothing is made twice`, async () => {
        const proxy = await proxyTo(server.port);
        endings.push(() => proxy.close());
        const storage = storageOn(library, proxy.port);
        await storage.write(anEnvelope(), 1, { id: idOf(1) });
        await storage.incrementAttempts(idOf(1));
        proxy.cut(/EVALSHA/, made === 1);
        const error = await queueError(() => storage.incrementAttempts(idOf(1)), 'unknown-outcome', { id: idOf(1) });
        assert.ok(error.cause instanceof Error);
        assert.equal((await storage.get(idOf(1)))[1], 1 + made);
        proxy.cut(/EVALSHA/, made === 1);
        await queueError(() => storage.write(anEnvelope({ sender: null }), 2), 'unknown-outcome');
        proxy.cut(/EVALSHA/, made === 1);
        await queueError(() => storage.write(anEnvelope(), 2, { id: idOf(2) }), 'unknown-outcome', { id: idOf(2) });
        assert.equal(await storage.write(anEnvelope(), 2, { id: idOf(2) }), idOf(2));
        assert.equal((await ids(storage)).length, 2 + made);
        assert.equal(await storage.incrementAttempts(idOf(1)), 2 + made);
      });
    }

    test(`${library}: a read whose answer is lost fails, and the next one is answered`, async () => {
      const proxy = await proxyTo(server.port);
      endings.push(() => proxy.close());
      const storage = storageOn(library, proxy.port);
      const id = await storage.write(anEnvelope(), 1);
      proxy.cut(/HM?GET/, true);
      await queueError(() => storage.get(id), 'host');
      assert.equal((await storage.get(id))[1], 0);
    });

    test(`${library}: a client that the server ends in the middle of a commit does not know its outcome`, async () => {
      const storage = storageOn(library, server.port);
      const id = await storage.write(anEnvelope(), 1);
      ask(server.port, 'CLIENT', 'PAUSE', '60000', 'WRITE');
      const asked = outcome(() => storage.incrementAttempts(id));
      while (!/ flags=b.* cmd=evalsha/.test(ask(server.port, 'CLIENT', 'LIST'))) await sleep(10);
      ask(server.port, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      assert.equal((await asked).error?.code, 'unknown-outcome');
      ask(server.port, 'CLIENT', 'UNPAUSE');
      assert.equal((await storage.get(id))[1], 0);
      assert.equal(await storage.incrementAttempts(id), 1);
    });

    test(`${library}: a server that stops answering is waited for until the deadline, and goes on later`, async () => {
      const own = await startRedis();
      endings.push(() => own.stop());
      const place = newPlace();
      const patient = storageOn(library, own.port, place);
      const storage = storageOn(library, own.port, place, { deadline: 300 });
      const id = await patient.write(anEnvelope(), 1);
      await untilDone(() => storage.getInfo());
      own.signal('SIGSTOP');
      const [written, read, listed] = await Promise.all([
        outcome(() => storage.write(anEnvelope(), 1, { id: idOf(1) })), outcome(() => storage.get(id)),
        outcome(() => all(storage.load())),
      ]);
      const codes = [written, read, listed].map(({ error }) => error?.code);
      assert.deepEqual(codes, ['unknown-outcome', 'timeout', 'timeout']);
      own.signal('SIGCONT');
      await untilDone(() => storage.write(anEnvelope(), 1, { id: idOf(1) }));
      assert.deepEqual(await ids(patient), [id, idOf(1)].sort());
    });

    test(`${library}: a server that is stopped for ${STOPPED} ms then makes all calls, each once`, async () => {
      const own = await startRedis();
      endings.push(() => own.stop());
      const storage = storageOn(library, own.port, newPlace(), { deadline: 120_000 });
      const id = await storage.write(anEnvelope(), 1);
      own.signal('SIGSTOP');
      const calls = Promise.all([
        storage.write(anEnvelope(), 1, { id: idOf(1) }), storage.get(id), all(storage.load()),
        ...Array.from({ length: 20 }, () => storage.incrementAttempts(id)),
      ]);
      await Promise.all([calls.catch(() => {}), sleep(STOPPED).then(() => own.signal('SIGCONT'))]);
      assert.deepEqual((await calls).slice(3), Array.from({ length: 20 }, (_, i) => i + 1));
      assert.deepEqual([(await storage.get(id))[1], await ids(storage)], [20, [id, idOf(1)].sort()]);
    });

    test(`${library}: while the server is gone calls fail, and when it is there again they go on`, async () => {
      const settings = ['--appendonly', 'yes', '--appendfsync', 'always'];
      const own = await startRedis(settings);
      const place = newPlace();
      const storage = storageOn(library, own.port, place, { deadline: 2_000 });
      const id = await storageOn(library, own.port, place).write(anEnvelope(), 1);
      await own.kill();
      const outcomes = await Promise.all([
        outcome(() => storage.write(anEnvelope(), 1, { id: idOf(1) })), outcome(() => storage.get(id)),
        outcome(() => storage.getInfo()), outcome(() => all(storage.load())),
      ]);
      for (const { error } of outcomes) {
        assert.ok(['host', 'timeout', 'unknown-outcome'].includes(error?.code), String(error));
      }
      const again = await startRedis(settings, own);
      endings.push(() => again.stop());
      await untilDone(() => storage.setTimestamp(id, 2));
      await untilDone(() => storage.write(anEnvelope(), 1, { id: idOf(1) }));
      assert.deepEqual((await all(storageOn(library, own.port, place).load())).sort(), [[1, idOf(1)], [2, id]]);
    });

    test(`${library}: who waits hears of what another program does, also after its connection was lost`, async () => {
      const prefix = newPlace();
      const [storage, other] = [storageOn(library, server.port, prefix), storageOn(library, server.port, prefix)];
      const waiting = storage.wait();
      const until = async (id) => {
        for await (const [, found] of { [Symbol.asyncIterator]: () => ({ next: () => waiting.next() }) }) {
          if (found === id) return;
        }
      };
      // Nobody looks through everything for the next minute.
      const first = until(idOf(1));
      await other.write(anEnvelope(), 1, { id: idOf(1) });
      await first;
      const second = until(idOf(2));
      ask(server.port, 'CLIENT', 'KILL', 'TYPE', 'pubsub');
      await other.write(anEnvelope(), 1, { id: idOf(2) });
      await second;
      const third = until(idOf(3));
      await other.write(anEnvelope(), 1, { id: idOf(3) });
      await third;
    });
  }

  test('who waits by a client of node-redis hears of other programs also where its connection was lost while it subscribed', { timeout: 50_000 }, async (t) => {
    const proxy = await proxyTo(server.port);
    t.after(() => proxy.close());
    const prefix = newPlace();
    const [storage, other] = [storageOn('node-redis', proxy.port, prefix), storageOn('node-redis', server.port, prefix)];
    await other.write(anEnvelope(), 1, { id: idOf(1) });
    proxy.cut(/\bSUBSCRIBE\b/i, true);
    const waiting = storage.wait();
    assert.equal((await waiting.next()).value[1], idOf(1));
    while (!/ sub=1 /.test(ask(server.port, 'CLIENT', 'LIST', 'TYPE', 'pubsub'))) await sleep(10);
    await other.write(anEnvelope(), 1, { id: idOf(2) });
    assert.equal((await waiting.next()).value[1], idOf(2)); // nobody looks through everything for the next minute
  });
});

test('a client of node-redis that could not connect is used once its user has connected it', { skip }, async (t) => {
  const gone = await startRedis();
  await gone.kill();
  const client = createClient({ ...urlOf(gone.port), socket: { reconnectStrategy: false } }).on('error', () => {});
  const storage = new AsyncDictStorage(redisHost(client));
  await queueError(() => storage.write(anEnvelope(), 1), 'host');
  const server = await startRedis([], gone);
  t.after(async () => {
    await storage.close();
    client.destroy();
    await server.stop();
  });
  await client.connect();
  await storage.write(anEnvelope(), 1);
});

for (const [fsync, library] of [['always', 'redis'], ['everysec', 'ioredis']]) {
  const promise = fsync === 'always' ? 'lose and tear nothing acknowledged' : 'tear nothing';
  test(`${KILLS} kills of a server that syncs ${fsync} ${promise}`, { skip }, async (t) => {
    const settings = ['--appendonly', 'yes', '--appendfsync', fsync];
    let server = await startRedis(settings);
    t.after(async () => {
      await endAll();
      await server.stop();
    });
    const acknowledged = new Map();
    for (let kill = 0; kill < KILLS; kill++) {
      const program = start('live', library, `${server.port}/kill`, String(kill * 100_000));
      await killAfter(program, 50 + Math.floor(Math.random() * 800), acknowledged, () => server.kill());
      server = await startRedis(settings, server);
    }
    const storage = storageOn('node-redis', server.port, 'kill');
    const { lost, torn } = await judge(storage, acknowledged, { mayLeaveOrphans: true });
    assert.deepEqual(torn, []);
    if (fsync === 'always') assert.deepEqual(lost, []);
    assert.ok(acknowledged.size >= KILLS * 10);
    t.diagnostic(`${acknowledged.size} messages, ${KILLS} kills, ${lost.length} of them not as acknowledged`);
  });
}

test(`of ${KILLS} programs that are killed while they write, none loses or tears what was acknowledged`, { skip },
  async (t) => {
    const server = await startRedis();
    t.after(async () => {
      await endAll();
      await server.stop();
    });
    const acknowledged = new Map();
    for (let kill = 0; kill < KILLS; kill++) {
      const program = start('live', kill % 2 ? 'redis' : 'ioredis', `${server.port}/kill`, String(kill * 100_000));
      await killAfter(program, 50 + Math.floor(Math.random() * 800), acknowledged);
    }
    const storage = storageOn('node-redis', server.port, 'kill');
    assert.deepEqual(await judge(storage, acknowledged), { lost: [], torn: [] });
    t.diagnostic(`${acknowledged.size} messages, ${KILLS} kills`);
  });

describe('a server that was killed in the middle of a script that it wrote to its file', { skip }, () => {
  afterEach(endAll);
  const settings = ['--appendonly', 'yes', '--appendfsync', 'always'];
  const id = idOf(1);
  const other = idOf(2);
  const works = {
    write: (storage) => storage.write(anEnvelope(), 1, { id }),
    change: (storage) => storage.incrementAttempts(id),
    removal: (storage) => storage.remove(id),
    'group of changes': (storage) => Promise.all([1, 3, 4].map((number) => storage.setRecipientsDelivered(idOf(number), [0]))),
  };

  for (const [what, work] of Object.entries(works)) {
    // Redis lets the beginning stay in the file, and makes it at the start after the next one.
    test(`tears no message by the beginning of a ${what}, also at the start after the next one, nor loses any where the file is mended first`, async () => {
      let server = await startRedis(settings);
      endings.push(() => server.stop());
      const first = storageOn('node-redis', server.port, 'cut');
      const before = what === 'write' ? [2, 3, 4] : [1, 2, 3, 4];
      for (const number of before) await first.write(anEnvelope(), 1, { id: idOf(number) });
      await first.getInfo();
      const [file] = readdirSync(join(server.folder, 'appendonlydir')).filter((name) => name.endsWith('.incr.aof'));
      const path = join(server.folder, 'appendonlydir', file);
      const start = readFileSync(path).length;
      await work(first);
      await server.kill();
      const whole = readFileSync(path);
      let cuts = 0;
      for (let cut = whole.indexOf('\r\n*', start); cut > 0; cut = whole.indexOf('\r\n*', cut + 1)) {
        for (const isMended of [false, true]) {
          writeFileSync(path, whole.subarray(0, cut + 4)); // one command more is begun
          if (isMended) execFileSync('redis-check-aof', ['--fix', path], { input: 'y\n', stdio: ['pipe', 'ignore', 'inherit'] });
          server = await startRedis(settings, server);
          await storageOn('node-redis', server.port, 'cut').incrementAttempts(other);
          await server.kill();
          server = await startRedis(settings, server);
          const storage = storageOn('node-redis', server.port, 'cut');
          const { corrupt, orphanMeta } = await storage.check();
          assert.deepEqual({ corrupt, orphanMeta }, { corrupt: [], orphanMeta: [] }, `cut at ${cut - start}`);
          const there = await ids(storage);
          for (const each of there) assert.ok((await storage.get(each))[0].recipients.length > 0);
          assert.deepEqual(there.filter((each) => each !== id), [2, 3, 4].map(idOf), `cut at ${cut - start}`);
          if (isMended) assert.equal((await storage.get(other))[1], 1);
          await server.kill();
          cuts++;
        }
      }
      server = await startRedis(settings, server);
      assert.ok(cuts > 0 || what === 'change', 'there is a script to cut');
    });
  }
});

describe('a full disk', () => {
  const disk = smallDisk();
  after(() => disk?.remove());

  test('a server whose disk is full is full, and goes on when there is room', {
    skip: skip || (disk ? false : 'nothing can be mounted here'),
  }, async () => {
    const settings = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--auto-aof-rewrite-percentage', '0'];
    const server = await startRedis(settings, { folder: disk.folder });
    try {
      const storage = storageOn('ioredis', server.port);
      const written = [];
      const write = () => storage.write(anEnvelope({ message: new Uint8Array(40_000) }), 1);
      let refused;
      while (!refused) {
        const { value, error } = await outcome(write);
        if (error) refused = error;
        else written.push(value);
      }
      assert.equal(refused.code, 'full', String(refused));
      assert.ok(written.length > 50);
      disk.enlarge();
      let made;
      while (!(made = (await outcome(write)).value));
      assert.deepEqual(await ids(storage), [...written, made].sort());
      assert.deepEqual(await storage.check(), { orphanEnvelopes: [], orphanMeta: [], corrupt: [] });
    } finally {
      await endAll();
      await server.kill();
    }
  });
});
