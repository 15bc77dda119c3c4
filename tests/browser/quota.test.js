/** A disk that is filled to the brim, again and again. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ENGINES } from '../support/engines.js';
import { openSite } from '../support/site.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, Queue, envelope, indexedDBHost, listed */

const TIMES = process.env.LONG ? 100 : 3;
const SPACE = 4_000_000;
/** How long a connection is given to take writes again, in milliseconds. */
const PATIENCE = 20_000;

/** Writes ever smaller messages until not even one byte is taken, then removes them; tells what is not as it should be. */
async function fill(space) {
  const storage = new AsyncDictStorage(indexedDBHost('queue'));
  const write = (size) => {
    const message = new Uint8Array(size);
    for (let i = 0; i < size; i += 50_000) crypto.getRandomValues(message.subarray(i, i + 50_000));
    return storage.write(envelope({ message }), 1);
  };
  const wrong = [];
  /** What comes of a call: `'done'`, or `'full'` where that may be. */
  const outcome = async (what, call, ...allowed) => {
    globalThis.progress = `${what}, ${ids.length} messages`;
    const found = await call.then(() => 'done', ({ name, code, message }) => (name === 'QueueError' && code) || message);
    if (!allowed.includes(found)) wrong.push(`${what}: ${found}`);
    return found;
  };
  const ids = [];
  /** Whether there is what was acknowledged, and nothing else. */
  const compare = async (when) => {
    globalThis.progress = `comparing ${when}`;
    const listing = ids.map((id) => [1, id]).sort(([, one], [, other]) => (one < other ? -1 : 1));
    const there = JSON.stringify([listing, { size: ids.length, metaSize: ids.length }]);
    const found = JSON.stringify([await listed(storage), await storage.getInfo()]);
    if (found !== there) wrong.push(`${when}: ${found} instead of ${there}`);
    for (const [finding, { length }] of Object.entries(await storage.check())) {
      if (length > 0) wrong.push(`${when}: ${finding}`);
    }
  };
  let refused = 0;
  for (let size = 400_000; size >= 1; size = Math.floor(size / 4)) {
    const one = () => outcome(`a write of ${size} bytes`, write(size).then((id) => ids.push(id)), 'done', 'full');
    // An engine gives room back in its own time, so that small messages may find it again and again.
    for (let writes = 0; writes < 50; writes++) {
      if (await one() === 'done') continue;
      refused++;
      await compare(`after a refused write of ${size} bytes`);
      break;
    }
  }
  const written = ids.length;
  // While it is full: by itself, and together with what finds no space.
  await outcome('a removal', storage.remove(ids.pop()), 'done');
  await outcome('a change', storage.incrementAttempts(ids[0]), 'done', 'full');
  await Promise.all([
    outcome('one large write', write(space), 'full'),
    outcome('a removal beside large writes', storage.remove(ids.pop()), 'done'),
    outcome('another large write', write(space), 'full'),
  ]);
  await compare('after removals');
  for (const id of ids.splice(0)) await outcome('a removal', storage.remove(id), 'done');
  await compare('after the last removal');
  await storage.close();
  return { wrong, refused, written };
}

/**
 * Writes until it may, and removes that again. Tells how often it had to open the database anew: on a busy machine, Firefox
 * has kept the space of a connection for minutes.
 */
async function recover(patience) {
  let storage = new AsyncDictStorage(indexedDBHost('queue'));
  let [opened, since] = [0, performance.now()];
  for (let tries = 1; ; tries++) {
    globalThis.progress = `${tries} tries to write again, opened anew ${opened} times`;
    try {
      await storage.remove(await storage.write(envelope({ message: new Uint8Array(100_000) }), 1));
      await storage.close();
      return opened;
    } catch (error) {
      if (error.code !== 'full') throw error;
      await new Promise((resolve) => setTimeout(resolve, 10)); // engines tidy up in their own time
    }
    if (performance.now() - since < patience) continue;
    await storage.close();
    storage = new AsyncDictStorage(indexedDBHost('queue'));
    [opened, since] = [opened + 1, performance.now()];
  }
}

