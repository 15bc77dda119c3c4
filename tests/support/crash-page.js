/**
 * What a page, or a service worker for it, does between two crashes: it shows what it finds, then works until it is
 * killed.
 */
import { indexedDBHost } from '/hosts/indexeddb.js';
import { AsyncDictStorage } from '/load/inline.js';
import { operations, perform, shown } from './lane.js';
import { serviceWorker } from './service-worker.js';

async function post(round, what, body) {
  const response = await fetch(`${round}/${what}`, { method: 'POST', body });
  if (!response.ok) throw new Error(`${what}: ${response.status}`);
  return response.json();
}

async function run(round, { seed, messages }, lane, storage) {
  for (const operation of operations(seed, new Map(messages))) {
    while (!(await isDone(round, operation, storage)));
    await post(round, `${operation.changes === false ? 'unchanged' : 'acknowledged'}/${lane}`);
  }
}

/** Whether an operation was made; one that the engine refuses is told, and left to be made again. */
async function isDone(round, operation, storage) {
  try {
    await perform(storage, operation);
    return true;
  } catch (error) {
    if (error.code !== 'host') throw error;
    await post(round, 'refused', String(error));
    return false;
  }
}

async function work({ round, name, durability }) {
  const storage = new AsyncDictStorage(indexedDBHost(name, { durability }));
  const found = await shown(storage).catch((error) => post(round, 'unreadable', `${error}\n${error?.stack}`));
  const lanes = Array.isArray(found) ? found : await post(round, 'found', JSON.stringify(found));
  await Promise.all(lanes.map((lane, number) => run(round, lane, number, storage)));
}

/** Tells what goes wrong. */
const watched = (round, working) => working.catch((error) => post(round, 'failed', `${error}\n${error?.stack}`));

async function begin(round) {
  const job = { round, ...await post(round, 'started') };
  if (job.context === 'page') await work(job);
  else (await serviceWorker('/support/crash-page.js')).postMessage(job);
}

if (globalThis.document) watched(location.pathname, begin(location.pathname));
else addEventListener('message', (event) => event.waitUntil(watched(event.data.round, work(event.data))));
