// What a program of a test does in Deno: `deno run work.js <what> <file> [more]`. It prints what came of it.
import { AsyncDictStorage } from 'slimta-queue-dict';
import { denoKvHost } from 'slimta-queue-dict/deno-kv';
import { judge, liveOn } from './lives.js';

const [what, file, more] = Deno.args;
const say = (value) => console.log(typeof value === 'string' ? value : JSON.stringify(value));
const ID = '0'.repeat(32);
const idOf = (number) => number.toString(16).padStart(32, '0');
const kv = await Deno.openKv(file);
const storage = new AsyncDictStorage(denoKvHost(kv));
const big = (length = 1_500_000) => ({
  sender: null, recipients: ['a@example.com'], message: new Uint8Array(length).map((_, i) => (i * 7) & 255),
});
const keys = async () => (await Array.fromAsync(kv.list({ prefix: [] }))).map(({ key }) => key);

const WORK = {
  /** Lives until it is killed. */
  live: () => liveOn(storage, Number(more), (number, step) => say(`${number} ${step}`)),

  async judge() {
    say(await judge(storage, new Map(JSON.parse(Deno.readTextFileSync(more)))));
  },

  async count() {
    for (let i = 0; i < Number(more); i += 10) {
      await Promise.all(Array.from({ length: 10 }, () => storage.incrementAttempts(ID)));
    }
    say('counted');
  },

  async create() {
    await storage.write({ sender: null, recipients: [] }, 1, { id: ID });
  },

  async attempts() {
    say((await storage.get(ID))[1]);
  },

  /** Lets the program end, as far as the database can tell, at each of the steps of large messages. */
  async crashes() {
    const calls = {
      write: (storage) => storage.write(big(), 1, { id: ID }),
      remove: (storage) => storage.remove(ID),
    };
    const found = [];
    for (const [name, call] of Object.entries(calls)) {
      for (const late of [false, true]) {
        for (let at = 0, ended = true; ended; at++) {
          if (name === 'remove') await storage.write(big(), 1, { id: ID });
          const dying = dyingAt(at, late);
          await call(new AsyncDictStorage(denoKvHost(dying.kv), { deadline: 10_000 })).catch(() => {});
          ({ ended } = dying);
          if (!ended) {
            await storage.remove(ID);
            break;
          }
          const whole = await storage.get(ID).then(([{ message }]) => message.length === 1_500_000, () => undefined);
          const { orphanEnvelopes, orphanMeta, corrupt } = await storage.check();
          const left = (await keys()).length;
          const { size, metaSize } = await storage.getInfo();
          await storage.repair({ minAge: 0 });
          if (whole) await storage.remove(ID);
          found.push({
            name, whole, orphans: orphanEnvelopes.length, wrong: orphanMeta.length + corrupt.length, left: left > 0,
            size, metaSize, after: (await keys()).length,
          });
        }
      }
    }
    say(found);
  },

  /** One writes a large message while the other removes it, again and again. */
  async race() {
    const other = new AsyncDictStorage(denoKvHost(kv));
    let done = false;
    const write = async () => {
      for (let i = 0; i < 15; i++) await storage.write(big(900_000 + i), 1, { id: ID });
      done = true;
    };
    const remove = async () => {
      while (!done) await other.remove(ID);
    };
    const read = async () => {
      while (!done) {
        const [{ message }] = await other.get(ID).catch(({ name }) => [{ message: name }]);
        if (message !== 'KeyError' && !(message?.length >= 900_000)) throw new Error(`torn: ${message}`);
      }
    };
    await Promise.all([write(), remove(), read()]);
    await other.remove(ID);
    await storage.write(big(900_000), 1, { id: ID });
    const [{ message }] = await other.get(ID);
    await other.remove(ID);
    say({ length: message.length, left: (await keys()).length, check: await storage.check() });
  },

  /** More pieces than are deleted together. */
  async huge() {
    await storage.write(big(35_000_000), 1, { id: ID });
    const pieces = (await keys()).filter((key) => key[1] === 'piece').length;
    const [{ message }] = await storage.get(ID);
    await storage.remove(ID);
    say({ pieces, length: message.length, left: (await keys()).length });
  },

  async again() {
    const over = new AsyncDictStorage(denoKvHost(sendingTwice()));
    for (const length of [10, 500_000]) await over.write(big(length), 1);
    say(await storage.getInfo());
  },

  /** The network is gone when somebody asks whether the first of both commits was made. */
  async unsaid() {
    const over = new AsyncDictStorage(denoKvHost(sendingTwice(() => {
      throw new Error('away');
    })));
    const error = await over.write(big(10), 1).then(() => undefined, (thrown) => thrown);
    say({ code: error?.code, cause: error?.cause?.message, isThere: (await storage.get(error?.id))[0] !== undefined });
  },

  async recipients() {
    const list = (length) => ({ sender: null, recipients: new Array(length).fill('a@b') });
    const error = await storage.write(list(105_000), 1).then(() => undefined, (thrown) => thrown);
    const left = (await keys()).length;
    const id = await storage.write(list(100_000), 1);
    await storage.setRecipientsDelivered(id, Array.from({ length: 100_000 }, (_, i) => i));
    say({ code: error?.code, left, remaining: (await storage.get(id))[2].length });
  },

  /** Fills the disk; every refused message must be nowhere. */
  async full() {
    const [codes, refused] = [new Set(), []];
    for (let i = 0; refused.length < 3 && i < 200; i++) {
      const write = storage.write(big(i % 2 ? 90_000 : 800_000), i, { id: idOf(i) });
      await write.catch(({ code }) => codes.add(code) && refused.push(idOf(i)));
    }
    const listed = (await Array.fromAsync(storage.load())).map(([, id]) => id);
    Deno.removeSync(more);
    await storage.write(big(1000), 1, { id: refused[0] });
    await storage.repair({ minAge: 0 });
    const { orphanEnvelopes, orphanMeta, corrupt } = await storage.check();
    say({
      codes: [...codes], refused: refused.length, there: refused.filter((id) => listed.includes(id)).length,
      later: (await storage.get(refused[0]))[0].message.length,
      wrong: [...orphanEnvelopes, ...orphanMeta, ...corrupt].length,
    });
  },

  async closed() {
    await storage.write(big(10), 1);
    kv.close();
    const calls = [storage.getInfo(), storage.write(big(10), 1)];
    say(await Promise.all(calls.map((call) => call.catch(({ code }) => code))));
  },

  async wrong() {
    const refused = [undefined, null, 5, {}, new Map()].map((value) => {
      try {
        return String(denoKvHost(value));
      } catch ({ name, message }) {
        return name === 'TypeError' && message.startsWith('kv: ');
      }
    });
    const other = new AsyncDictStorage(denoKvHost(kv, { prefix: ['other', 1] }));
    await other.write(big(10), 1);
    say({ refused, here: (await storage.getInfo()).size, keys: (await keys()).map(([one, two]) => [one, two]) });
  },
};

