/** Storages that a queue is tested on, and short ways to watch one. */
import { AsyncDictStorage, DictStorage } from '../../pkg/load/inline.js';
import { MemoryHost, Store } from './host.js';

/** @type {{ name: string, open: () => { storage: any, another: () => any, close: () => Promise<void> } }[]} */
export const storages = [
  {
    name: 'DictStorage',
    open() {
      const storage = new DictStorage();
      return { storage, another: () => new DictStorage(storage.envelopeDb, storage.metaDb), close: async () => {} };
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
      return { storage: another(), another, close: async () => void await Promise.all(opened.map((one) => one.close())) };
    },
  },
];

export const TYPES = ['queued', 'attempt', 'delivered', 'deferred', 'failed', 'bounced', 'error'];

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
