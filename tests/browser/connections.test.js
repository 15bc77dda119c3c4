/** What happens to a connection in real browsers: every call ends, and the next one works. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inEngines } from '../support/engines.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, envelope, faultyFactory, idOf, indexedDBHost, listed, storage */

const NOTHING = { orphanEnvelopes: [], orphanMeta: [], corrupt: [] };
const CODES = ['blocked', 'host', 'newer-format', 'no-such-message', 'timeout', 'unknown-outcome'];

inEngines('A connection', (scene, engine) => {
  /** A storage in a tab, with so many messages; `idOf(1)` is the first one's id. */
  const open = (tab, messages = 1) => tab.evaluate(async ([name, messages]) => {
    globalThis.storage = new AsyncDictStorage(indexedDBHost(name));
    for (let i = 1; i <= messages; i++) await storage.write(envelope(), i, { id: idOf(i) });
    await storage.getInfo();
  }, [scene.name, messages]);

  /** Keeps a tab's storage busy until `finish`, which tells what was acknowledged, and the codes of what failed. */
  const beginWriting = (tab) => tab.evaluate(() => {
    let going = true;
    const acknowledged = [];
    const codes = new Set();
    const work = async (lane) => {
      for (let i = 0; going; i++) {
        const id = idOf(lane * 100_000 + i);
        await storage.write(envelope(), 1, { id })
          .then(() => acknowledged.push(id), (error) => codes.add(error.code ?? String(error)));
      }
    };
    const works = [1, 2, 3].map(work);
    globalThis.finish = async () => {
      going = false;
      await Promise.all(works);
      return { acknowledged, codes: [...codes] };
    };
  });
  const finish = (tab) => tab.evaluate(() => globalThis.finish());
  const complaints = (tab) => tab.evaluate(async () => {
    await new Promise((resolve) => setTimeout(resolve));
    return globalThis.complaints.splice(0);
  });

  const clearings = {
    'by a header': (tab) => tab.evaluate(() => fetch('/clear', { method: 'POST' }).then((response) => response.ok)),
    ...(engine === 'Chromium' && {
      'by the browser': (tab) => tab.devtools('Storage.clearDataForOrigin', {
        origin: new URL(scene.url).origin, storageTypes: 'all',
      }),
    }),
  };

  test('calls under way while their connection is closed under them all end, and the next ones work', async () => {
    const found = await scene.tabs[0].evaluate(async (name) => {
      const factory = faultyFactory();
      const storage = new AsyncDictStorage(indexedDBHost(name, { indexedDB: factory }));
      const id = await storage.write(envelope(), 1);
      const odd = [];
      for (let round = 0; round < 30; round++) {
        const calls = [
          storage.incrementAttempts(id), storage.write(envelope(), 1), storage.get(id),
          storage.getInfo(), storage.load().next(),
        ];
        for (let i = 0; i < round % 7; i++) await undefined;
        factory.connections.at(-1).close();
        for (const { reason } of await Promise.allSettled(calls)) if (reason) odd.push(String(reason));
        await storage.incrementAttempts(id);
      }
      const { size, metaSize } = await storage.getInfo();
      return { odd, sizes: [size, metaSize], attempts: (await storage.get(id))[1], findings: await storage.check() };
    }, scene.name);
    assert.deepEqual(found, { odd: [], sizes: [31, 31], attempts: 60, findings: NOTHING });
  });

  test('a tab lets another one delete the database, says what is gone, and begins a new one', async () => {
    await open(scene.tabs[0]);
    assert.equal(await scene.tabs[1].evaluate((name) => new Promise((resolve) => {
      const request = indexedDB.deleteDatabase(name);
      request.onsuccess = () => resolve('deleted');
      request.onerror = () => resolve(String(request.error));
    }), scene.name), 'deleted');
    assert.deepEqual(await scene.tabs[0].evaluate(async () => {
      const codes = [];
      for (const call of [() => storage.incrementAttempts(idOf(1)), () => storage.get(idOf(1))]) {
        codes.push((await call().catch((error) => error)).code);
      }
      await storage.write(envelope(), 2);
      return [codes, await storage.getInfo()];
    }), [['no-such-message', 'no-such-message'], { size: 1, metaSize: 1 }]);
  });

  test('a tab that writes while another one deletes the database keeps what it writes after that', async () => {
    await open(scene.tabs[0]);
    await beginWriting(scene.tabs[0]);
    await scene.tabs[1].evaluate((name) => new Promise((resolve) => {
      indexedDB.deleteDatabase(name).onsuccess = () => resolve(true);
    }), scene.name);
    const later = await scene.tabs[0].evaluate(() => storage.write(envelope(), 2));
    const { codes } = await finish(scene.tabs[0]);
    assert.deepEqual(codes, []);
    assert.deepEqual(await scene.tabs[1].evaluate(async ([name, id]) => {
      const storage = new AsyncDictStorage(indexedDBHost(name));
      return [(await storage.get(id))[1], await storage.check()];
    }, [scene.name, later]), [0, NOTHING]);
  });

  for (const [how, clear] of Object.entries(clearings)) {
    test(`site data cleared ${how}, while a tab writes, is an end of every call, and the next one works`, async () => {
      await open(scene.tabs[0], 3);
      await beginWriting(scene.tabs[0]);
      await clear(scene.tabs[1]);
      const { acknowledged, codes } = await finish(scene.tabs[0]);
      for (const code of codes) assert.ok(CODES.includes(code), code);
      const there = await scene.tabs[1].evaluate(async (name) => {
        const storage = new AsyncDictStorage(indexedDBHost(name));
        return (await listed(storage)).map(([, id]) => id);
      }, scene.name);
      const kept = acknowledged.findIndex((id) => there.includes(id));
      if (kept >= 0) assert.deepEqual(acknowledged.slice(kept).filter((id) => !there.includes(id)), []);
      const found = await scene.tabs[0].evaluate(async () => {
        const code = (await storage.get(idOf(1)).catch((error) => error)).code;
        const id = await storage.write(envelope(), 7);
        return [code, (await storage.get(id))[1], await storage.check()];
      });
      assert.deepEqual(found, ['no-such-message', 0, NOTHING]);
      assert.deepEqual(await complaints(scene.tabs[0]), []);
    });
  }

  test('a newer package in another tab takes the database over with every message; the old tab says so', async () => {
    await open(scene.tabs[0], 2);
    await beginWriting(scene.tabs[0]);
    await scene.tabs[1].evaluate(async (name) => {
      const indexedDB = faultyFactory({ newer: 9 });
      globalThis.storage = new AsyncDictStorage(indexedDBHost(name, { indexedDB }));
      await storage.write(envelope(), 1, { id: idOf(3) });
    }, scene.name);
    const { acknowledged, codes } = await finish(scene.tabs[0]);
    assert.deepEqual(codes.filter((code) => code !== 'newer-format'), []);
    const [lost, findings] = await scene.tabs[1].evaluate(async (acknowledged) => {
      const there = new Set((await listed(storage)).map(([, id]) => id));
      return [[idOf(1), idOf(2), idOf(3), ...acknowledged].filter((id) => !there.has(id)), await storage.check()];
    }, acknowledged);
    assert.deepEqual([lost, findings], [[], NOTHING]);
    const said = await scene.tabs[0].evaluate(async () => {
      const codes = [];
      for (const call of [
        () => storage.getInfo(), () => storage.get(idOf(1)), () => storage.write(envelope(), 1),
        () => storage.incrementAttempts(idOf(1)), () => storage.remove(idOf(1)), () => storage.load().next(),
        () => storage.check(), () => storage.repair(), () => storage.wait().next(),
      ]) {
        codes.push((await call().catch((error) => error)).code);
      }
      return codes;
    });
    assert.deepEqual(said, Array(9).fill('newer-format'));
    assert.deepEqual(await complaints(scene.tabs[0]), []);
    assert.equal((await scene.tabs[1].evaluate(() => storage.get(idOf(1))))[1], 0);
  });

  test('a database that has lost its stores gets them again, from two tabs at once', async () => {
    await scene.tabs[0].evaluate((name) => new Promise((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onsuccess = () => resolve(request.result.close());
      request.onerror = () => reject(request.error);
    }), scene.name);
    await Promise.all(scene.tabs.slice(0, 2).map((tab, number) => tab.evaluate(async ([name, number]) => {
      globalThis.storage = new AsyncDictStorage(indexedDBHost(name));
      await storage.write(envelope(), 1, { id: idOf(number) });
    }, [scene.name, number + 1])));
    for (const tab of scene.tabs.slice(0, 2)) {
      assert.deepEqual(await tab.evaluate(async () => [
        await storage.getInfo(), (await storage.get(idOf(1)))[1], (await storage.get(idOf(2)))[1],
      ]), [{ size: 2, metaSize: 2 }, 0, 0]);
    }
  });

  test('an older tab that does not let go blocks a newer package: it says so until it may open', async () => {
    await open(scene.tabs[0]);
    await scene.tabs[0].evaluate(async (name) => {
      await storage.close();
      globalThis.stubborn = await new Promise((resolve) => {
        const request = indexedDB.open(name); // no listener for `versionchange`: it stays open
        request.onsuccess = () => resolve(request.result);
      });
    }, scene.name);
    const codes = await scene.tabs[1].evaluate(async (name) => {
      const indexedDB = faultyFactory({ newer: 9 });
      globalThis.storage = new AsyncDictStorage(indexedDBHost(name, { indexedDB }));
      const calls = [() => storage.getInfo(), () => storage.write(envelope(), 2, { id: idOf(2) })];
      const codes = [];
      for (const call of calls) codes.push((await call().catch((error) => error)).code);
      return codes;
    }, scene.name);
    assert.deepEqual(codes, ['blocked', 'blocked']);
    await scene.tabs[0].evaluate(() => globalThis.stubborn.close());
    assert.deepEqual(await scene.tabs[1].evaluate(async () => {
      await storage.write(envelope(), 2, { id: idOf(2) });
      return listed(storage);
    }), [[1, '0'.repeat(31) + '1'], [2, '0'.repeat(31) + '2']]);
  });

  test('a call behind a deletion that another tab blocks ends by its deadline, and a later one works', async () => {
    await scene.tabs[1].evaluate((name) => new Promise((resolve) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore('envelope');
        request.result.createObjectStore('meta', { keyPath: 'id' });
      };
      request.onsuccess = () => {
        globalThis.stubborn = request.result;
        const deletion = indexedDB.deleteDatabase(name);
        deletion.onblocked = () => resolve();
        globalThis.deleted = new Promise((resolve) => (deletion.onsuccess = () => resolve(true)));
      };
    }), scene.name);
    const code = await scene.tabs[0].evaluate(async (name) => {
      const storage = new AsyncDictStorage(indexedDBHost(name), { deadline: 300 });
      return (await storage.getInfo().catch((error) => error)).code;
    }, scene.name);
    assert.equal(code, 'timeout');
    await scene.tabs[1].evaluate(() => {
      globalThis.stubborn.close();
      return globalThis.deleted;
    });
    const count = (name) => new AsyncDictStorage(indexedDBHost(name)).getInfo();
    assert.deepEqual(await scene.tabs[0].evaluate(count, scene.name), { size: 0, metaSize: 0 });
  });

  /** What three calls on a storage over a factory with faults come to, and what there is in the end. */
  const afterFaults = (plan) => scene.tabs[0].evaluate(async ([name, plan]) => {
    const factory = faultyFactory(plan);
    const storage = new AsyncDictStorage(indexedDBHost(name, { indexedDB: factory }));
    const outcomes = [];
    for (const call of [
      () => storage.write(envelope(), 1, { id: idOf(1) }), () => storage.incrementAttempts(idOf(1)),
      () => storage.get(idOf(1)).then(([, attempts]) => attempts),
    ]) {
      outcomes.push(await call().catch(({ code, id, cause }) => ({ code, id, cause: cause?.name })));
    }
    // An open that a busy machine keeps waiting is asked for once more.
    return { outcomes, reopened: factory.opens > 1, list: await listed(storage), findings: await storage.check() };
  }, [scene.name, plan]);
  const first = '0'.repeat(31) + '1';
  const once = { outcomes: [first, 1, 1], list: [[1, first]], findings: NOTHING };

  for (const [fault, plan] of Object.entries({
    'an open that fails with UnknownError': { open: ['UnknownError'] },
    'an open that fails with InvalidStateError': { open: ['InvalidStateError'] },
    'an open that never ends': { open: ['silent'] },
    'a connection that is closing when a write begins': { readwrite: ['InvalidStateError'] },
    'a connection that is lost when a change begins': { readwrite: [undefined, 'UnknownError'] },
    'a connection that is closing when a read begins': { readonly: ['InvalidStateError'] },
    'a write that is aborted before it commits': { readwrite: ['interrupted'] },
    'a change that is aborted before it commits': { readwrite: [undefined, 'interrupted'] },
    'a read that is aborted': { readonly: ['interrupted'] },
  })) {
    test(`${fault} is made good by one open more, and everything is written exactly once`, async () => {
      assert.deepEqual(await afterFaults(plan), { ...once, reopened: true });
    });
  }

  test('a write that breaks off while it commits has an unknown outcome; repeating it changes nothing', async () => {
    const found = await afterFaults({ readwrite: ['unknown'] });
    assert.deepEqual(found, {
      outcomes: [{ code: 'unknown-outcome', id: first, cause: 'UnknownError' }, 1, 1],
      reopened: true, list: [[1, first]], findings: NOTHING,
    });
    assert.deepEqual(await scene.tabs[0].evaluate(async (name) => {
      const storage = new AsyncDictStorage(indexedDBHost(name));
      await storage.write(envelope({ sender: null }), 9, { id: idOf(1) });
      const [{ sender }, attempts] = await storage.get(idOf(1));
      return [sender, attempts, await storage.getInfo()];
    }, scene.name), ['from@example.com', 1, { size: 1, metaSize: 1 }]);
  });

  test('a change that breaks off while it commits has an unknown outcome and is not made twice', async () => {
    assert.deepEqual(await afterFaults({ readwrite: [undefined, 'unknown'] }), {
      outcomes: [first, { code: 'unknown-outcome', id: first, cause: 'UnknownError' }, 1],
      reopened: true, list: [[1, first]], findings: NOTHING,
    });
  });

  test('where a site may store nothing, calls say so with what the browser says', async () => {
    const said = await scene.tabs[0].evaluate((url) => new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.sandbox = 'allow-scripts'; // a frame without an origin
      frame.srcdoc = `<script type="module">
        import { AsyncDictStorage } from '${url}load/inline.js';
        import { indexedDBHost } from '${url}hosts/indexeddb.js';
        const storage = new AsyncDictStorage(indexedDBHost('outbox'));
        const { name, code, cause } = await storage.getInfo().catch((error) => error);
        parent.postMessage([name, code, cause.name], '*');
      </script>`;
      addEventListener('message', ({ data }) => resolve(data), { once: true });
      document.body.append(frame);
    }), scene.url);
    assert.deepEqual(said, ['QueueError', 'host', 'SecurityError']);
  });

  test('while no open ends, calls end by their deadline; as soon as one does, the next call works', async () => {
    const found = await scene.tabs[0].evaluate(async (name) => {
      const indexedDB = faultyFactory({ open: ['silent'] });
      const host = indexedDBHost(name, { indexedDB });
      // At once, and soon: after a second the host would open the database anew.
      const hasty = new AsyncDictStorage(host, { deadline: 50 });
      const codes = await Promise.all([hasty.getInfo(), hasty.get(idOf(1))].map((call) => call.catch(({ code }) => code)));
      const patient = new AsyncDictStorage(host);
      await patient.write(envelope(), 1, { id: idOf(1) });
      return [codes, (await patient.get(idOf(1)))[1]];
    }, scene.name);
    assert.deepEqual(found, [['timeout', 'timeout'], 0]);
  });
});
