/** The Redis host on real servers, through both libraries, on one server and on a cluster of three. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { decodeEnvelope, decodeMeta } from '../pkg/hosts/codec.js';
import { redisHost } from '../pkg/hosts/redis.js';
import { COMMIT } from '../pkg/hosts/redis-scripts.js';
import { AsyncDictStorage } from '../pkg/load/node.js';
import { all, anEnvelope, failure, idOf, ids, outcome, queueError } from './support/calls.js';
import { suiteOn } from './support/conformance.js';
import { judge } from './support/lives.js';
import { killAfter, start } from './support/program.js';
import { proxyTo } from './support/proxy.js';
import { ask, skip, startCluster, startRedis } from './support/redis.js';

const KILLS = process.env.LONG ? 50 : 5;
const urlOf = (port) => ({ url: `redis://127.0.0.1:${port}` });
const LIBRARIES = {
  'node-redis': (port) => createClient(urlOf(port)),
  ioredis: (port) => new Redis(port, '127.0.0.1'),
};

/** @type {(() => unknown)[]} */
const endings = [];
const endAll = async () => {
  for (const end of endings.splice(0).reverse()) await end();
};

/** A client that is ended with the test. */
function client(library, port) {
  const made = LIBRARIES[library](port);
  made.on('error', () => {});
  endings.push(() => (library === 'ioredis' ? made.disconnect() : made.isOpen && made.destroy()));
  return made;
}

let places = 0;
const newPlace = () => `place-${++places}`;

function storageOn(library, port, prefix = newPlace(), options = {}) {
  const storage = new AsyncDictStorage(redisHost(client(library, port), { prefix }), options);
  endings.push(() => storage.close());
  return storage;
}

for (const [library, connect] of Object.entries(LIBRARIES)) {
  describe(`${library}`, { skip }, () => {
    let server;
    const clients = [];
    before(async () => (server = await startRedis()));
    after(async () => {
      for (const each of clients) library === 'ioredis' ? each.disconnect() : each.isOpen && each.destroy();
      await server.stop();
    });
    suiteOn(test, newPlace, (prefix) => {
      clients.push(connect(server.port).on('error', () => {}));
      return redisHost(clients.at(-1), { prefix });
    });
  });
}

describe('a cluster', { skip }, () => {
  let cluster;
  const clients = [];
  const made = {
    'node-redis': () => createCluster({ rootNodes: cluster.ports.map(urlOf) }),
    ioredis: () => new Cluster(cluster.ports.map((port) => ({ port, host: '127.0.0.1' }))),
  };
  before(async () => (cluster = await startCluster()));
  after(async () => {
    for (const each of clients) each.disconnect ? each.disconnect() : each.isOpen && each.destroy();
    await cluster.stop();
  });
  const hostOn = (library, prefix) => {
    clients.push(made[library]().on('error', () => {}));
    return redisHost(clients.at(-1), { prefix });
  };
  for (const library of Object.keys(made)) {
    describe(library, () => suiteOn(test, newPlace, (prefix) => hostOn(library, prefix)));
  }

  test('messages are spread over all servers, and the worst of them says how durable they are', async () => {
    const host = hostOn('node-redis', 'spread');
    const storage = new AsyncDictStorage(host);
    const durable = async (library) => {
      const other = hostOn(library, 'spread');
      const { durable } = await other.open();
      other.close();
      return durable;
    };
    await Promise.all(Array.from({ length: 300 }, () => storage.write(anEnvelope(), 1)));
    for (const port of cluster.ports) {
      assert.notEqual(ask(port, 'KEYS', '{spread:*}:metas'), '');
      ask(port, 'CONFIG', 'SET', 'appendfsync', 'always');
    }
    assert.equal(host.supports.durable, 'os');
    for (const library of Object.keys(made)) assert.equal(await durable(library), 'disk');
    ask(cluster.ports[1], 'CONFIG', 'SET', 'appendonly', 'no');
    for (const library of Object.keys(made)) assert.equal(await durable(library), 'none');
    await storage.close();
  });
});

