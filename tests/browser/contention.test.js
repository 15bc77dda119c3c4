/** Four contexts change the same messages at once; `SEED=… node --test tests/browser/contention.test.js`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inEngines } from '../support/engines.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, envelope, indexedDBHost, listed, perform, reach */

const SECONDS = process.env.LONG ? 20 : 5;
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 32);
const NOTHING = { orphanEnvelopes: [], orphanMeta: [], corrupt: [] };

inEngines('Contention', (scene, engine) => {
  test(`what four contexts have acknowledged after ${SECONDS} seconds explains the database exactly`, async () => {
    const [page, other] = scene.tabs;
    await page.evaluate(async ([name, seed, milliseconds]) => {
      const contexts = [await reach('tab'), await reach('dedicated'), await reach('service')];
      globalThis.journals = Promise.all(
        contexts.map(({ call }, number) => call([name, 'contend', seed + number, milliseconds])));
    }, [scene.name, SEED, SECONDS * 1000]);
    const journals = [
      await other.evaluate((call) => perform(call), [scene.name, 'contend', SEED + 3, SECONDS * 1000]),
      ...await page.evaluate(() => globalThis.journals),
    ];
    for (const { written, counted } of journals) assert.ok(written.length > 0 && counted.length > 0, 'it did nothing');
    const found = await other.evaluate(async (name) => {
      const storage = new AsyncDictStorage(indexedDBHost(name));
      const messages = {};
      for (const [timestamp, id] of await listed(storage)) {
        const [, attempts, positions] = await storage.get(id);
        messages[id] = { timestamp, attempts, positions };
      }
      return { messages, findings: await storage.check(), sizes: await storage.getInfo() };
    }, scene.name);

    const union = (what) => journals.flatMap((journal) => journal[what]);
    assert.deepEqual(union('wrong'), [], `SEED=${SEED}`);
    const removed = new Set(union('removed'));
    const history = new Map(union('written').map((id) => [id, { counted: [], marked: [], moved: [] }]));
    assert.equal(history.size, union('written').length, 'an id was given out twice');
    for (const what of ['counted', 'marked', 'moved']) {
      for (const [id, value] of union(what)) history.get(id)[what].push(value);
    }
    assert.deepEqual(union('missed').filter((id) => !removed.has(id)), [], `SEED=${SEED}: missing, and not removed`);
    const explained = {};
    const upTo = (count, first) => Array.from({ length: count }, (_, i) => first + i);
    for (const [id, { counted, marked, moved }] of history) {
      // Each call has changed what one other had left, also of a message that somebody removed in the end.
      assert.deepEqual(counted.sort((a, b) => a - b), upTo(counted.length, 1), `SEED=${SEED}: ${id}`);
      assert.deepEqual(moved.sort((a, b) => a - b), upTo(moved.length, 0), `SEED=${SEED}: ${id}`);
      if (removed.has(id)) continue;
      const positions = [0, 1, 2].filter((position) => !marked.includes(position));
      explained[id] = { timestamp: moved.length, attempts: counted.length, positions };
    }
    assert.deepEqual(found.messages, explained, `SEED=${SEED}`);
    const count = Object.keys(explained).length;
    assert.deepEqual([found.findings, found.sizes], [NOTHING, { size: count, metaSize: count }]);
    const changes = ['written', 'counted', 'marked', 'moved', 'removed'].flatMap(union).length.toLocaleString('en');
    console.log(`four contexts of ${engine}, ${SECONDS} s: ${changes} changes acknowledged, no difference`);
  });
});
