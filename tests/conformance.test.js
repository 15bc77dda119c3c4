/** The suite for hosts: the hosts that are here pass it, and whatever is wrong with one is found by a test for it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { conformance } from '../pkg/conformance.js';
import { indexedDBHost } from '../pkg/hosts/indexeddb.js';
import { AsyncMapsHost } from '../pkg/hosts/maps.js';
import { BROKEN } from './support/broken.js';
import { outcome } from './support/calls.js';
import { collect, suiteOn } from './support/conformance.js';
import { SlowDict } from './support/dicts.js';
import { MemoryHost, Store } from './support/host.js';

globalThis.IDBKeyRange = IDBKeyRange;

const SUBJECTS = {
  'two Maps': [() => new Store(), ({ envelope, meta }) => new AsyncMapsHost(envelope, meta, 30_000)],
  'two dictionaries that promise': [
    () => ({ envelope: new SlowDict(), meta: new SlowDict() }),
    ({ envelope, meta }) => new AsyncMapsHost(envelope, meta, 30_000),
  ],
  'a host in memory': [() => new Store(), (store) => new MemoryHost(store)],
  'IndexedDB': [() => new IDBFactory(), (indexedDB) => indexedDBHost('outbox', { indexedDB })],
  'IndexedDB without strictness': [
    () => new IDBFactory(), (indexedDB) => indexedDBHost('outbox', { indexedDB, durability: 'relaxed' }),
  ],
};

for (const [name, [newPlace, hostOn]] of Object.entries(SUBJECTS)) {
  describe(name, () => suiteOn(test, newPlace, hostOn));
}

describe('hosts that are broken on purpose', { concurrency: false }, () => {
  for (const [what, [hostOn, caught]] of Object.entries(BROKEN)) {
    test(`one that ${what} is caught by: ${caught}`, async () => {
      const run = collect(() => new Store(), hostOn).get(caught);
      assert.ok(run, `the suite has no test of this name: ${caught}`);
      const { failed, error } = await outcome(run, 60_000); // the suite waits for ten seconds and more for some things
      assert.ok(failed, 'the test has found nothing');
      assert.ok(error instanceof Error && error.message.length > 10, String(error));
    });
  }

  test('the host that they are made from passes every test that catches one', async () => {
    const tests = collect(() => new Store(), (store) => new MemoryHost(store));
    for (const name of new Set(Object.values(BROKEN).map(([, caught]) => caught))) await tests.get(name)?.();
  });

  test('a host that fails with something that is no error fails the suite', async () => {
    const tests = collect(() => new Store(), (store) => new (class extends MemoryHost {
      commit = () => Promise.reject(undefined);
    })(store));
    const { failed } = await outcome(() => tests.get('a message comes back as it was written')());
    assert.ok(failed);
  });
});

describe('the entry', () => {
  test('it says what it was not given', () => {
    const good = { test: () => {}, open: () => new MemoryHost(), reopen: () => new MemoryHost() };
    for (const name of Object.keys(good)) {
      const error = { name: 'TypeError', message: new RegExp(`^${name}: `) };
      assert.throws(() => conformance({ ...good, [name]: undefined }), error);
    }
  });

  test('it opens nothing before a test is run, and each test has a place of its own', async () => {
    let opened = 0;
    const tests = collect(() => ++opened && new Store(), (store) => new MemoryHost(store));
    assert.equal(opened, 0);
    await tests.get('closing twice is closing once')();
    await tests.get('a removed message is gone')();
    assert.equal(opened, 2);
  });

  test('whatever a test opens is closed when it ends, also when it fails', async () => {
    for (const broken of [false, true]) {
      const hosts = [];
      const tests = collect(() => new Store(), (store) => {
        const host = new MemoryHost(store);
        if (broken) host.sizes = async () => ({ size: 77, metaSize: 77 });
        hosts.push(host);
        return host;
      });
      assert.equal((await outcome(tests.get('a removed message is gone'))).failed, broken);
      assert.ok(hosts.length > 1);
      for (const { closes } of hosts) assert.ok(closes >= 1);
    }
  });
});
