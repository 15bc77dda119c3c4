/** What a queue does while its storage is away, and when it is back. The clocks go on as the tests say. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { AsyncDictStorage, Queue } from '../pkg/load/inline.js';
import { MemoryHost, Store } from './support/host.js';
import { message, relayOf, watch } from './support/queues.js';

const BEGIN = 1_700_000_000_000;

/** A host that fails on command, and counts its calls meanwhile. */
class FailingHost extends MemoryHost {
  isAway = false;
  isFull = false;
  calls = 0;

  #check(fails) {
    if (this.isAway || this.isFull) this.calls++;
    if (fails) throw new Error('away');
  }

  async read(...args) {
    this.#check(this.isAway);
    return super.read(...args);
  }

  async commit(...args) {
    this.#check(this.isAway || this.isFull);
    return super.commit(...args);
  }

  async page(...args) {
    this.#check(this.isAway);
    return super.page(...args);
  }
}

describe('When the storage is back', () => {
  /** A started queue whose clocks stand still; `pass` lets time go on, and all that is to happen meanwhile happen. */
  const open = async (t, count, answer) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: BEGIN });
    t.mock.method(performance, 'now', () => Date.now() - BEGIN);
    const store = new Store();
    const host = new FailingHost(store);
    const storage = new AsyncDictStorage(host);
    for (let i = 0; i < count; i++) await storage.write(message([`${i}`]), BEGIN + 1_000);
    const relay = relayOf(answer);
    const queue = new Queue(storage, relay);
    const pass = async (milliseconds) => {
      for (let passed = 0; passed < milliseconds; passed += 100) {
        t.mock.timers.tick(100);
        for (let i = 0; i < 8; i++) await turn();
      }
    };
    queue.start();
    await pass(100);
    t.after(async () => {
      t.mock.timers.reset();
      await queue.stop();
      await storage.close();
    });
    return { host, store, relay, queue, pass, ...watch(queue) };
  };

  for (const [what, fail] of /** @type {[string, string][]} */ ([['answers nothing', 'isAway'], ['takes nothing', 'isFull']])) {
    for (const seconds of [1, 3_600]) {
      test(`that ${what} for ${seconds} s, all of 100 due messages are attempted within two seconds`, async (t) => {
        const { host, relay, store, pass, events } = await open(t, 100);
        host[fail] = true;
        await pass(1_000 + Math.min(seconds, 20) * 1_000);
        if (seconds > 20) {
          t.mock.timers.tick((seconds - 20) * 1_000); // as after a long sleep
          await pass(100);
        }
        assert.equal(relay.calls.length, 0);
        assert.ok(events.some(({ type }) => type === 'error'));
        host[fail] = false;
        await pass(2_000);
        assert.equal(relay.calls.length, 100);
        assert.equal(store.meta.size, 0);
      });
    }
  }

  test('what was being sent meanwhile is recorded, and delivered to nobody again', async (t) => {
    const { host, relay, store, pass } = await open(t, 100, () => {
      host.isAway = true;
      return null;
    });
    await pass(1_000 + 10_000);
    const before = relay.calls.length;
    assert.ok(before > 0);
    host.isAway = false;
    Object.assign(relay, { attempt: async ({ recipients }) => void relay.calls.push({ recipients }) });
    await pass(4_000);
    const attempted = relay.calls.map(({ recipients: [to] }) => to);
    assert.deepEqual([attempted.length, new Set(attempted).size, store.meta.size], [100, 100, 0]);
  });

  test('while it is away, one message is tried every second or two, whoever waits', async (t) => {
    const { host, pass } = await open(t, 100);
    host.isFull = true;
    await pass(1_000);
    const { calls } = host;
    await pass(60_000);
    assert.ok(host.calls - calls <= 4 * 60, `${host.calls - calls} calls in a minute`);
  });
});
