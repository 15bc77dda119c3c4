/** What a page does between two crashes: it shows what it finds, then works until it is killed. */
import { indexedDBHost } from '/hosts/indexeddb.js';
import { AsyncDictStorage } from '/load/inline.js';
import { operations, perform, shown } from './lane.js';

const round = location.pathname;

async function post(what, body) {
  const response = await fetch(`${round}/${what}`, { method: 'POST', body });
  if (!response.ok) throw new Error(`${what}: ${response.status}`);
  return response.json();
}

async function run({ seed, messages }, lane, storage) {
  for (const operation of operations(seed, new Map(messages))) {
    while (!(await isDone(operation, storage)));
    await post(`acknowledged/${lane}`);
  }
}

/** Whether an operation was made; one that the engine refuses is told, and left to be made again. */
async function isDone(operation, storage) {
  try {
    await perform(storage, operation);
    return true;
  } catch (error) {
    if (error.code !== 'host') throw error;
    await post('refused', String(error));
    return false;
  }
}

try {
  const { name, durability } = await post('started');
  const storage = new AsyncDictStorage(indexedDBHost(name, { durability }));
  const lanes = await post('found', JSON.stringify(await shown(storage)));
  await Promise.all(lanes.map((lane, number) => run(lane, number, storage)));
} catch (error) {
  await post('failed', `${error}\n${error?.stack}`);
}
