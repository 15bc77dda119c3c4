/** The power is cut while a page writes; `SEED=… node --test tests/browser/powercut.test.js` repeats a run. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ENGINES } from '../support/bare-browser.js';
import { crash } from '../support/crashes.js';
import { Disk, skip } from '../support/powercut.js';
import { Random } from '../support/random.js';

const CUTS = Number(process.env.CUTS ?? (process.env.LONG ? 200 : 5));
const RELAXED = Math.ceil(CUTS / 4) + 1;
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 32);

for (const engine of ENGINES) {
  describe(`Power cuts in ${engine.name}`, { skip: engine.skip || skip }, () => {
    test(`${CUTS} power cuts lose nothing that was acknowledged as strictly durable`, async () => {
      const ledger = await crash({ engine, random: new Random(SEED), times: CUTS, disk: await Disk.open() });
      console.log(`${CUTS} power cuts of ${engine.name}, strict: ${ledger}`);
      assert.deepEqual(ledger.differences, [], `SEED=${SEED}`);
      assert.ok(ledger.acknowledged >= CUTS, `${ledger.acknowledged} acknowledged`);
    });

    test(`of what was not to be strictly durable, at most ${RELAXED} power cuts lose something`, async () => {
      const ledger = await crash({
        engine, random: new Random(SEED), times: RELAXED, disk: await Disk.open(), durability: 'relaxed',
      });
      console.log(`up to ${RELAXED} power cuts of ${engine.name}, relaxed: ${ledger}`);
      assert.ok(ledger.lost > 0, 'nothing was lost: the cuts do not cut');
    });
  });
}
