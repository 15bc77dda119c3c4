/** The Redis host on real servers, through both libraries, on one server and on a cluster of three. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Cluster, Redis } from 'ioredis';
import { createCluster } from 'redis';
import { decodeEnvelope, decodeMeta } from '../pkg/hosts/shared/codec.js';
import { redisHost } from '../pkg/hosts/redis.js';
import { COMMIT } from '../pkg/hosts/redis/commit-script.js';
import { AsyncDictStorage, Queue } from '../pkg/load/inline.js';
import { all, anEnvelope, failure, idOf, ids, outcome, queueError } from './support/calls.js';
import { suiteOn } from './support/conformance.js';
import { start } from './support/program.js';
import { LIBRARIES, client, endAll, endings, newPlace, storageOn, urlOf } from './support/redis-storage.js';
import { ask, skip, startCluster, startRedis } from './support/redis.js';

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

  test('servers that would throw mail away are refused also where the client was still connecting at first', async () => {
    for (const port of cluster.ports) ask(port, 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    const mine = made['node-redis']().on('error', () => {});
    clients.push(mine);
    const connecting = mine.connect();
    const storage = new AsyncDictStorage(redisHost(mine, { prefix: 'evicting' }));
    await queueError(() => storage.write(anEnvelope(), 1), 'host');
    await connecting;
    assert.match((await queueError(() => storage.write(anEnvelope(), 1), 'host')).message, /evicts mail/);
    for (const port of cluster.ports) ask(port, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await storage.write(anEnvelope(), 1);
    await storage.close();
  });

  test('a client of ioredis that lets no command wait, and has options of its own, is used from the first call on', async () => {
    const nodes = cluster.ports.map((port) => ({ port, host: '127.0.0.1' }));
    const hasty = new Cluster(nodes, {
      enableOfflineQueue: false, enableAutoPipelining: true, redisOptions: { stringNumbers: true },
    });
    clients.push(hasty);
    await new Promise((resolve) => hasty.once('ready', resolve));
    const storage = new AsyncDictStorage(redisHost(hasty, { prefix: 'hasty' }));
    await storage.write(anEnvelope(), 1);
    await storage.close();
  });
});

describe('the host', { skip }, () => {
  let server;
  before(async () => (server = await startRedis()));
  after(() => server.stop());
  afterEach(endAll);

  test('a client of ioredis that gathers its commands and takes numbers for texts is used as any other', async (t) => {
    const client = new Redis({ port: server.port, enableAutoPipelining: true, stringNumbers: true });
    t.after(() => client.disconnect());
    const storage = new AsyncDictStorage(redisHost(client, { prefix: 'options' }));
    const id = await storage.write(anEnvelope(), 1);
    assert.equal(await storage.incrementAttempts(id), 1);
    await storage.close();
  });

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

  test('a message of few bytes, of none or without any is what it was, however it is written', async () => {
    const host = redisHost(client('node-redis', server.port), { prefix: newPlace() });
    const id = idOf(1);
    for (const checks of [[{ dict: 'envelope', id, version: null }], []]) {
      for (const message of ['-', '.', '+', '', undefined]) {
        const value = { recipients: ['a@b'], ...(message === undefined ? {} : { message }) };
        const writes = [{ dict: 'envelope', id, value }, { dict: 'meta', id, value: { timestamp: 1, attempts: 0 } }];
        assert.equal(await host.commit({ checks, writes }), true);
        assert.deepEqual((await host.read('envelope', id)).value, value);
        if (checks.length > 0) assert.equal(await host.commit({ checks, writes }), false);
        const removal = writes.map(({ dict }) => ({ dict, id }));
        if (checks.length > 0) assert.equal(await host.commit({ checks: [], writes: removal }), true);
      }
    }
    assert.deepEqual(await host.sizes(), { size: 1, metaSize: 1 });
    host.close();
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
      await program.line();
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

  for (const library of Object.keys(LIBRARIES)) {
    for (const [what, work] of Object.entries({
      'who waits for a closed storage': 'await storage.close(); await storage.wait().next().catch(() => {});',
      'who subscribes to a closed host': 'host.close(); host.subscribe(() => {});',
      'a queue that is started, stopped and closed at once':
        'const queue = new Queue(storage, { attempt() {} }); queue.start(); await queue.stop(); await storage.close();',
    })) {
      test(`${library}: ${what} leaves no connection that keeps a program alive`, async () => {
        const program = `
          import { redisHost } from '${new URL('../pkg/hosts/redis.js', import.meta.url)}';
          import { AsyncDictStorage, Queue } from '${new URL('../pkg/load/inline.js', import.meta.url)}';
          import { client, endAll } from '${new URL('support/redis-storage.js', import.meta.url)}';
          const host = redisHost(client('${library}', ${server.port}));
          const storage = new AsyncDictStorage(host);
          await storage.getInfo();
          ${work}
          await endAll();
        `;
        await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], { timeout: 120_000 });
      });
    }
  }

  test('a client of ioredis that lets no command wait is used from the first call on', async () => {
    const hasty = new Redis(server.port, '127.0.0.1', { enableOfflineQueue: false });
    endings.push(() => hasty.disconnect());
    await new Promise((resolve) => hasty.once('ready', resolve));
    const storage = new AsyncDictStorage(redisHost(hasty, { prefix: newPlace() }));
    await storage.write(anEnvelope(), 1);
    await storage.close();
  });

  test('a client of ioredis that connects with its first command hears of what others write', async () => {
    const lazy = new Redis(server.port, '127.0.0.1', { lazyConnect: true });
    endings.push(() => lazy.disconnect());
    const prefix = newPlace();
    const host = redisHost(lazy, { prefix });
    /** @type {string[]} */
    const heard = [];
    /** @type {string} */
    let id;
    await new Promise((resolve) => {
      host.subscribe(async (told) => {
        // With nothing it tells that from now on it hears everything.
        if (told === undefined) id = await storageOn('node-redis', server.port, prefix).write(anEnvelope(), 1);
        else heard.push(told) && resolve(undefined);
      });
    });
    assert.deepEqual(heard, [id]);
    host.close();
  });

  for (const library of Object.keys(LIBRARIES)) {
    test(`a listener that throws keeps no connection from telling what comes later, ${library}`, async (t) => {
      t.mock.method(console, 'error', () => {});
      const prefix = newPlace();
      const [host, other] = [1, 2].map(() => redisHost(client(library, server.port), { prefix }));
      const storage = new AsyncDictStorage(other);
      const heard = new Set();
      await new Promise((resolve) => {
        host.subscribe((told) => {
          if (told === undefined) resolve(undefined);
          else heard.add(told);
          throw new Error('thrown by a listener');
        });
      });
      for (const number of [1, 2]) await storage.write(anEnvelope(), 1, { id: idOf(number) });
      while (heard.size < 2) await sleep(10);
      assert.deepEqual([...heard], [idOf(1), idOf(2)]);
      host.close();
      await storage.close();
    });
  }

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

  test('a client of one server makes commits together also where that is a cluster', async () => {
    const server = await startRedis(['--cluster-enabled', 'yes']);
    endings.push(() => server.stop());
    ask(server.port, 'CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    while (!ask(server.port, 'CLUSTER', 'INFO').includes('cluster_state:ok')) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const library of Object.keys(LIBRARIES)) {
      const storage = storageOn(library, server.port);
      await Promise.all(Array.from({ length: 20 }, () => storage.write(anEnvelope(), 1)));
      assert.deepEqual(await storage.getInfo(), { size: 20, metaSize: 20 });
    }
  });

  test('a full server is full, leaves nothing of what it refused, and still lets mail change and go', async () => {
    const server = await startRedis(['--maxmemory-policy', 'noeviction']);
    endings.push(() => server.stop());
    for (const library of Object.keys(LIBRARIES)) {
      ask(server.port, 'CONFIG', 'SET', 'maxmemory', '0');
      const storage = storageOn(library, server.port);
      const id = await storage.write(anEnvelope(), 1);
      ask(server.port, 'CONFIG', 'SET', 'maxmemory', '1mb');
      await queueError(() => storage.write(anEnvelope(), 1, { id: idOf(1) }), 'full');
      assert.equal(await storage.incrementAttempts(id), 1);
      assert.deepEqual([await ids(storage), (await storage.get(id))[1]], [[id], 1]);
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

  test('a queue on a full server delivers what waits', async () => {
    const server = await startRedis(['--maxmemory-policy', 'noeviction']);
    endings.push(() => server.stop());
    for (const library of Object.keys(LIBRARIES)) {
      ask(server.port, 'CONFIG', 'SET', 'maxmemory', '0');
      const storage = storageOn(library, server.port);
      let attempts = 0;
      const queue = new Queue(storage, { attempt: () => (attempts++ === 0 ? { code: 451, message: 'later' } : null) });
      await queue.enqueue(anEnvelope());
      ask(server.port, 'CONFIG', 'SET', 'maxmemory', '1mb');
      assert.equal((await queue.run()).deferred, 1);
      assert.equal((await queue.flush()).delivered, 1);
      assert.deepEqual(await storage.getInfo(), { size: 0, metaSize: 0 });
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
