/**
 * What every storage does, in a form that runs in Node and in any page: it imports nothing. Each behaviour gets
 * `open`, which gives a storage over one and the same host, another object each time.
 */

export const envelope = (more = {}) => ({
  sender: 'from@example.com',
  recipients: ['a@example.com', 'b@example.com', 'c@example.com'],
  headers: [['Subject', 'Hello']],
  message: new TextEncoder().encode('Hello there.\r\n'),
  ...more,
});

export const idOf = (number) => number.toString(16).padStart(32, '0');

export async function listed(storage) {
  const list = [];
  for await (const entry of storage.load()) list.push(entry);
  return list.sort(([, one], [, other]) => (one < other ? -1 : 1));
}

/** Throws unless two values are of the same structure. */
export function equal(actual, expected, what = 'value') {
  const wrong = () => new Error(`${what}: ${show(actual)} instead of ${show(expected)}`);
  if (Object.is(actual, expected)) return;
  if (typeof actual !== 'object' || typeof expected !== 'object' || !actual || !expected) throw wrong();
  const tag = (value) => Object.prototype.toString.call(value);
  if (tag(actual) !== tag(expected)) throw wrong();
  if (actual instanceof Date) return equal(actual.getTime(), expected.getTime(), what);
  if (actual instanceof Map || actual instanceof Set) return equal([...actual], [...expected], what);
  const keys = Object.keys(expected);
  if (Object.keys(actual).sort().join() !== [...keys].sort().join()) throw wrong();
  for (const key of keys) equal(actual[key], expected[key], `${what}.${key}`);
}

function show(value) {
  try {
    return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner)) ?? String(value);
  } catch {
    return String(value);
  }
}

/** Throws unless a promise is rejected with an error of this name and, if one is given, this code. */
export async function rejects(promise, name, code) {
  let error;
  try {
    await promise;
  } catch (thrown) {
    error = thrown;
  }
  equal([error?.name, code && error?.code], [name, code], `the error ${error}`);
  return error;
}

const EXTRAS = {
  nothing: null, yes: true, number: 1.5, bigint: 10n ** 20n, date: new Date(5), bytes: new Uint8Array([1, 255]),
  list: [1, [2, { three: 3 }]], object: { deep: { er: true } }, map: new Map([['a', new Set([1])]]),
  set: new Set(['x']),
};