describe('the host', { skip }, () => {
  let server;
  before(async () => (server = await startRedis()));
  after(() => server.stop());
  afterEach(endAll);

  test('its script has the digest by which it calls it', () => {
    assert.equal(COMMIT.digest, createHash('sha1').update(COMMIT.text).digest('hex'));
  });

  test('what is no client, and a prefix that is none, are TypeErrors', () => {
    for (const wrong of [undefined, null, 5, {}, new Map(), 'redis://localhost']) {
      assert.throws(() => redisHost(wrong), { name: 'TypeError', message: /^client: / });
    }
    for (const prefix of [5, null, 'a{b', 'a}']) {
      const made = client('ioredis', server.port);
      assert.throws(() => redisHost(made, { prefix }), { name: 'TypeError', message: /^prefix: / });
    }
  });

  test('the keys of a message begin alike, and another program can read its records', async () => {
    const storage = storageOn('node-redis', server.port, 'mail');
    const id = `ab${'0'.repeat(30)}`;
    await storage.write(anEnvelope({ message: 'Grüße' }), 7, { id });
    const keys = ask(server.port, 'KEYS', '{mail*').split('\n').sort();
    assert.deepEqual(keys, ['envelopes', 'metas', 'records'].map((name) => `{mail:ab}:${name}`));
    const reader = client('ioredis', server.port);
    const read = (record) => reader.hgetBuffer('{mail:ab}:records', `${record}:${id}`);
    assert.deepEqual(decodeMeta(await read('meta')), { timestamp: 7, attempts: 0 });
    assert.equal(String(await read('message')), 'Grüße');
    assert.deepEqual(decodeEnvelope(await read('envelope'), await read('message')), (await storage.get(id))[0]);
    assert.deepEqual(await reader.zrange('{mail:ab}:metas', 0, -1), [id]);
    await storage.remove(id);
    assert.equal(ask(server.port, 'KEYS', '{mail*'), '');
  });

  test('a change of a record that the storage remembers is one command', async () => {
    const made = client('node-redis', server.port);
    const commands = [];
    const { sendCommand } = made;
    made.sendCommand = (args, ...rest) => {
      commands.push(args[0]);
      return sendCommand.call(made, args, ...rest);
    };
    const storage = new AsyncDictStorage(redisHost(made, { prefix: newPlace() }));
    const id = await storage.write(anEnvelope(), 1);
    await storage.setRecipientsDelivered(id, [0]);
    commands.length = 0;
    await storage.incrementAttempts(id);
    await storage.setRecipientsDelivered(id, [1]);
    await storage.change(id, { attempts: 1 }, { attempts: 3 });
    await storage.remove(id);
    assert.deepEqual(commands, ['EVALSHA', 'EVALSHA', 'EVALSHA', 'EVALSHA']);
  });

  test('commits that are made together are a few commands, and each is answered for itself', async () => {
    for (const library of Object.keys(LIBRARIES)) {
      const prefix = newPlace();
      const storage = storageOn(library, server.port, prefix);
      await storage.write(anEnvelope(), 1, { id: idOf(7) });
      ask(server.port, 'CONFIG', 'RESETSTAT');
      const host = redisHost(client(library, server.port), { prefix });
      await host.open();
      const made = await Promise.all(Array.from({ length: 100 }, (_, i) => host.commit({
        checks: [{ dict: 'meta', id: idOf(i), version: null }],
        writes: [{ dict: 'meta', id: idOf(i), value: { timestamp: i, attempts: 0 } }],
      })));
      assert.deepEqual(made, Array.from({ length: 100 }, (_, i) => i !== 7));
      const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(ask(server.port, 'INFO', 'commandstats'))?.[1]);
      assert.ok(calls <= 10, `${calls} commands`);
      assert.deepEqual([await host.sizes(), (await host.read('meta', idOf(7))).value.timestamp],
        [{ size: 1, metaSize: 100 }, 1]);
      host.close();
    }
  });

  test('a commit that finds a key of the wrong kind leaves nothing, and harms none that is made with it', async () => {
    for (const [library, kind] of [['ioredis', 'metas'], ['node-redis', 'envelopes'], ['ioredis', 'records']]) {
      const prefix = newPlace();
      const storage = storageOn(library, server.port, prefix);
      const [bad, good] = ['a', 'b'].map((digit) => digit.repeat(32));
      ask(server.port, 'SET', `{${prefix}:aa}:${kind}`, 'of somebody else');
      await storage.getInfo().catch(() => {});
      const [refused, written] = await Promise.all([
        outcome(() => storage.write(anEnvelope(), 1, { id: bad })),
        outcome(() => storage.write(anEnvelope(), 1, { id: good })),
      ]);
      assert.equal(refused.error?.code, 'host');
      assert.match(String(refused.error.cause), /WRONGTYPE/);
      assert.equal(written.value, good);
      const keys = ask(server.port, 'KEYS', `{${prefix}:aa}:*`);
      assert.equal(keys, `{${prefix}:aa}:${kind}`);
    }
  });

  test('scripts that the server forgets are told to it again', async () => {
    for (const library of Object.keys(LIBRARIES)) {
      const storage = storageOn(library, server.port);
      const id = await storage.write(anEnvelope(), 1);
      ask(server.port, 'SCRIPT', 'FLUSH');
      const counts = await Promise.all(Array.from({ length: 20 }, () => storage.incrementAttempts(id)));
      ask(server.port, 'SCRIPT', 'FLUSH');
      assert.deepEqual([counts.at(-1), (await storage.get(id))[1], (await ids(storage)).length], [20, 20, 1]);
    }
  });

  test('two programs that count attempts 5,000 times each lose none', async () => {
    const prefix = newPlace();
    const storage = storageOn('node-redis', server.port, prefix);
    await storage.write(anEnvelope(), 1, { id: idOf(0) });
    const place = `${server.port}/${prefix}`;
    const programs = ['redis', 'ioredis'].map((kind) => start('count', kind, place, '5000'));
    await Promise.all(programs.map(async (program) => {
      await new Promise((resolve) => program.lines.once('line', resolve));
      program.end();
      await program.ended;
    }));
    assert.equal((await storage.get(idOf(0)))[1], 10_000);
  });

  test('a host that is closed leaves the client of its caller as it is, and nothing of its own', async () => {
    const connections = () => ask(server.port, 'CLIENT', 'LIST').split('\n').length;
    for (const library of Object.keys(LIBRARIES)) {
      const made = client(library, server.port);
      await (library === 'ioredis' ? made.ping() : made.connect());
      const before = connections();
      const storage = new AsyncDictStorage(redisHost(made, { prefix: newPlace() }));
      await storage.write(anEnvelope(), 1);
      const waiting = storage.wait();
      await waiting.next();
      await storage.close();
      while (connections() > before) await sleep(10);
      assert.equal(await made.ping(), 'PONG');
      await waiting.return();
    }
  });

  test('a message that is larger than a string of Redis is too large, and nothing is sent', async () => {
    const host = redisHost(client('ioredis', server.port), { prefix: newPlace() });
    const writes = [{ dict: 'envelope', id: idOf(1), value: { message: new Uint8Array(2 ** 29 + 1) } }];
    await failure(() => host.commit({ checks: [], writes }), { name: 'QueueError', code: 'too-large' });
    host.close();
  });
});

