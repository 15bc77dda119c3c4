/** Queues in tabs that are left and come back, that are frozen, or that have no Web Locks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inEngines } from '../support/engines.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, Queue, indexedDBHost */

/** How many attempts of a tab are under way at once. */
const POOL = 3;

/**
 * Starts a queue in a tab. Its attempts end when they are told to, with `hold`, or soon.
 *
 * @param {any} tab
 * @param {{ name: string, lease?: number, hold?: boolean }} how
 */
const open = (tab, { name, lease = 3_600_000, hold = false }) => tab.evaluate(([name, lease, hold, relayPool]) => {
  const held = [];
  const tried = [];
  const delivered = [];
  const failed = [];
  const relay = {
    attempt: ({ recipients: [to] }) => new Promise((resolve) => {
      tried.push(to);
      const end = (reply) => {
        if (reply.code === 250) delivered.push(to);
        resolve(reply);
      };
      if (globalThis.it.hold) held.push(end);
      else setTimeout(() => end({ code: 250, message: 'Ok' }), 20);
    }),
  };
  const storage = new AsyncDictStorage(indexedDBHost(name));
  const queue = new Queue(storage, relay, { lease, relayPool });
  queue.addEventListener('error', ({ detail: { error } }) => failed.push(error.code ?? String(error)));
  globalThis.it = { hold, held, tried, delivered, failed, queue, storage };
  queue.start();
}, [name, lease, hold, POOL]);

const enqueue = (tab, names) => tab.evaluate(async ([names]) => {
  for (const to of names) await globalThis.it.queue.enqueue({ sender: '', recipients: [to] });
}, [names]);

/** Resolves when so many attempts have begun. */
const begun = (tab, count) => tab.evaluate(async ([count]) => {
  while (globalThis.it.tried.length < count) await new Promise((resolve) => setTimeout(resolve, 10));
}, [count]);

/** Lets a tab read without a pause, and change what nobody sends, until it is told to stop: so it is left in the middle. */
const busy = (tab) => tab.evaluate(async () => {
  const { it } = globalThis;
  it.busy = true;
  const again = async (work) => {
    while (it.busy) await work().catch(() => {});
  };
  const id = await it.storage.write({ sender: '', recipients: ['nobody@example.com'] }, Date.now() + 3_600_000);
  for (let i = 0; i < 3; i++) void again(() => it.storage.get(id));
  void again(() => it.storage.setTimestamp(id, Date.now() + 3_600_000));
  it.idle = async () => {
    it.busy = false;
    await it.storage.remove(id);
  };
});

/** Resolves when so many messages are left in the storage. */
const emptied = (tab, left = 0) => tab.evaluate(async ([left]) => {
  while ((await globalThis.it.storage.getInfo()).metaSize > left) await new Promise((resolve) => setTimeout(resolve, 20));
}, [left]);

/** Resolves when the claims were renewed, and no call of the storage is under way. */
const renewed = (tab) => tab.evaluate(async () => {
  const dues = async () => {
    const all = [];
    for await (const [due] of globalThis.it.storage.load()) all.push(due);
    return all.sort().slice(-3).join();
  };
  const before = await dues();
  while (before === await dues()) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 100));
});

/** Ends the attempts that were held, as a network does that was away meanwhile, and holds no more. */
const connectionsLost = (tab) => tab.evaluate(() => {
  globalThis.it.hold = false;
  for (const end of globalThis.it.held.splice(0)) end({ code: 450, message: 'the connection was lost' });
});

const seen = (tab) => tab.evaluate(() => {
  const { tried, delivered, failed } = globalThis.it;
  return { tried, delivered, failed, complaints: globalThis.complaints };
});

const close = (tab) => tab.evaluate(async () => {
  await globalThis.it.queue.stop();
  await globalThis.it.storage.close();
});

/**
 * What a queue and its page have told of and should not have. On a busy machine, the database of WebKit has said nothing
 * for twenty seconds: the queue tells of it, and goes on.
 */
const amiss = (t, engine, { failed, complaints }) => {
  const silence = engine === 'WebKit' ? ['timeout', 'unknown-outcome', 'conflict'] : [];
  if (failed.length > 0) t.diagnostic(`${engine}: ${failed}`);
  return [...failed.filter((code) => !silence.includes(code)), ...complaints];
};

const names = (what, count) => Array.from({ length: count }, (_, i) => `${what}-${i}@example.com`);

