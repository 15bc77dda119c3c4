/** The Durable Object host in workerd, on both kinds of storage, and a Worker that takes mail. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import PostalMime from 'postal-mime';
import { durableObjectHost } from '../pkg/hosts/durable-object.js';
import { temporary } from './packaging/pack.js';
import { smallDisk } from './support/disk.js';
import { killAfter } from './support/program.js';
import { ask, bundled, memoryFor, objectsIn, runtimes, workerIn } from './support/workerd.js';

const KILLS = process.env.LONG ? 50 : 4;
const INCREMENTS = process.env.LONG ? 5_000 : 1_000;
const LARGE = 25_000_000;
const BACKENDS = { SQLITE: 'SQLite', KEY_VALUE: 'keys and values' };
const unmeasured = process.platform === 'linux' ? false : 'only Linux says how much memory another process takes';
if (unmeasured) console.log(`skipped: ${unmeasured}`);
const LIVE = fileURLToPath(new URL('support/live-object.js', import.meta.url));

describe('Durable Objects', () => {
  const disk = smallDisk();
  after(() => disk?.remove());
  let folder = '';
  /** @type {ReturnType<typeof workerIn>} */
  let miniflare;
  before(async () => {
    folder = await bundled('suite.js');
    miniflare = workerIn(folder, objectsIn(temporary()));
  });
  after(() => miniflare?.dispose());

  for (const [backend, words] of Object.entries(BACKENDS)) {
    test(`the suite for hosts, on ${words}`, async (t) => {
      const names = await ask(miniflare, backend, 'names', 'names');
      assert.ok(names.length > 50);
      for (const name of names) {
        await t.test(name, async () => {
          const error = await ask(miniflare, backend, name, 'test', name);
          assert.equal(error, null, error);
        });
      }
    });

    test(`two storages that count attempts ${INCREMENTS} times each lose none, on ${words}`, async () => {
      assert.equal(await ask(miniflare, backend, 'count', 'count', INCREMENTS), 2 * INCREMENTS);
    });

    test(`a message of any size comes in pieces and goes with all of them, on ${words}`, async () => {
      for (const [length, pieces] of [[1, 1], [119_000, 1], [120_000, 2], [1_000_000, 9], [LARGE, 209]]) {
        const found = await ask(miniflare, backend, `large-${length}`, 'large', length);
        assert.deepEqual(found, { pieces, same: true, left: [] });
      }
    });

    test(`a write of 25 MB takes at most 40 MB besides the message, on ${words}`, { skip: unmeasured }, async (t) => {
      const others = runtimes();
      const own = workerIn(folder, objectsIn(temporary()));
      try {
        for (const length of [1_000_000, LARGE]) {
          assert.equal(await ask(own, backend, 'memory', 'hold', length), length);
          const [runtime] = runtimes().filter((pid) => !others.includes(pid));
          const bytes = await memoryFor(runtime, () => ask(own, backend, 'memory', 'keep'));
          t.diagnostic(`${length} bytes: ${(bytes / 1e6).toFixed(1)} MB besides them`);
          assert.ok(bytes <= 40_000_000, `${bytes} bytes`);
        }
      } finally {
        await own.dispose();
      }
    });

    test(`what an object was sending when it was ended is sent by the next one at once, on ${words}`, async () => {
      const id = await ask(miniflare, backend, 'ended', 'attempt');
      assert.deepEqual(await ask(miniflare, backend, 'ended', 'deliver'), []);
      await assert.rejects(ask(miniflare, backend, 'ended', 'abort'));
      assert.deepEqual((await ask(miniflare, backend, 'ended', 'deliver')).filter((one) => one === id), [id]);
    });

    test(`too many recipients to mark are too large, on ${words}`, async () => {
      assert.deepEqual(await ask(miniflare, backend, 'recipients', 'recipients'), { code: 'too-large', left: 0 });
    });

    test(`of a transaction that fails nothing stays, on ${words}`, async () => {
      const found = await ask(miniflare, backend, 'failing', 'failing');
      assert.deepEqual(found, { code: 'host', cause: true, keys: [] });
    });

    test(`an object that ends while it writes has whole messages when it is there again, on ${words}`, async () => {
      await assert.rejects(ask(miniflare, backend, 'abort', 'abort'));
      const check = { orphanEnvelopes: [], orphanMeta: [], corrupt: [] };
      assert.deepEqual(await ask(miniflare, backend, 'abort', 'whole'), { first: true, check });
    });
  }

  test(`of what was acknowledged, ${KILLS} kills of the runtime lose and tear nothing`, async (t) => {
    const place = temporary();
    const acknowledged = { SQLITE: new Map(), KEY_VALUE: new Map() };
    for (let kill = 0; kill < KILLS; kill++) {
      const backend = kill % 2 ? 'KEY_VALUE' : 'SQLITE';
      // A group of its own, since the runtime is another process.
      const child = spawn(process.execPath, [LIVE, folder, place, backend, String(kill * 100_000)], {
        detached: true, stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const lines = createInterface({ input: child.stdout });
      const steps = 50 + Math.floor(Math.random() * 200);
      await killAfter({ child, lines, ended }, steps, acknowledged[backend], () => process.kill(-child.pid, 'SIGKILL'));
    }
    const later = workerIn(folder, objectsIn(place));
    try {
      for (const [backend, steps] of Object.entries(acknowledged)) {
        assert.deepEqual(await ask(later, backend, 'live', 'judge', [...steps]), { lost: [], torn: [] });
        t.diagnostic(`${steps.size} messages on ${BACKENDS[backend]}, ${KILLS} kills`);
        assert.ok(steps.size >= 10);
      }
    } finally {
      await later.dispose();
    }
  });

  // The runtime then ends the object, so that nobody hears of what is not on disk, and begins it anew.
  test('what was acknowledged before the disk was full is there, and there is room again later', {
    skip: disk ? false : 'nothing can be mounted here',
  }, async () => {
    const own = workerIn(folder, objectsIn(disk.folder));
    try {
      for (const backend of Object.keys(BACKENDS)) {
        const write = (number) => ask(own, backend, 'full', 'one', number);
        const written = [];
        const failed = await (async () => {
          for (let number = 1; ; number++) written.push(await write(number));
        })().catch((error) => error);
        assert.match(String(failed), /^Error: 500/);
        assert.ok(written.length > 5);
        disk.enlarge();
        while (!(await write(200).then((id) => written.push(id), () => 0)));
        const { listed, check } = await ask(own, backend, 'full', 'listed');
        assert.deepEqual(check, { orphanEnvelopes: [], orphanMeta: [], corrupt: [] });
        for (const id of written) assert.ok(listed.includes(id), id);
        assert.ok(listed.length <= written.length + 1);
      }
    } finally {
      await own.dispose();
    }
  });

  test('what is no storage of an object is a TypeError', () => {
    for (const wrong of [undefined, null, 5, {}, new Map()]) {
      assert.throws(() => durableObjectHost(wrong), { name: 'TypeError', message: /^storage: / });
    }
  });
});