await WORK[what]();

/**
 * A database that makes each commit twice, as Deno does over a network that has lost an answer. From then on `getMany` is
 * the one that is given, if any is.
 */
function sendingTwice(getMany) {
  let isSent = false;
  const atomic = () => {
    const calls = [];
    const commit = () => calls.reduce((atomic, [name, args]) => atomic[name](...args), kv.atomic()).commit();
    const recorded = (name) => (...args) => (calls.push([name, args]), recorder);
    const recorder = {
      check: recorded('check'), set: recorded('set'), delete: recorded('delete'),
      commit: () => commit().then(commit).finally(() => (isSent = true)),
    };
    return recorder;
  };
  return new Proxy(kv, {
    get(target, name) {
      if (name === 'atomic') return atomic;
      if (name === 'getMany' && isSent && getMany) return getMany;
      const value = target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A database that stops for good at one of its commits, before it is made or after. */
function dyingAt(at, late) {
  const dying = { ended: false };
  let number = 0;
  const alive = () => {
    if (dying.ended) throw new Error('the program has ended');
  };
  const wrapped = (atomic) => ({
    check: (...args) => (atomic.check(...args), wrapped(atomic)),
    set: (...args) => (atomic.set(...args), wrapped(atomic)),
    delete: (...args) => (atomic.delete(...args), wrapped(atomic)),
    async commit() {
      alive();
      if (number++ !== at) return atomic.commit();
      if (late) await atomic.commit();
      dying.ended = true;
      return alive();
    },
  });
  dying.kv = {
    getMany: async (...args) => (alive(), kv.getMany(...args)),
    list: (...args) => (alive(), kv.list(...args)),
    atomic: () => wrapped(kv.atomic()),
  };
  return dying;
}