inEngines('A tab that is left', (scene, engine) => {
  test('gives what it was sending to another one within seconds, and when it comes back sends nothing twice', {
    timeout: 300_000,
  }, async (t) => {
    const [, other] = scene.tabs;
    const { name } = scene;
    const left = await scene.tab();
    await open(left, { name, hold: true });
    await enqueue(left, names('early', 6));
    await begun(left, POOL);
    await open(other, { name });
    await begun(other, 6 - POOL);
    await busy(left);
    await left.goto(`${scene.url}?elsewhere`);
    await emptied(other, 1); // long before the leases end

    await left.back();
    await left.evaluate(() => globalThis.ready);
    const cameBack = await left.evaluate(() => globalThis.it !== undefined);
    const why = await left.evaluate(() => JSON.stringify(performance.getEntriesByType('navigation')[0]?.notRestoredReasons));
    t.diagnostic(`${engine}: the tab comes back ${cameBack ? 'as it was' : `anew, ${why}`}`);
    if (cameBack) await left.evaluate(() => globalThis.it.idle());
    else {
      await open(left, { name });
      await left.evaluate(async () => {
        for await (const [, id] of globalThis.it.storage.load()) await globalThis.it.storage.remove(id);
      });
    }
    const early = cameBack ? (await seen(left)).tried : [];
    await connectionsLost(left);
    await Promise.all([enqueue(left, names('left', 20)), enqueue(other, names('other', 20))]);
    await emptied(other);
    const [here, there] = [await seen(left), await seen(other)];
    const all = [...names('early', 6), ...names('left', 20), ...names('other', 20)];
    assert.deepEqual([...here.delivered, ...there.delivered].sort(), all.sort());
    assert.deepEqual([...here.tried, ...there.tried].sort(), [...all, ...early].sort());
    assert.deepEqual([here.complaints, amiss(t, engine, there)], [[], []]);
    await Promise.all([close(left), close(other)]);
  });
});

inEngines('A frozen tab', (scene) => {
  test('gives what waits to another one at once, what it was sending when its lease ends, and sends nothing of it afterwards', {
    timeout: 300_000,
  }, async () => {
    const [, other] = scene.tabs;
    const how = { name: scene.name, lease: 20_000 };
    const frozen = await scene.tab();
    await open(frozen, { ...how, hold: true });
    await frozen.evaluate(() => document.addEventListener('freeze', () => {
      globalThis.wasFrozen = true;
    }));
    await enqueue(frozen, names('early', 8));
    await begun(frozen, POOL);
    await renewed(frozen); // nothing is under way in the database, which would keep the other tab waiting
    await frozen.devtools('Page.setWebLifecycleState', { state: 'frozen' });
    await open(other, { name: scene.name });
    await emptied(other);
    await frozen.devtools('Page.setWebLifecycleState', { state: 'active' });
    assert.equal(await frozen.evaluate(() => globalThis.wasFrozen), true);
    await connectionsLost(frozen);
    await Promise.all([enqueue(frozen, names('frozen', 20)), enqueue(other, names('other', 20))]);
    await emptied(other);
    const [here, there] = [await seen(frozen), await seen(other)];
    const all = [...names('early', 8), ...names('frozen', 20), ...names('other', 20)];
    assert.deepEqual([...here.delivered, ...there.delivered].sort(), all.sort());
    assert.equal(here.tried.length + there.tried.length, all.length + POOL);
    assert.deepEqual([...here.complaints, ...there.complaints], []);
    await Promise.all([close(frozen), close(other)]);
  });
}, { only: ['Chromium'] });

inEngines('Queues of a site without https', (scene, engine) => {
  /** What a page of it lacks. */
  const lacks = (tab) => tab.evaluate(() => [isSecureContext, navigator.locks, crypto.subtle, navigator.storage].map((it) => it ?? null));

  test('in two tabs deliver each message once', async (t) => {
    const [one, other] = scene.tabs;
    assert.deepEqual(await lacks(one), [false, null, null, null]);
    await Promise.all([open(one, scene), open(other, scene)]);
    await Promise.all([enqueue(one, names('one', 30)), enqueue(other, names('other', 30))]);
    await emptied(one);
    const [here, there] = [await seen(one), await seen(other)];
    const all = [...names('one', 30), ...names('other', 30)].sort();
    assert.deepEqual([...here.delivered, ...there.delivered].sort(), all);
    assert.deepEqual([...here.tried, ...there.tried].sort(), all);
    for (const each of [here, there]) assert.deepEqual(amiss(t, engine, each), []);
    await Promise.all([close(one), close(other)]);
  });

  test('take what a tab was sending that is gone when its lease ends', async (t) => {
    const [, other] = scene.tabs;
    const how = { name: scene.name, lease: 4_000 };
    const gone = await scene.tab();
    await open(gone, { ...how, hold: true });
    await enqueue(gone, names('early', 6));
    await begun(gone, POOL);
    await renewed(gone); // WebKit would end what is under way in the database after 20 seconds only
    await gone.close();
    await open(other, how);
    await emptied(other);
    const found = await seen(other);
    assert.deepEqual([found.tried.sort(), amiss(t, engine, found)], [names('early', 6), []]);
    await close(other);
  });

  test('have a host that says what it knows and may do', async () => {
    const [tab] = scene.tabs;
    const said = await tab.evaluate(async ([name]) => {
      const host = indexedDBHost(name);
      return [await host.persist(), await host.estimate(), await host.attemptAlone('me')];
    }, [scene.name]);
    assert.deepEqual(said, [false, { persisted: false }, false]);
  });
}, { host: 'mail.test' });
