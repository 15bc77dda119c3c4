/** The whole browser is killed while a page writes; `SEED=… node --test tests/browser/kills.test.js` repeats a run. */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ENGINES } from '../support/bare-browser.js';
import { Folder, crash } from '../support/crashes.js';
import { skip as skipSlow, slow } from '../support/powercut.js';
import { Random } from '../support/random.js';

const KILLS = Number(process.env.KILLS ?? (process.env.LONG ? 200 : 3));
/** Acknowledged changes between two kills, at most. */
const MOST = process.env.LONG ? 400 : 100;
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 32);

for (const engine of ENGINES) {
  describe(`Kills of ${engine.name}`, { skip: engine.skip }, () => {
    test(`${KILLS} kills lose nothing that was acknowledged and leave nothing half there`, async () => {
      const ledger = await crash({ engine, random: new Random(SEED), times: KILLS, most: MOST });
      console.log(`${KILLS} kills of ${engine.name}: ${ledger}`);
      assert.deepEqual(ledger.differences, [], `SEED=${SEED}`);
      assert.equal(ledger.refused, 0);
      assert.ok(ledger.acknowledged >= KILLS, `${ledger.acknowledged} acknowledged`);
    });
  });
}

/** Each kill comes while the engine of Chromium writes a record to its log: all of it but a byte is there. */
class TornLog extends Folder {
  /** @type {string[]} */
  #torn = [];
  constructor(env = {}) {
    super();
    this.env = () => env;
  }

  cut() {
    const [record, header] = [Buffer.alloc(17, 7), 7];
    record.writeUInt16LE(record.length - header + 1, header - 3);
    record.writeUInt8(1, header - 1); // a whole record
    this.#torn = readdirSync(this.live, { recursive: true, encoding: 'utf8' })
      .filter((name) => /indexeddb\.leveldb.\d+\.log$/.test(name)).map((name) => join(this.live, name));
    assert.ok(this.#torn.length > 0, 'there is no log');
    for (const log of this.#torn) appendFileSync(log, record);
  }

  /** Ends when the engine has done away with what was torn. */
  async rest() {
    while (this.#torn.some((log) => existsSync(log))) await pause(5);
  }
}

const [chromium] = ENGINES;
describe('Kills of Chromium in the middle of a record', { skip: chromium.skip }, () => {
  test('what is acknowledged after such a kill is there after the next one', async () => {
    const random = new Random(SEED);
    const ledger = await crash({ engine: chromium, random, times: 3, most: MOST, disk: new TornLog() });
    assert.deepEqual(ledger.differences, [], `SEED=${SEED}`);
  });

  test('what is acknowledged after such a kill is there after the next ones, where the browser did nothing but read', {
    timeout: 300_000,
  }, async () => {
    const plan = { engine: chromium, times: 4, most: 20, reads: (number) => number % 2 === 1 };
    const ledger = await crash({ ...plan, random: new Random(SEED), disk: new TornLog() });
    assert.deepEqual(ledger.differences, [], `SEED=${SEED}`);
  });

  for (const [context, what] of Object.entries({ page: 'a page', service: 'a service worker' })) {
    test(`what is acknowledged to ${what} is there after a kill that comes 0 to 10 seconds after its first change`, async () => {
      const plan = { engine: chromium, times: 3, most: 1, delay: 10_000, context };
      const ledger = await crash({ ...plan, random: new Random(SEED), disk: new TornLog() });
      assert.deepEqual(ledger.differences, [], `SEED=${SEED}`);
      assert.ok(ledger.acknowledged >= 3, `${ledger.acknowledged} acknowledged`);
    });
  }

  test('the first change is there once it is acknowledged, however long the engine takes to write out its log', {
    skip: skipSlow,
  }, async () => {
    const disk = new TornLog(await slow('ldb'));
    const ledger = await crash({ engine: chromium, random: new Random(SEED), times: 3, most: 1, disk });
    assert.deepEqual(ledger.differences, [], `SEED=${SEED}`);
    assert.ok(ledger.acknowledged >= 3, `${ledger.acknowledged} acknowledged`);
  });
});
