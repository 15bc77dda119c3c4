/** The command line on a Redis server, through either library, and between it and a LevelDB. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ClassicLevel } from 'classic-level';
import { levelHost } from '../pkg/hosts/level.js';
import { redisHost } from '../pkg/hosts/redis.js';
import { AsyncDictStorage } from '../pkg/load/inline.js';
import { EML, project, put, run, start } from './support/cli.js';
import { client, endAll, newPlace, storageOn } from './support/redis-storage.js';
import { skip, startRedis } from './support/redis.js';

const ID = 'a'.repeat(32);
const OTHER = 'b'.repeat(32);
const mail = { sender: 'me@example.com', recipients: ['a@example.com', 'b@example.com'], headers: [], message: 'Hello!\r\n' };

describe('on Redis', { skip }, () => {
  let server;
  before(async () => (server = await startRedis()));
  after(async () => {
    await endAll();
    await server.stop();
  });
  const url = (database = '') => `redis://127.0.0.1:${server.port}${database}`;
  const on = (/** @type {string} */ prefix) => ['--redis', url(), '--prefix', prefix];

  for (const library of ['redis', 'ioredis']) {
    test(`through ${library}, a message is queued, listed, let be due and removed`, async () => {
      const folder = project([library]);
      put(folder, { 'a.eml': EML });
      const place = on(newPlace());
      const { lines: [id] } = await run(folder, ['add', ...place, '--at', '+2h', 'a.eml']);
      const listed = await run(folder, ['ls', ...place]);
      assert.match(listed.stdout, new RegExp(`^${id}  waiting    in 119m  `));
      assert.equal((await run(folder, ['retry', ...place, id])).code, 0);
      assert.match((await run(folder, ['ls', ...place])).stdout, /waiting {4}(now|\d+s ago)/);
      assert.equal((await run(folder, ['rm', ...place, '-y', id])).code, 0);
      const { code, stdout, stderr } = await run(folder, ['ls', ...place]);
      assert.deepEqual([code, stdout, stderr], [0, '', '']);
    });

    test(`through ${library}, a server that is not there is said in a sentence, and its password is not`, async () => {
      const { code, stdout, stderr } = await run(project([library]), ['ls', '--redis', 'redis://:secret@127.0.0.1:9']);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^there is no Redis that answers at 127\.0\.0\.1:9: .*ECONNREFUSED.*\n$/);
    });

    test(`through ${library}, a database that the server has not got ends the command, and nothing is in another one`, async () => {
      const folder = project([library]);
      const prefix = newPlace();
      put(folder, { 'a.eml': EML });
      const { code, stdout, stderr } = await run(folder, ['add', '--redis', url('/99'), '--prefix', prefix, 'a.eml']);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^there is no Redis that answers at .*: .*DB index is out of range\n$/);
      assert.equal((await run(folder, ['ls', ...on(prefix)])).stdout, '');
    });

    test(`through ${library}, SIGTERM ends a command at once whose server accepts and does not answer`, async (t) => {
      const sockets = new Set();
      const silent = createServer((socket) => void sockets.add(socket)).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      t.after(() => {
        sockets.forEach((socket) => socket.destroy());
        silent.close();
      });
      const { port } = /** @type {import('node:net').AddressInfo} */ (silent.address());
      const { child, ended } = start(project([library]), ['ls', '--redis', `redis://:secret@127.0.0.1:${port}`]);
      await once(silent, 'connection');
      child.kill('SIGTERM');
      const { code, stdout, stderr } = await ended;
      assert.deepEqual([code, stdout, stderr], [1, '', 'interrupted\n']);
    });

    test(`through ${library}, one SIGTERM ends a command whose server answers no more`, async (t) => {
      const mortal = await startRedis();
      const folder = project([library]);
      const place = ['--redis', `redis://127.0.0.1:${mortal.port}`];
      put(folder, { 'a.eml': EML });
      await run(folder, ['add', ...place, 'a.eml']);
      const service = createHttpServer((request, response) => {
        mortal.signal('SIGSTOP');
        flush.child.kill('SIGTERM');
        request.resume().on('end', () => response.end());
      }).listen(0, '127.0.0.1');
      await once(service, 'listening');
      t.after(() => {
        service.close();
        return mortal.stop();
      });
      const { port } = /** @type {import('node:net').AddressInfo} */ (service.address());
      const flush = start(folder, ['flush', ...place, '--http', `http://127.0.0.1:${port}/`]);
      const { code, stdout, stderr } = await flush.ended;
      assert.deepEqual([code, stdout, stderr], [1, '', 'interrupted: no answer within 5s\n']);
    });

    test(`through ${library}, watch tells of what comes, changes and goes, as it happens, until ctrl-c`, async () => {
      const prefix = newPlace();
      const storage = storageOn('node-redis', server.port, prefix);
      await storage.write(mail, 0, { id: ID });
      const { child, ended, said } = start(project([library]), ['watch', ...on(prefix), '--json', '--all']);
      await said(new RegExp(`"${ID}"`));
      await storage.write(mail, 0, { id: OTHER });
      await said(new RegExp(`"${OTHER}","state":"waiting"`));
      await storage.change(OTHER, null, { lease: { until: Date.now() + 60_000, owner: 'somebody' } });
      await said(new RegExp(`"${OTHER}","state":"sending"`));
      await storage.change(OTHER, null, { lease: null, attempts: 1 });
      await said(new RegExp(`"${OTHER}","state":"deferred"`));
      await storage.remove(OTHER);
      await said(new RegExp(`"${OTHER}","state":"removed"`));
      child.kill('SIGINT');
      const { code, stderr, json } = await ended;
      assert.deepEqual([code, stderr], [0, '']);
      assert.deepEqual(json.map(({ id, state }) => [id[0], state]), [
        ['a', 'waiting'], ['b', 'waiting'], ['b', 'sending'], ['b', 'deferred'], ['b', 'removed'],
      ]);
    });
  }

  test('watch begins with what changes, and ends when nobody reads on', async () => {
    const prefix = newPlace();
    const storage = storageOn('node-redis', server.port, prefix);
    await storage.write(mail, 0, { id: ID });
    const { child, ended, said } = start(project(), ['watch', ...on(prefix)]);
    let isOver = false;
    // It hears of a change only once it listens.
    const changing = (async () => {
      for (let at = 1; !isOver; at++) await storage.setTimestamp(ID, Date.now() + at * 1e6);
    })();
    await said(/waiting/);
    child.stdout.destroy();
    const { code, stderr } = await ended;
    isOver = true;
    await changing;
    assert.deepEqual([code, stderr], [0, '']);
  });

  test('a server that goes away ends the work with a sentence, and the same command goes on when it is back', async () => {
    const mortal = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    const folder = project();
    const db = new ClassicLevel(join(folder, 'q'));
    const level = new AsyncDictStorage(levelHost(db));
    // So large that they are still being copied when the server goes away.
    const large = { ...mail, message: 'x'.repeat(20_000) };
    await Promise.all(Array.from({ length: 1_500 }, () => level.write(large, 5)));
    await db.close();
    const copy = ['copy', '--level', 'q', '--json', '--to-redis', `redis://127.0.0.1:${mortal.port}`];
    const first = start(folder, copy);
    const storage = new AsyncDictStorage(redisHost(client('ioredis', mortal.port)));
    while ((await storage.getInfo()).size < 10);
    await storage.close();
    await mortal.kill();
    const { code, stdout, stderr } = await first.ended;
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^(host|unknown-outcome): .*\n$/);
    const back = await startRedis(['--appendonly', 'yes'], { folder: mortal.folder, port: mortal.port });
    const { json: [{ copied, there, failed }] } = await run(folder, copy);
    assert.deepEqual([copied + there, failed], [1_500, 0]);
    assert.ok(there >= 10 && there < 1_500, String(there));
    await back.stop();
  });

  test('messages go from a LevelDB to Redis and back, and what somebody is sending does not', async () => {
    const folder = project();
    const db = new ClassicLevel(join(folder, 'q'));
    const level = new AsyncDictStorage(levelHost(db));
    await level.write(mail, 5, { id: ID });
    await level.change(ID, null, { attempts: 2, delivered: [1], failed: { attempt: 1, indexes: [1] }, firstAttempt: 3, scheduled: 2, untold: 1 });
    await level.write(mail, 6, { id: OTHER });
    await db.close();
    const prefix = newPlace();
    const there = await run(folder, ['copy', '--level', 'q', '--to-redis', url(), '--to-prefix', prefix]);
    assert.deepEqual([there.code, there.stdout], [0, 'copied 2, there already 0, being sent 0, failed 0\n']);
    const storage = storageOn('ioredis', server.port, prefix);
    assert.deepEqual((await storage.get(ID)).slice(1), [2, [0]]);
    await storage.change(OTHER, null, { lease: { until: Date.now() + 60_000, owner: 'somebody' } });
    const back = await run(folder, ['copy', ...on(prefix), '--to-level', 'back']);
    assert.deepEqual([back.code, back.stdout], [1, 'copied 1, there already 0, being sent 1, failed 0\n']);
    assert.match(back.stderr, /what is being sent was not copied: repeat the command when that has ended/);
    await storage.change(OTHER, null, { lease: null });
    const again = await run(folder, ['copy', ...on(prefix), '--to-level', 'back']);
    assert.deepEqual([again.code, again.stdout], [0, 'copied 1, there already 1, being sent 0, failed 0\n']);
    const records = async (/** @type {string} */ name) => {
      const db = new ClassicLevel(join(folder, name), { valueEncoding: 'hex' });
      const all = await db.iterator().all();
      await db.close();
      return all;
    };
    assert.deepEqual(await records('back'), await records('q'));
  });

  test('dead letters are under another prefix', async () => {
    const folder = project();
    const [prefix, dead] = [newPlace(), newPlace()];
    await storageOn('ioredis', server.port, dead).write(mail, 5, { id: ID });
    const { lines } = await run(folder, ['ls', ...on(prefix), '--dead-letter', dead]);
    assert.match(lines[0], new RegExp(`^${ID}  failed `));
    const { code, stdout } = await run(folder, ['retry', ...on(prefix), '--dead-letter', dead, ID]);
    const [, id] = stdout.match(new RegExp(`^${ID} is queued again: ([0-9a-f]{32})\n$`)) ?? [];
    assert.deepEqual([code, id !== undefined && id !== ID], [0, true], stdout);
    const left = await run(folder, ['ls', ...on(prefix), '--dead-letter', dead, '--json']);
    assert.deepEqual(left.json.map((one) => [one.id, one.state]), [[id, 'waiting']]);
  });
});
