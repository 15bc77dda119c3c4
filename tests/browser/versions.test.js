/** A page with this version of the package beside a service worker with the one before, on one database. */
import { test } from 'node:test';
import { inEngines } from '../support/engines.js';
import { judgeMeeting, judgeTurns, judgeWork } from '../support/versions-judge.js';

// Inside `evaluate` these are globals of the page.
/* global AsyncDictStorage, indexedDBHost */

inEngines('A new page and an old service worker', (scene) => {
  /** Runs a function in the page with the support of two versions. */
  const inPage = (work) => scene.tabs[0].evaluate(work, [scene.name]);

  test('deliver everything once, and tell each sender once', { timeout: 300_000 }, async () => {
    judgeWork(await inPage(async ([name]) => {
      const [{ emptied, work }, { serviceWorker }, current] = await Promise.all([
        import('/support/versions.js'), import('/support/service-worker.js'), import('/load/inline.js'),
      ]);
      const worker = await serviceWorker('/support/old-worker.js');
      const ask = (...call) => new Promise((resolve, reject) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = ({ data: { value, error } }) => (error ? reject(new Error(error)) : resolve(value));
        worker.postMessage(call, [port2]);
      });
      const storage = new AsyncDictStorage(indexedDBHost(name));
      await ask('work', name);
      await ask('enqueue');
      const page = work(current, 'new', storage);
      await page.enqueue();
      const old = await ask('stop');
      await emptied(storage);
      await page.stop();
      const findings = await storage.check();
      await storage.close();
      return { done: { old: old.done, new: page.done }, errors: { old: old.errors, new: page.errors }, findings };
    }));
  });

  /** Both versions in the page, what a function of their support finds of them. */
  const found = (name) => scene.tabs[0].evaluate(async ([database, name]) => {
    const [versions, current, earlier] = await Promise.all([
      import('/support/versions.js'), import('/load/inline.js'), import('/fixtures/version-before.js'),
    ]);
    const on = ({ AsyncDictStorage, Queue }, host) => ({ Queue, host, storage: new AsyncDictStorage(host) });
    const both = { new: on(current, indexedDBHost(database)), old: on(earlier, earlier.indexedDBHost(database)) };
    const facts = await versions[name](both);
    for (const { storage } of Object.values(both)) await storage.close();
    return facts;
  }, [scene.name, name]);

  test('keep fields that nobody knows, and marks and attempts', async () => judgeTurns(await found('attemptByTurns')));

  test('differ in what nobody was told of yet: the old one says newer-format and leaves it to the new one', async () => {
    judgeMeeting(await found('meetNewerRecord'));
  });
}, { only: ['Chromium'] });
