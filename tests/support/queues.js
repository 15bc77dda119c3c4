/** Storages that a queue is tested on, and short ways to watch one. */
import { afterEach, beforeEach, describe } from 'node:test';
import { AsyncDictStorage, DictStorage, Queue } from '../../pkg/load/inline.js';
import { MemoryHost, Store } from './host.js';

/**
 * Storages of two kinds. `another` is one more on what `storage` keeps; `dying` is one too, which answers to nobody who
 * ends the claim of a message that has given recipients up, until `dead` fails.
 *
 * @type {{
 *   name: string,
 *   open: () => { storage: any, another: () => any, dying: (dead: Promise<never>) => any, record: (id: string) => any,
 *     close: () => Promise<void> },
 * }[]}
 */
const storages = [
  {
    name: 'DictStorage',
    open() {
      const storage = new DictStorage();
      const { envelopeDb, metaDb } = storage;
      const dying = (dead) => new AsyncDictStorage(envelopeDb, new Proxy(metaDb, {
        get(target, name) {
          if (name === 'set') return (id, meta) => (meta.failed && !meta.lease ? dead : target.set(id, meta));
          const value = Reflect.get(target, name, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      }));
      return {
        storage, another: () => new DictStorage(envelopeDb, metaDb), dying, record: (id) => metaDb.get(id),
        close: async () => {},
      };
    },
  },
  {
    name: 'AsyncDictStorage on a host',
    open() {
      const store = new Store();
      const opened = [];
      const another = () => {
        opened.push(new AsyncDictStorage(new MemoryHost(store)));
        return opened.at(-1);
      };
      const dying = (dead) => {
        const host = new MemoryHost(store);
        const commit = host.commit.bind(host);
        host.commit = (batch) => (batch.writes.some(({ value }) => value?.failed && !value.lease) ? dead : commit(batch));
        return new AsyncDictStorage(host);
      };
      return {
        storage: another(), another, dying, record: async (id) => (await new MemoryHost(store).read('meta', id)).value,
        close: async () => void await Promise.all(opened.map((one) => one.close())),
      };
    },
  },
];

/**
 * Tests of a queue on each kind of storage. `scene` has a fresh storage for each test; `make` makes a queue on it, which
 * is stopped at the end; `left` tells how many messages are there, `record` what is kept of one beside its envelope.
 *
 * @param {string} what
 * @param {(scene: { storage: any, another: () => any, dying: (dead: Promise<never>) => any, record: (id: string) => any,
 *   make: (relay?: any, options?: any, storage?: any) => any, left: () => Promise<number> }) => void} tests
 */
export function onEachStorage(what, tests) {
  for (const { name, open } of storages) {
    describe(`${what} on ${name}`, () => {
      let opened;
      let queues;
      beforeEach(() => {
        opened = open();
        queues = [];
      });
      afterEach(async () => {
        // Whatever a test that failed has left at its relay.
        await Promise.all(queues.map((queue) => queue.stop({ timeout: 0 })));
        await opened.close();
      });
      tests({
        get storage() {
          return opened.storage;
        },
        another: () => opened.another(),
        dying: (dead) => opened.dying(dead),
        record: (id) => opened.record(id),
        make(relay, options, storage = opened.storage) {
          const queue = new Queue(storage, relay, options);
          queues.push(queue);
          return { queue, ...watch(queue) };
        },
        left: async () => (await opened.storage.getInfo()).metaSize,
      });
    });
  }
}

/** All that an iterable yields. */
export async function all(iterable) {
  const list = [];
  for await (const one of iterable) list.push(one);
  return list;
}

export const TYPES = [
  'queued', 'attempt', 'delivered', 'deferred', 'failed', 'bounced', 'removed', 'overdue', 'error',
];

/** Collects the events of a queue; `until` resolves with the first of a type, past or future, that a check accepts. */
export function watch(queue) {
  const events = [];
  let waiting = [];
  for (const type of TYPES) {
    queue.addEventListener(type, ({ detail }) => {
      events.push({ type, ...detail });
      waiting = waiting.filter((look) => !look());
    });
  }
  return {
    events,
    types: () => events.map(({ type }) => type),
    until: (type, check = () => true) => new Promise((resolve) => {
      const look = () => {
        const event = events.find((one) => one.type === type && check(one));
        if (event) resolve(event);
        return event !== undefined;
      };
      if (!look()) waiting.push(look);
    }),
  };
}

/** A relay that answers with what a function says, and remembers whom it was given. */
export function relayOf(answer = () => null) {
  const calls = [];
  return {
    calls,
    async attempt(envelope, attempts) {
      calls.push({ recipients: envelope.recipients, attempts, sender: envelope.sender });
      return answer(envelope, attempts, calls.length);
    },
  };
}

/** A promise and what settles it. */
export function gate() {
  let open;
  const opened = new Promise((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

export const message = (recipients, more = {}) => ({
  sender: 'me@example.com', recipients, headers: [['Subject', 'Hello']], message: 'Hello!\r\n', ...more,
});
