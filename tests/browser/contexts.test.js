/** Storages in several tabs and workers over one database. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inEngines } from '../support/engines.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, indexedDBHost, perform, reach */

const MESSAGES = process.env.LONG ? 2_000 : 50;
const STOPS = process.env.LONG ? 50 : 3;
const KINDS = {
  tab: 'another tab', dedicated: 'a dedicated worker', shared: 'a shared worker', service: 'a service worker',
};
const NOTHING = { orphanEnvelopes: [], orphanMeta: [], corrupt: [] };

/** The timestamps that messages have in the end which `writeAndMove` writes. */
const moved = (first) => Array.from({ length: MESSAGES }, (_, i) => first + 2 * i + 1);

inEngines('A storage', (scene, engine) => {
  const here = (...call) => scene.tabs[0].evaluate((call) => perform(call), [scene.name, ...call]);
  const there = (...call) => scene.tabs[1].evaluate((call) => globalThis.other.call(call), [scene.name, ...call]);
  /** Begins a call in the second tab's context; `end` waits for it. */
  const begin = (...call) => scene.tabs[1].evaluate((call) => {
    globalThis.begun = globalThis.other.call(call);
  }, [scene.name, ...call]);
  const end = () => scene.tabs[1].evaluate(() => globalThis.begun);
  const meet = (kind) => scene.tabs[1].evaluate(async (kind) => {
    globalThis.other = await reach(kind);
  }, kind);

  for (const [kind, context] of Object.entries(KINDS)) {
    test(`who waits hears of all that ${context} writes and moves, and looks through everything once`, async () => {
      await meet(kind);
      await begin('writeAndMove', 0, 2 * MESSAGES);
      await here('listen'); // in the midst of it
      await end();
      assert.ok(await here('heard', moved(0)) <= 1);
      await there('writeAndMove', 10_000, 2 * MESSAGES);
      assert.ok(await here('heard', moved(10_000)) <= 1);
    });

    test(`who waits in ${context} hears of all that others write and move`, async () => {
      await meet(kind);
      await there('listen');
      await here('writeAndMove', 0, 2 * MESSAGES);
      assert.ok(await there('heard', moved(0)) <= 1);
    });
  }

  const ends = {
    'a worker that is terminated': ['dedicated', () => scene.tabs[1].evaluate(() => {
      globalThis.other.worker.terminate();
    })],
    // Others have no way to stop a service worker that a test could take.
    ...(engine === 'Chromium' && {
      'a service worker that is stopped': ['service', async () => {
        await scene.tabs[1].devtools('ServiceWorker.enable');
        await scene.tabs[1].devtools('ServiceWorker.stopAllWorkers');
      }],
    }),
  };
  for (const [what, [kind, stop]] of Object.entries(ends)) {
    test(`${what} half way, ${STOPS} times, loses nothing acknowledged and leaves nothing half there`, async () => {
      const acknowledged = [];
      const births = new Set();
      for (let round = 1; round <= STOPS; round++) {
        await meet(kind);
        births.add(await there('birth'));
        await scene.tabs[1].evaluate(([name, first, many]) => new Promise((resolve, reject) => {
          globalThis.acknowledged = [];
          globalThis.other.call([name, 'writeOn', first], (what) => {
            if (globalThis.acknowledged.push(what) === many) resolve(true);
          }).catch(reject);
        }), [scene.name, round * 100_000, 10 + 7 * round]);
        await stop();
        acknowledged.push(...await scene.tabs[1].evaluate(() => globalThis.acknowledged));
        const found = await scene.tabs[0].evaluate(async ([name, acknowledged]) => {
          const storage = new AsyncDictStorage(indexedDBHost(name));
          const lost = [];
          for (const [id, what] of acknowledged) {
            const [{ message }, , positions] = await storage.get(id).catch(() => [{}]);
            if (message?.length !== 100_000 || (what === 'delivered' && positions.includes(1))) lost.push([id, what]);
          }
          const { size, metaSize } = await storage.getInfo();
          return { lost, half: size - metaSize, findings: await storage.check() };
        }, [scene.name, acknowledged]);
        assert.deepEqual(found, { lost: [], half: 0, findings: NOTHING });
      }
      assert.equal(births.size, STOPS);
      assert.ok(acknowledged.length > 20 * STOPS, `${acknowledged.length} acknowledged`);
    });
  }
});
