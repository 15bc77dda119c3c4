/** Random operations against a model; `SEED=… node --test tests/model.test.js` repeats a run. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anEnvelope, ids, outcome } from './support/calls.js';
import { Model, contents, randomEnvelope, step } from './support/model.js';
import { Random } from './support/random.js';
import { asyncSubjects, subjects } from './support/subjects.js';

const STEPS = process.env.LONG ? 200_000 : 4000;
const ROUNDS = process.env.LONG ? 2000 : 60;
const SEED = process.env.SEED === undefined ? Date.now() % 2 ** 32 : Number(process.env.SEED);

/** A test that says how to repeat it when it fails. */
function randomTest(name, run) {
  test(name, async () => {
    const progress = { at: 0 };
    try {
      await run(new Random(SEED), progress);
    } catch (error) {
      error.message = `SEED=${SEED}, step ${progress.at}: ${error.message}`;
      throw error;
    }
  });
}

for (const { name, open } of subjects) {
  describe(name, () => {
    randomTest(`${STEPS} random operations do what the model does`, async (random, progress) => {
      const model = new Model();
      const { storage, another, envelope, meta } = open({ pause: () => random.pause() });
      for (let current = storage; progress.at < STEPS; progress.at++) {
        await step(current, model, random);
        if (random.chance(200)) current = another(); // it was restarted
        if (progress.at % 100 === 0) {
          assert.deepEqual(await contents(current), model.contents());
          assert.deepEqual(await current.check(), { orphanEnvelopes: [], orphanMeta: [], corrupt: [] });
        }
      }
      assert.deepEqual([...envelope.keys()].sort(), [...model.messages.keys()].sort());
      assert.deepEqual([...meta.keys()].sort(), [...model.messages.keys()].sort());
    });

    randomTest('two storages over the same dictionaries, by turns, do as the model does', async (random, progress) => {
      const model = new Model();
      const { storage, another } = open({ pause: () => random.pause() });
      const storages = [storage, another()];
      for (; progress.at < STEPS / 4; progress.at++) await step(random.pick(storages), model, random);
      for (const each of storages) assert.deepEqual(await contents(each), model.contents());
    });
  });
}

for (const { name, open } of asyncSubjects) {
  describe(`${name}, several at once`, () => {
    randomTest('increments over two storages all take effect, each with its own number', async (random) => {
      const { storage, another } = open({ pause: () => random.pause() });
      const storages = [storage, another()];
      const id = await storage.write(anEnvelope(), 10);
      const counts = await Promise.all(Array.from({ length: 400 }, () => random.pick(storages).incrementAttempts(id)));
      assert.deepEqual(counts.sort((a, b) => a - b), Array.from({ length: 400 }, (_, i) => i + 1));
      assert.equal((await another().get(id))[1], 400);
    });

    randomTest('changes that add up, made at once over two storages, all take effect', async (random, progress) => {
      const model = new Model();
      const { storage, another } = open({ pause: () => random.pause() });
      const storages = [storage, another()];
      for (; progress.at < ROUNDS; progress.at++) {
        const calls = [];
        const run = (call) => calls.push(call(random.pick(storages)));
        const there = [...model.messages.keys()];
        for (let left = random.below(40); left > 0; left--) {
          const id = there.length > 0 ? random.pick(there) : undefined;
          if (!id || random.chance(4)) {
            const envelope = randomEnvelope(random);
            run(async (storage) => model.write(await storage.write(envelope, 7), envelope, 7));
          } else if (random.chance(2)) {
            model.messages.get(id).attempts++;
            run((storage) => storage.incrementAttempts(id));
          } else {
            const delivered = random.some(model.messages.get(id).envelope.recipients.map((_, i) => i));
            model.change(id, null, { delivered });
            run((storage) => storage.setRecipientsDelivered(id, delivered));
          }
        }
        await Promise.all(calls);
        assert.deepEqual(await contents(random.pick(storages)), model.contents());
        for (const id of random.some([...model.messages.keys()])) {
          model.remove(id);
          await random.pick(storages).remove(id);
        }
      }
    });

    randomTest('whatever races with the removal of a message, nothing of it is left', async (random, progress) => {
      const { storage, another, envelope, meta } = open({ pause: () => random.pause() });
      const storages = [storage, another()];
      for (; progress.at < ROUNDS; progress.at++) {
        const id = await storage.write(anEnvelope(), 10);
        const calls = [
          (storage) => storage.incrementAttempts(id), (storage) => storage.setTimestamp(id, random.below(9)),
          (storage) => storage.setRecipientsDelivered(id, [random.below(3)]), (storage) => storage.get(id),
          (storage) => storage.change(id, { attempts: 0 }, { attempts: 5, lease: { until: 1, owner: 'me' } }),
        ];
        const racing = Array.from({ length: 20 }, () => [random.pick(calls), random.pick(storages)]);
        racing.splice(random.below(20), 0, [(storage) => storage.remove(id), random.pick(storages)]);
        const outcomes = racing.map(([call, storage]) => outcome(() => call(storage)));
        for (const { failed, error } of await Promise.all(outcomes)) {
          if (failed) assert.equal(error.name, 'KeyError', error.stack);
        }
        assert.deepEqual([envelope.size, meta.size], [0, 0]);
      }
    });

    randomTest('of several writes of one id at once one counts, and all return the id', async (random, progress) => {
      const { storage, another } = open({ pause: () => random.pause() });
      const storages = [storage, another()];
      for (; progress.at < ROUNDS; progress.at++) {
        const id = progress.at.toString(16).padStart(32, 'a');
        const envelopes = Array.from({ length: 8 }, () => randomEnvelope(random));
        const writing = envelopes.map((envelope, i) => random.pick(storages).write(envelope, i, { id }));
        const written = await Promise.all(writing);
        assert.deepEqual(written, Array(8).fill(id));
        const [kept] = await storage.get(id);
        assert.ok(envelopes.some(({ number }) => number === kept.number));
        const listed = (await contents(storages[1])).get(id);
        assert.equal(envelopes[listed[0]].number, kept.number, 'envelope and timestamp are of different writes');
      }
      assert.equal((await ids(storage)).length, ROUNDS);
    });
  });
}
