/** No crash does harm: every call is cut at each of its calls on the dictionaries, done and not done; so is repair. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { outcome } from './support/calls.js';
import { Faults } from './support/faults.js';
import { Store } from './support/host.js';
import { CUT, OPERATIONS, SETTINGS, aStore, listed, rehearse } from './support/scenario.js';

const WRITING = Object.entries(OPERATIONS).filter(([, { writes, commits }]) => writes || commits);
const powerCut = new Error('the power is cut');

let points = 0;
after(() => console.log(`crash points: ${points}`));

/** What a crash leaves: a copy of everything, which nothing that is still under way can change. */
function remains({ envelope, meta }) {
  const store = new Store();
  for (const [id, value] of envelope) store.envelope.set(id, structuredClone(value));
  for (const [id, value] of meta) store.meta.set(id, structuredClone(value));
  return store;
}

/** Runs something over a copy of a store until the call of that number, after which nothing works. */
async function cut(setting, store, run, at, done) {
  points++;
  const [kept, faults] = [remains(store), new Faults()];
  let left;
  const storage = setting.over(kept, {
    run: (name, proceed) => faults.run(name, () => {
      if (left) throw powerCut;
      return proceed();
    }),
  }, { deadline: 20_000 });
  const crash = () => {
    left = remains(kept);
    throw powerCut;
  };
  faults.plan(at, (proceed) => {
    const work = done ? proceed() : undefined;
    return typeof work?.then === 'function' ? work.then(crash) : crash();
  });
  const { failed } = await outcome(() => run(storage));
  assert.ok(faults.hit && left, 'it was not cut');
  assert.ok(failed, 'a call that was cut has succeeded');
  return left;
}

/** The number of calls on the dictionaries that something makes over a copy of a store. */
async function callsOf(setting, store, run) {
  const faults = new Faults();
  await run(setting.over(remains(store), faults, {}));
  return faults.calls.length;
}

const recover = async (storage) => {
  await storage.check();
  await storage.repair({ minAge: 0 });
};

async function assertRepaired(setting, store, before) {
  const storage = setting.over(store, new Faults(), {});
  const found = await storage.check();
  const cleared = await storage.repair({ minAge: 0 });
  assert.deepEqual([...cleared.orphanEnvelopes].sort(), [...found.orphanEnvelopes].sort());
  assert.deepEqual([...cleared.orphanMeta].sort(), [...found.orphanMeta].sort());
  const { orphanEnvelopes, orphanMeta } = await storage.check();
  assert.deepEqual([orphanEnvelopes, orphanMeta], [[], []]);
  assert.deepEqual([...store.envelope.keys()].sort(), [...store.meta.keys()].sort());
  assert.equal(listed(store), before, 'repair changed what is listed');
}

for (const setting of SETTINGS) {
  describe(setting.name, () => {
    test('a crash at any point leaves each message as it was before the call or as it is after it', async () => {
      for (const [what, { run }] of WRITING) {
        const { calls, before, after } = await rehearse(setting, run);
        for (const at of calls.keys()) {
          for (const done of [false, true]) {
            const now = listed(await cut(setting, aStore(), run, at, done));
            assert.ok(now === before || now === after, `${what}, cut at call ${at} (${calls[at]}), left ${now}`);
          }
        }
      }
    });

    test('check names every envelope that a crash left alone and repair clears it', async () => {
      for (const [, { run }] of WRITING) {
        const { calls } = await rehearse(setting, run);
        for (const at of calls.keys()) {
          for (const done of [false, true]) {
            const store = await cut(setting, aStore(), run, at, done);
            const alone = [...store.envelope.keys()].filter((id) => !store.meta.has(id)).sort();
            const found = await setting.over(store, new Faults(), {}).check();
            assert.deepEqual([...found.orphanEnvelopes].sort(), alone);
            assert.deepEqual(found.orphanMeta, []);
            await assertRepaired(setting, store, listed(store));
          }
        }
      }
    });

    test('a second crash, in the midst of check and repair, does no harm either', async () => {
      for (const [, { run }] of WRITING) {
        const { calls } = await rehearse(setting, run);
        for (const at of calls.keys()) {
          const store = await cut(setting, aStore(), run, at, true);
          const before = listed(store);
          const second = await callsOf(setting, store, recover);
          // Every sixth point, another one each time: all of them are for the long run.
          for (let again = process.env.LONG ? 0 : at % 6; again < second; again += process.env.LONG ? 1 : 6) {
            await assertRepaired(setting, await cut(setting, store, recover, again, again % 2 === 0), before);
          }
        }
      }
    });

    test('a call that is made again after a crash at any point takes effect', async () => {
      for (const [what, { run, repeatable }] of WRITING) {
        if (!repeatable) continue;
        const { calls, after } = await rehearse(setting, run);
        for (const at of calls.keys()) {
          for (const done of [false, true]) {
            const store = await cut(setting, aStore(), run, at, done);
            await run(setting.over(store, new Faults(), {}));
            assert.equal(listed(store), after, `${what}, cut at call ${at}`);
          }
        }
      }
    });

    test('a write is made again under its id after a crash, over the envelope that was left', async () => {
      const store = aStore();
      const storage = setting.over(store, new Faults(), {});
      assert.equal(await OPERATIONS['write under an id cut short'].run(storage), CUT);
      assert.ok(listed(store).includes(CUT));
      assert.deepEqual((await storage.check()).orphanEnvelopes, []);
    });
  });
}