describe('a Worker that takes mail', () => {
  const place = temporary();
  let folder = '';
  /** @type {ReturnType<typeof workerIn>} */
  let miniflare;
  const begin = () => {
    miniflare = workerIn(folder, {
      durableObjects: { OUTBOX: { className: 'Outbox', useSQLite: true } }, durableObjectsPersist: place,
      unsafeTriggerHandlers: true,
    });
  };
  before(async () => {
    folder = await bundled('mail.js');
    begin();
  });
  after(() => miniflare?.dispose());

  const post = (query, body) => miniflare.dispatchFetch(`http://x/?${query}`, { method: 'POST', body });
  const queue = async () => (await miniflare.dispatchFetch('http://x/')).json();

  test('it stores what is posted before it answers, and shows it', async () => {
    const query = 'from=me@example.com&to=you@example.com&to=them@example.com';
    const response = await post(query, 'Subject: Hi\r\n\r\nHi!');
    assert.equal(response.status, 202);
    const { id } = /** @type {any} */ (await response.json());
    const [{ due, ...row }] = /** @type {any} */ (await queue());
    assert.deepEqual(row, {
      id, attempts: 0, sender: 'me@example.com', recipients: ['you@example.com', 'them@example.com'], bytes: 18,
    });
    assert.ok(Math.abs(Date.parse(due) - Date.now()) < 3_600_000);
  });

  test('it stores a large one too', async () => {
    assert.equal((await post('from=a@example.com&to=b@example.com', new Uint8Array(5_000_000).fill(65))).status, 202);
    assert.ok((await queue()).some(({ bytes }) => bytes === 5_000_000));
  });

  test('it stores what a mail server hands in', async () => {
    for (const length of [10, 900_000]) {
      const mail = `From: a@example.com\r\nTo: b@example.com\r\nMessage-ID: <${length}@example.com>\r\n\r\n` +
        `${'x'.repeat(70)}\r\n`.repeat(Math.ceil(length / 72));
      assert.equal((await PostalMime.parse(mail)).from?.address, 'a@example.com');
      const response = await miniflare.dispatchFetch(
        'http://x/cdn-cgi/handler/email?from=a@example.com&to=b@example.com', { method: 'POST', body: mail });
      assert.equal(response.status, 200, await response.text());
      const row = /** @type {any} */ (await queue()).find(({ bytes }) => bytes === mail.length);
      assert.deepEqual([row.sender, row.recipients], ['a@example.com', ['b@example.com']]);
    }
  });

  test('what it accepted is there when it is started again', async () => {
    const response = await post('from=me@example.com&to=you@example.com', 'Subject: Kept\r\n\r\nHi!');
    const { id } = /** @type {any} */ (await response.json());
    const before = /** @type {any} */ (await queue());
    assert.ok(before.some((row) => row.id === id));
    await miniflare.dispose();
    begin();
    assert.deepEqual(await queue(), before);
  });

  test('it refuses what it cannot store, and says why', async () => {
    for (const [query, reason] of [['from=a@b', /to: /], ['from=a@b&to=c%0D%0ARCPT@d', /recipients\[0\]/]]) {
      const response = await post(query, 'x');
      assert.equal(response.status, 400);
      assert.match(await response.text(), reason);
    }
    assert.equal((await miniflare.dispatchFetch('http://x/', { method: 'PUT', body: 'x' })).status, 405);
  });
});
