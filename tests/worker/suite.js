// The suite for hosts in a Durable Object: each test in an object of its own, asked for by its name.
import { DurableObject } from 'cloudflare:workers';
import { AsyncDictStorage, Queue } from 'slimta-queue-dict';
import { conformance } from 'slimta-queue-dict/conformance';
import { durableObjectHost } from 'slimta-queue-dict/durable-object';
import { idOf, judge, live } from './lives.js';

class Place extends DurableObject {
  async fetch(request) {
    const { what, more } = await request.json();
    const { ctx } = this;
    const host = () => durableObjectHost(ctx.storage);
    const storage = new AsyncDictStorage(host());
    const keys = async () => [...(await ctx.storage.list()).keys()];
    const WORK = {
      async names() {
        const names = [];
        conformance({ test: (name) => names.push(name), open: host, reopen: host });
        return names;
      },
      async test() {
        const tests = new Map();
        conformance({ test: (name, run) => tests.set(name, run), open: host, reopen: host });
        return tests.get(more)().then(() => null, (error) => error.stack ?? String(error));
      },
      /** Counts from two storages at once. */
      async count() {
        const id = await storage.write({ sender: null, recipients: [] }, 1);
        const other = new AsyncDictStorage(host());
        await Promise.all([storage, other].map(async (each) => {
          for (let i = 0; i < more; i += 50) {
            await Promise.all(Array.from({ length: 50 }, () => each.incrementAttempts(id)));
          }
        }));
        return (await other.get(id))[1];
      },
      /** A large message comes and goes; nothing stays. */
      async large() {
        const message = new Uint8Array(more).map((_, i) => i & 255);
        const id = await storage.write({ sender: null, recipients: ['a@b'], message }, 1);
        const pieces = (await keys()).filter((key) => key.startsWith('piece:')).length;
        const [got] = await storage.get(id);
        await storage.remove(id);
        return { pieces, same: got.message.every((byte, i) => byte === (i & 255)), left: await keys() };
      },
      /** Has a body in memory, for `keep` to store. */
      hold: () => {
        this.message = new Uint8Array(more).fill(65);
        return more;
      },
      keep: () => storage.write({ sender: null, recipients: ['a@b'], message: this.message }, 1),
      async recipients() {
        const write = (length) => storage.write({ sender: null, recipients: new Array(length).fill('a') }, 1);
        const code = await write(1_100_000).then(() => 'written', (error) => error.code);
        const id = await write(200_000);
        await storage.setRecipientsDelivered(id, Array.from({ length: 200_000 }, (_, i) => i));
        return { code, left: (await storage.get(id))[2].length };
      },
      one: () => storage.write({ sender: null, recipients: [], message: new Uint8Array(400_000).fill(more) }, more,
        { id: idOf(more) }),
      async listed() {
        const listed = [];
        for await (const [number, id] of storage.load()) {
          const [{ message }] = await storage.get(id);
          if (message.length !== 400_000 || message.some((byte) => byte !== number)) return `torn: ${id}`;
          listed.push(id);
        }
        return { listed: listed.sort(), check: await storage.check() };
      },
      /** A storage that fails inside a transaction has written nothing of it. */
      async failing() {
        const cause = new Error('no put today');
        const { storage: kept } = ctx;
        const broken = {
          get: (...args) => kept.get(...args), list: (...args) => kept.list(...args), sync: () => kept.sync(),
          transaction: (work) => kept.transaction((txn) => work({
            get: (...args) => txn.get(...args), delete: (...args) => txn.delete(...args),
            put: async (entries) => {
              await txn.put(Object.fromEntries(Object.entries(entries).slice(0, 1)));
              throw cause;
            },
          })),
        };
        const failed = await new AsyncDictStorage(durableObjectHost(broken))
          .write({ sender: null, recipients: [], message: 'text' }, 1).catch((error) => error);
        return { code: failed.code, cause: failed.cause === cause, keys: await keys() };
      },
      async live() {
        const acknowledged = [];
        await live(storage, more, (number, step) => acknowledged.push([number, step]));
        return acknowledged;
      },
      judge: () => judge(storage, new Map(more)),
      /** Ends the object while calls on its storage are under way. */
      async abort() {
        const writes = Array.from({ length: 50 }, (_, i) => storage.write({
          sender: null, recipients: [], message: new Uint8Array(200_000).fill(i),
        }, i, { id: idOf(i) }));
        writes.forEach((write) => write.catch(() => {}));
        await writes[0];
        ctx.abort('the object ends here');
      },
      /** Begins an attempt that has no end, and tells of which message. */
      async attempt() {
        const queue = new Queue(storage, { attempt: () => new Promise(() => {}) });
        const [[, id]] = await queue.enqueue({ sender: null, recipients: ['a@b'] });
        queue.start();
        await new Promise((resolve) => queue.addEventListener('attempt', resolve));
        return id;
      },
      /** What another queue delivers, in the same object or in the next one. */
      async deliver() {
        const delivered = [];
        const queue = new Queue(storage, { attempt: (_, __, { id }) => void delivered.push(id) });
        await queue.run();
        return delivered;
      },
      async whole() {
        const listed = [];
        for await (const [timestamp, id] of storage.load()) {
          const [{ message }] = await storage.get(id);
          if (message.length !== 200_000 || message.some((byte) => byte !== timestamp)) return `torn: ${id}`;
          listed.push(id);
        }
        return { first: listed.includes(idOf(0)), check: await storage.check() };
      },
    };
    return Response.json(await WORK[what]());
  }
}

export class SqlitePlace extends Place {}
export class KeyValuePlace extends Place {}

export default {
  async fetch(request, env) {
    const [, backend, name] = new URL(request.url).pathname.split('/');
    return env[backend].get(env[backend].idFromName(name)).fetch(request);
  },
};