/** @type {Record<string, (open: () => any) => Promise<void>>} */
export const BEHAVIOURS = {
  async 'a message comes back as it was written, extras of every kind included'(open) {
    const storage = open();
    const id = await storage.write(envelope(EXTRAS), 10);
    equal(/^[0-9a-f]{32}$/.test(id), true);
    equal(await storage.get(id), [envelope(EXTRAS), 0, [0, 1, 2]]);
    equal(await open().get(id), [envelope(EXTRAS), 0, [0, 1, 2]]);
  },

  async 'setTimestamp, incrementAttempts and load agree'(open) {
    const storage = open();
    await storage.write(envelope(), 10, { id: idOf(1) });
    await storage.write(envelope(), new Date(20), { id: idOf(2) });
    equal(await listed(storage), [[10, idOf(1)], [20, idOf(2)]]);
    await storage.setTimestamp(idOf(1), 30.5);
    equal([await storage.incrementAttempts(idOf(1)), await open().incrementAttempts(idOf(1))], [1, 2]);
    equal(await listed(open()), [[30.5, idOf(1)], [20, idOf(2)]]);
    equal((await open().get(idOf(1)))[1], 2);
  },

  async 'delivered recipients stay delivered, by their original positions'(open) {
    const storage = open();
    await storage.write(envelope({ recipients: ['x@e', 'y@e', 'x@e', 'z@e'] }), 10, { id: idOf(1) });
    await storage.setRecipientsDelivered(idOf(1), [0]);
    await open().setRecipientsDelivered(idOf(1), new Set([2, 0]));
    const [{ recipients }, , positions] = await open().get(idOf(1));
    equal([recipients, positions], [['y@e', 'z@e'], [1, 3]]);
    await rejects(storage.setRecipientsDelivered(idOf(1), [1, 4]), 'RangeError');
    equal((await storage.get(idOf(1)))[2], [1, 3]);
  },

  async 'a removed message is gone, and getInfo counts what is left'(open) {
    const storage = open();
    await storage.write(envelope(), 10, { id: idOf(1) });
    await storage.write(envelope(), 20, { id: idOf(2) });
    equal(await storage.getInfo(), { size: 2, metaSize: 2 });
    await storage.remove(idOf(1));
    await storage.remove(idOf(1));
    equal(await open().getInfo(), { size: 1, metaSize: 1 });
    const error = await rejects(storage.get(idOf(1)), 'KeyError', 'no-such-message');
    equal(error.id, idOf(1));
    for (const call of ['incrementAttempts', 'setTimestamp', 'setRecipientsDelivered']) {
      await rejects(storage[call](idOf(1), call === 'setTimestamp' ? 1 : [0]), 'KeyError');
    }
  },

  async 'writing an id that is there changes nothing'(open) {
    const storage = open();
    await storage.write(envelope(), 10, { id: idOf(1) });
    equal(await open().write(envelope({ sender: null }), 99, { id: idOf(1) }), idOf(1));
    equal([(await storage.get(idOf(1)))[0].sender, await listed(storage)], ['from@example.com', [[10, idOf(1)]]]);
  },

  async 'change makes all its changes or none'(open) {
    const storage = open();
    await storage.write(envelope(), 10, { id: idOf(1) });
    const lease = { until: 5, owner: 'me' };
    equal(await storage.change(idOf(1), { lease: null }, { lease, attempts: 1, delivered: [0] }), true);
    equal(await open().change(idOf(1), { lease: null }, { lease, attempts: 2 }), false);
    equal(await open().change(idOf(1), { lease }, { lease: null, timestamp: 11 }), true);
    equal([(await storage.get(idOf(1))).slice(1), await listed(storage)], [[1, [1, 2]], [[11, idOf(1)]]]);
  },

  async 'reads show every call made before them'(open) {
    const storage = open();
    storage.write(envelope(), 10, { id: idOf(1) });
    storage.incrementAttempts(idOf(1));
    storage.setRecipientsDelivered(idOf(1), [1]);
    storage.write(envelope(), 10, { id: idOf(2) });
    storage.remove(idOf(2));
    const reads = [storage.getInfo(), storage.get(idOf(1)), listed(storage)];
    const [info, [, attempts, positions], list] = await Promise.all(reads);
    equal([info, attempts, positions, list], [{ size: 1, metaSize: 1 }, 1, [0, 2], [[10, idOf(1)]]]);
  },

  async 'increments from several storages all count'(open) {
    const storages = [open(), open(), open()];
    await storages[0].write(envelope(), 10, { id: idOf(1) });
    const counts = await Promise.all(Array.from({ length: 90 }, (_, i) => storages[i % 3].incrementAttempts(idOf(1))));
    equal(counts.sort((a, b) => a - b), Array.from({ length: 90 }, (_, i) => i + 1));
  },

  async 'load lists each of thousands once while messages come and go'(open) {
    const storage = open();
    const ids = Array.from({ length: 2500 }, (_, i) => idOf(i * 2));
    await Promise.all(ids.map((id) => storage.write({ sender: null, recipients: ['a@e'] }, 1, { id })));
    const seen = new Map();
    for await (const [, id] of storage.load()) {
      seen.set(id, (seen.get(id) ?? 0) + 1);
      if (seen.size % 500 === 0) {
        await storage.write(envelope(), 1, { id: idOf(seen.size * 2 + 1) });
        await storage.remove(idOf(seen.size * 2 + 1));
        await storage.incrementAttempts(ids[seen.size - 1]);
      }
    }
    for (const id of ids) equal(seen.get(id), 1, id);
  },

  async 'bad input is refused before anything is written'(open) {
    const storage = open();
    await rejects(storage.write(envelope({ recipients: ['a\r\nRCPT TO:<x>'] }), 1), 'TypeError');
    await rejects(storage.write(envelope({ note: () => {} }), 1), 'TypeError');
    await rejects(storage.write(envelope(), NaN), 'RangeError');
    await rejects(storage.write(envelope(), 1, { id: 5 }), 'TypeError');
    await rejects(storage.get('\ud800'), 'KeyError');
    equal(await storage.getInfo(), { size: 0, metaSize: 0 });
  },

  async 'check and repair find whole messages whole'(open) {
    const storage = open();
    await storage.write(envelope(), 10, { id: idOf(1) });
    const nothing = { orphanEnvelopes: [], orphanMeta: [], corrupt: [] };
    equal([await storage.check(), await storage.repair({ minAge: 0 })], [nothing, nothing]);
    equal((await storage.get(idOf(1)))[1], 0);
  },

  async 'wait yields what is there and what another storage does'(open) {
    const [storage, other] = [open(), open()];
    await storage.write(envelope(), 10, { id: idOf(1) });
    const waiting = storage.wait();
    const until = async (timestamp, id) => {
      for (;;) {
        const { value, done } = await waiting.next();
        if (done) throw new Error('it ended');
        if (value[0] === timestamp && value[1] === id) return;
      }
    };
    await until(10, idOf(1));
    const asked = until(20, idOf(2));
    await other.write(envelope(), 20, { id: idOf(2) });
    await asked;
    const moved = until(30, idOf(1));
    await other.setTimestamp(idOf(1), 30);
    await moved;
    await storage.close();
    equal((await waiting.next()).done, true);
  },

  async 'a storage that was closed refuses, and another one goes on'(open) {
    const storage = open();
    await storage.write(envelope(), 10, { id: idOf(1) });
    await storage.close();
    await rejects(storage.get(idOf(1)), 'QueueError', 'closed');
    equal((await open().get(idOf(1)))[1], 0);
  },
};
