/** Calls on a storage in another context: a tab, or a dedicated, shared or service worker. Pages and workers run it. */
import { indexedDBHost } from '/hosts/indexeddb.js';
import { AsyncDictStorage } from '/load/inline.js';
import { envelope, idOf } from '/support/behaviours.js';
import { contend } from '/support/contender.js';
import { serviceWorker } from '/support/service-worker.js';

/** Another one whenever the context begins anew. */
const birth = Math.random();
/** What a context keeps of each database. */
const kept = new Map();

function openHere(name) {
  if (!kept.has(name)) {
    const host = indexedDBHost(name);
    const here = { host, storage: new AsyncDictStorage(host), scans: 0, heard: new Set(), asked: [] };
    const { page } = host;
    host.page = (dict, cursor, limit) => {
      if (dict === 'meta' && cursor === undefined) here.scans++;
      return page.call(host, dict, cursor, limit);
    };
    kept.set(name, here);
  }
  return kept.get(name);
}

const METHODS = {
  birth: async () => birth,
  contend: ({ storage }, seed, milliseconds) => contend(storage, seed, milliseconds),
  persist: ({ host }) => host.persist(),
  estimate: ({ host }) => host.estimate(),
  /** Begins to wait for messages. */
  async listen(here) {
    here.since = performance.now();
    (async () => {
      for await (const [timestamp] of here.storage.wait()) {
        here.heard.add(timestamp);
        here.asked = here.asked.filter((check) => !check());
      }
    })();
  },
  /** Has heard of all these timestamps; how often everything was looked through for that, but for once a minute. */
  heard: (here, timestamps) => new Promise((resolve) => {
    const scans = () => here.scans - Math.floor((performance.now() - here.since) / 60_000);
    const check = () => timestamps.every((each) => here.heard.has(each)) && (resolve(scans()), true);
    if (!check()) here.asked.push(check);
  }),
  /** Writes so many messages, and moves each of them once. */
  async writeAndMove(here, first, count) {
    for (let timestamp = first; timestamp < first + count; timestamp += 2) {
      await here.storage.setTimestamp(await here.storage.write(envelope(), timestamp), timestamp + 1);
    }
  },
  /** Writes and changes until the context is ended, several at a time, and tells of each that is acknowledged. */
  writeOn: (here, first, tell) => Promise.all([0, 1, 2].map(async (lane) => {
    const message = new Uint8Array(100_000).fill(lane);
    for (let i = lane; ; i += 3) {
      const id = await here.storage.write(envelope({ message }), 1, { id: idOf(first + i) });
      tell([id, 'written']);
      await here.storage.setRecipientsDelivered(id, [1]);
      tell([id, 'delivered']);
    }
  })),
};

/** Makes one call, `[database, method, ...arguments]`, in this context. */
export function perform([name, method, ...args], tell) {
  const here = openHere(name);
  return METHODS[method]?.(here, ...args, tell) ?? here.storage[method](...args);
}

const WORKERS = {
  dedicated: () => new Worker('/support/worker.js', { type: 'module' }),
  shared: () => new SharedWorker('/support/worker.js', { type: 'module' }).port,
  service: () => serviceWorker('/support/worker.js'),
};

/**
 * Calls in another context that this page begins, or in this page itself.
 *
 * @param {'tab' | 'dedicated' | 'shared' | 'service'} kind
 */
export async function reach(kind) {
  if (kind === 'tab') return { call: perform };
  const worker = await WORKERS[kind]();
  return {
    worker,
    call: (call, tell) => new Promise((resolve, reject) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data: { told, value, error } }) => {
        if (told) tell(told);
        else if (error) reject(new Error(error));
        else resolve(value);
      };
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(call, [port2]);
    }),
  };
}