describe('what the server is set to', { skip }, () => {
  afterEach(endAll);

  test('it is as durable as its append-only file, and says so once it is asked', async () => {
    for (const [settings, durable] of [
      [[], 'none'], [['--appendonly', 'yes', '--appendfsync', 'everysec'], 'os'],
      [['--appendonly', 'yes', '--appendfsync', 'no'], 'os'],
      [['--appendonly', 'yes', '--appendfsync', 'always'], 'disk'],
    ]) {
      const server = await startRedis(settings);
      endings.push(() => server.stop());
      for (const library of Object.keys(LIBRARIES)) {
        const host = redisHost(client(library, server.port));
        assert.equal(host.supports.durable, 'none');
        assert.deepEqual(await host.open(), { atomic: true, writers: 'many', exactlyOnceLoad: true, durable });
        assert.equal(host.supports.durable, durable);
        host.close();
      }
    }
  });

  test('a server that does not let everybody know is taken for the least', async () => {
    const server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    endings.push(() => server.stop());
    for (const [rule, durable] of [['-config', 'os'], ['-info', 'none']]) {
      ask(server.port, 'ACL', 'SETUSER', 'default', rule);
      const host = redisHost(client('ioredis', server.port));
      assert.equal((await host.open()).durable, durable);
      host.close();
    }
  });

  test('a server that would throw mail away is refused until it is set otherwise', async () => {
    const server = await startRedis(['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru']);
    endings.push(() => server.stop());
    for (const library of Object.keys(LIBRARIES)) {
      ask(server.port, 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
      const storage = storageOn(library, server.port);
      for (const call of [() => storage.write(anEnvelope(), 1), () => storage.getInfo(), () => all(storage.load())]) {
        const error = await queueError(call, 'host');
        assert.match(`${error.message} ${error.cause?.message}`, /maxmemory-policy.*allkeys-lru/);
      }
      ask(server.port, 'CONFIG', 'SET', 'maxmemory-policy', 'volatile-lru');
      await storage.write(anEnvelope(), 1);
    }
  });

  test('a full server is full, leaves nothing of what it refused, and still lets mail go', async () => {
    const server = await startRedis(['--maxmemory-policy', 'noeviction']);
    endings.push(() => server.stop());
    for (const library of Object.keys(LIBRARIES)) {
      ask(server.port, 'CONFIG', 'SET', 'maxmemory', '0');
      const storage = storageOn(library, server.port);
      const id = await storage.write(anEnvelope(), 1);
      ask(server.port, 'CONFIG', 'SET', 'maxmemory', '1mb');
      await queueError(() => storage.write(anEnvelope(), 1, { id: idOf(1) }), 'full');
      await queueError(() => storage.incrementAttempts(id), 'full');
      assert.deepEqual([await ids(storage), (await storage.get(id))[1]], [[id], 0]);
      ask(server.port, 'CONFIG', 'SET', 'maxmemory', '0');
      const other = await storage.write(anEnvelope(), 1);
      ask(server.port, 'CONFIG', 'SET', 'maxmemory', '1mb');
      // Together, of which only one needs room.
      const both = await Promise.all([
        outcome(() => storage.write(anEnvelope(), 1, { id: idOf(1) })), outcome(() => storage.remove(other)),
      ]);
      assert.deepEqual(both.map(({ error }) => error?.code), ['full', undefined]);
      assert.deepEqual(await storage.check(), { orphanEnvelopes: [], orphanMeta: [], corrupt: [] });
      await storage.remove(id);
      assert.deepEqual(await storage.getInfo(), { size: 0, metaSize: 0 });
      ask(server.port, 'CONFIG', 'SET', 'maxmemory', '0');
      await storage.write(anEnvelope(), 1, { id: idOf(1) });
      assert.deepEqual(await ids(storage), [idOf(1)]);
    }
  });

  test('a replica refuses to write, and what it refused is nowhere', async () => {
    const server = await startRedis();
    endings.push(() => server.stop());
    for (const library of Object.keys(LIBRARIES)) {
      const storage = storageOn(library, server.port);
      ask(server.port, 'REPLICAOF', '127.0.0.1', '1');
      const error = await queueError(() => storage.write(anEnvelope(), 1), 'host');
      assert.match(String(error.cause), /READONLY/);
      ask(server.port, 'REPLICAOF', 'NO', 'ONE');
      assert.deepEqual(await storage.getInfo(), { size: 0, metaSize: 0 });
    }
  });
});

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
      const storage = storageOn(library, own.port, newPlace(), { deadline: 300 });
      const id = await storage.write(anEnvelope(), 1);
      own.signal('SIGSTOP');
      const [written, read, listed] = await Promise.all([
        outcome(() => storage.write(anEnvelope(), 1, { id: idOf(1) })), outcome(() => storage.get(id)),
        outcome(() => all(storage.load())),
      ]);
      const codes = [written, read, listed].map(({ error }) => error?.code);
      assert.deepEqual(codes, ['unknown-outcome', 'timeout', 'timeout']);
      own.signal('SIGCONT');
      while ((await outcome(() => storage.getInfo())).failed);
      assert.equal(await storage.write(anEnvelope(), 1, { id: idOf(1) }), idOf(1));
      assert.deepEqual(await ids(storage), [id, idOf(1)].sort());
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
});

test(`${KILLS} kills of a server that syncs always lose and tear nothing acknowledged`, { skip }, async (t) => {
  const settings = ['--appendonly', 'yes', '--appendfsync', 'always'];
  let server = await startRedis(settings);
  const acknowledged = new Map();
  for (let kill = 0; kill < KILLS; kill++) {
    const program = start('live', kill % 2 ? 'redis' : 'ioredis', `${server.port}/kill`, String(kill * 100_000));
    await killAfter(program, 50 + Math.floor(Math.random() * 800), acknowledged, () => server.kill());
    server = await startRedis(settings, server);
  }
  const storage = storageOn('node-redis', server.port, 'kill');
  assert.deepEqual(await judge(storage, acknowledged), { lost: [], torn: [] });
  assert.ok(acknowledged.size >= KILLS * 10);
  t.diagnostic(`${acknowledged.size} messages, ${KILLS} kills`);
  await endAll();
  await server.stop();
});