/** Fills the disk to the brim beside messages that wait, and lets a queue attempt those; tells what came of it. */
async function deliver(count) {
  const storage = new AsyncDictStorage(indexedDBHost('queue'));
  const attempted = [];
  const queue = new Queue(storage, { attempt: (_, __, { id }) => void attempted.push(id) });
  const ids = [];
  for (let i = 0; i < count; i++) ids.push((await queue.enqueue(envelope({ message: 'Hello!' })))[0][1]);
  const filling = [];
  for (let size = 400_000; size >= 1; size = Math.floor(size / 4)) {
    const write = () => storage.write(envelope({ message: crypto.getRandomValues(new Uint8Array(Math.min(size, 60_000))) }), 1e15);
    for (;;) {
      const { id, code } = await write().then((id) => ({ id }), ({ code }) => ({ code }));
      if (code === 'full') break;
      filling.push(id);
    }
  }
  const codes = new Set();
  queue.addEventListener('error', ({ detail }) => codes.add(detail.error.code ?? detail.error.message));
  const delivered = new Promise((resolve) => {
    let left = count;
    queue.addEventListener('delivered', () => --left === 0 && resolve());
  });
  queue.start();
  await delivered;
  await queue.stop();
  for (const id of filling) await storage.remove(id);
  const { size } = await storage.getInfo();
  await storage.close();
  return { once: attempted.length === count && new Set(attempted).size === count, codes: [...codes], size };
}

/** Evaluates a function in a page; where that does not end, tells how far it has come. */
async function told(tab, work, ...words) {
  try {
    return await tab.evaluate(work, ...words);
  } catch (error) {
    throw new Error(`at: ${await tab.evaluate(() => globalThis.progress)}`, { cause: error });
  }
}

/** What each engine is asked for, so that there is little space. */
const WISHES = { Chromium: {}, Firefox: { prefs: { 'dom.quotaManager.temporaryStorage.fixedLimit': SPACE / 1000 } } };

for (const [engine, wishes] of Object.entries(WISHES)) {
  const { skip, start } = ENGINES[engine];
  describe(`A full disk in ${engine}`, { skip }, () => {
    let site;
    let browser;
    before(async () => {
      site = await openSite();
      browser = await start(wishes);
    });
    after(async () => {
      await browser?.close();
      await site?.close();
    });

    test(`${TIMES} times full, it refuses writes whole, lets remove, and takes writes when there is space`, async (t) => {
      const tab = await browser.open(site.url);
      await tab.evaluate(() => globalThis.ready);
      if (engine === 'Chromium') {
        const { origin } = new URL(site.url);
        await tab.devtools('Storage.overrideQuotaForOrigin', { origin, quotaSize: SPACE });
      }
      let [refusals, messages] = [0, 0];
      for (let time = 0; time < TIMES; time++) {
        const { wrong, refused, written } = await told(tab, fill, SPACE);
        assert.deepEqual(wrong, []);
        assert.ok(refused > 0 && written > 0, `${refused} of ${written} writes were refused`);
        refusals += refused;
        messages += written;
        const opened = await told(tab, recover, engine === 'Firefox' ? PATIENCE : Infinity);
        if (opened > 0) t.diagnostic(`${engine}: opened anew ${opened} times before it took writes again`);
      }
      console.log(`${engine} full ${TIMES} times: ${messages} acknowledged, ${refusals} refused, nothing left of these`);
    });

    test('a queue delivers what waits, each once, and removes it', async () => {
      const tab = await browser.open(site.url);
      await tab.evaluate(() => globalThis.ready);
      const { once, codes, size } = await tab.evaluate(deliver, 6);
      assert.deepEqual({ once, size, others: codes.filter((code) => code !== 'full') }, { once: true, size: 0, others: [] });
      console.log(`${engine}: claims of a full disk ${codes.length > 0 ? 'were refused' : 'were taken'}`);
    });
  });
}
