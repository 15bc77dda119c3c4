/** @import { DictHost } from '../types.js' */
/** @import { Place } from './place.js' */
import { fields, numberOf, sameMessage } from './contract.js';
import { equal, expect, outcome, rejects } from './expect.js';
import { envelope, idOf, listed, meta, newMessage, removal } from './mail.js';

const SHORT = { deadline: 400 };

/**
 * What is left when something goes wrong.
 *
 * @type {Record<string, (place: Place) => Promise<void>>}
 */
export const failures = {
  async 'whichever call on the host fails, before its work or after it, a message is as before or as asked'(place) {
    const healthy = await place.storage();
    for (const late of [false, true]) {
      for (let at = 0, hit = true; hit; at++) {
        const faulty = failing(await place.host(), at, late);
        const storage = place.over(faulty.host);
        const id = idOf(at * 2 + Number(late));
        for (const [name, call] of Object.entries(calls(storage, id))) {
          const before = await stateOf(healthy, id);
          const { done, error } = /** @type {any} */ (await outcome(call()));
          const after = await stateOf(healthy, id);
          if (done) continue;
          if (error.name !== 'KeyError') equal(error.name, 'QueueError', `the error of ${name}`);
          if (!late) equal(after, before, `what a ${name} that failed has left`);
        }
        const there = (await stateOf(healthy, id)) !== 'none';
        equal((await listed(healthy)).map(([, each]) => each), there ? [id] : [], 'what is listed');
        await healthy.remove(id);
        ({ hit } = faulty);
      }
    }
    equal(await healthy.check(), { orphanEnvelopes: [], orphanMeta: [], corrupt: [] }, 'check');
    equal(await listed(healthy), [], 'load');
  },

  async 'a call on a host that does not answer ends by the deadline, and later ones go on'(place) {
    const host = await place.host();
    let hang = false;
    const storage = place.over({
      supports: host.supports,
      read: (dict, id) => (hang ? new Promise(() => {}) : host.read(dict, id)),
      commit: (batch) => (hang ? new Promise(() => {}) : host.commit(batch)),
      page: (dict, cursor, limit) => (hang ? new Promise(() => {}) : host.page(dict, cursor, limit)),
      sizes: () => (hang ? new Promise(() => {}) : host.sizes()),
    }, SHORT);
    await insist(() => storage.write(envelope(), 10, { id: idOf(1) }));
    hang = true;
    await Promise.all([
      rejects(storage.write(envelope(), 10, { id: idOf(2) }), 'QueueError', 'unknown-outcome'),
      rejects(storage.get(idOf(1)), 'QueueError', 'timeout'), rejects(storage.getInfo(), 'QueueError', 'timeout'),
      rejects(storage.load().next(), 'QueueError', 'timeout'),
    ]);
    hang = false;
    await insist(() => storage.setTimestamp(idOf(1), 20));
    equal(await insist(() => storage.write(envelope(), 10, { id: idOf(2) })), idOf(2), 'the write that is repeated');
    equal((await insist(() => listed(storage))).sort(), [[10, idOf(2)], [20, idOf(1)]], 'what is listed');
  },

  async 'commits that are under way when the host is closed are made whole or not at all'(place) {
    const host = await place.host();
    await host.commit(newMessage(idOf(0), 0));
    const made = Array.from({ length: 60 }, async (_, i) => host.commit(newMessage(idOf(i + 1), i + 1)));
    const outcomes = Promise.all(made.map(outcome));
    await host.close?.();
    const done = await outcomes;
    await place.end();
    const again = await place.host();
    await sameMessage(again, idOf(0), 0);
    for (const [i, { done: acknowledged }] of done.entries()) {
      const id = idOf(i + 1);
      const record = fields(await again.read('meta', id));
      const number = numberOf(await again.read('envelope', id));
      if (acknowledged || record) await sameMessage(again, id, i + 1);
      else expect(number === undefined || !again.supports.atomic, `an envelope without its meta record: ${id}`);
    }
  },

  async 'an envelope that a crash has left alone is found, and cleared, listed again or made whole'(place) {
    const [host, storage] = [await place.host(), await place.storage()];
    for (const number of [1, 2, 5]) {
      await host.commit({ checks: [], writes: [{ dict: 'envelope', id: idOf(number), value: envelope({ number }) }] });
    }
    await storage.write(envelope({ number: 3 }), 10, { id: idOf(3) });
    equal(await listed(storage), [[10, idOf(3)]], 'load');
    await rejects(storage.get(idOf(1)), 'KeyError');
    const alone = [idOf(1), idOf(2), idOf(5)].sort();
    const found = await storage.check();
    equal({ ...found, orphanEnvelopes: found.orphanEnvelopes.sort() },
      { orphanEnvelopes: alone, orphanMeta: [], corrupt: [] }, 'check');
    equal((await storage.repair()).orphanEnvelopes, [], 'what is too young to be cleared');
    equal(await storage.write(envelope({ number: 4 }), 20, { id: idOf(2) }), idOf(2), 'the write that is repeated');
    equal(await storage.get(idOf(2)), [envelope({ number: 4 }), 0, [0, 1, 2]], 'get');
    equal((await storage.repair({ requeue: [idOf(5)] })).corrupt, [idOf(5)], 'what is listed again');
    equal(await storage.get(idOf(5)), [envelope({ number: 5 }), 0, [0, 1, 2]], 'get of what is listed again');
    equal((await storage.repair({ minAge: 0 })).orphanEnvelopes, [idOf(1)], 'what is cleared');
    equal(await storage.getInfo(), { size: 3, metaSize: 3 }, 'getInfo');
    equal(await host.read('envelope', idOf(1)), undefined, 'the envelope');
  },

  async 'a meta record without its envelope is found and cleared'(place) {
    const [host, storage] = [await place.host(), await place.storage()];
    await storage.write(envelope(), 10, { id: idOf(1) });
    await storage.write(envelope(), 10, { id: idOf(2) });
    await host.commit(removal(idOf(1), ['envelope']));
    equal((await storage.check()).orphanMeta, [idOf(1)], 'check');
    equal((await storage.repair()).orphanMeta, [idOf(1)], 'repair');
    equal(await listed(storage), [[10, idOf(2)]], 'load');
  },

  async 'a meta record that cannot be read is named, left, and replaced when it is asked for'(place) {
    const [host, storage] = [await place.host(), await place.storage()];
    const wrong = [{ timestamp: 'soon', attempts: 0 }, { attempts: 'x' }, {}, meta(1, { deliveredIndexes: [2, 1] })];
    for (const [i, value] of wrong.entries()) {
      await storage.write(envelope({ number: i }), i, { id: idOf(i) });
      await host.commit({ checks: [], writes: [{ dict: 'meta', id: idOf(i), value }] });
      await rejects(storage.get(idOf(i)), 'QueueError', 'corrupt');
      await rejects(storage.incrementAttempts(idOf(i)), 'QueueError', 'corrupt');
    }
    await storage.write(envelope(), 10, { id: idOf(9) });
    equal(await listed(storage), [[10, idOf(9)]], 'load');
    equal((await storage.check()).corrupt.sort(), wrong.map((_, i) => idOf(i)).sort(), 'check');
    equal((await storage.repair({ minAge: 0 })).corrupt, [], 'what repair has touched');
    await storage.repair({ requeue: wrong.map((_, i) => idOf(i)) });
    for (const i of wrong.keys()) equal(await storage.get(idOf(i)), [envelope({ number: i }), 0, [0, 1, 2]], 'get');
  },

  async 'a record of a newer format is named and left as it is'(place) {
    const [host, storage] = [await place.host(), await place.storage()];
    await storage.write(envelope(), 10, { id: idOf(1) });
    await host.commit({ checks: [], writes: [{ dict: 'meta', id: idOf(1), value: { ...meta(10), format: 23 } }] });
    await rejects(storage.get(idOf(1)), 'QueueError', 'newer-format');
    await rejects(storage.incrementAttempts(idOf(1)), 'QueueError', 'newer-format');
    equal([await listed(storage), (await storage.check()).corrupt], [[], [idOf(1)]], 'load and check');
    equal(await storage.repair({ minAge: 0, requeue: [idOf(1)] }),
      { orphanEnvelopes: [], orphanMeta: [], corrupt: [] }, 'repair');
    await rejects(storage.get(idOf(1)), 'QueueError', 'newer-format');
    await storage.remove(idOf(1));
    equal(await storage.getInfo(), { size: 0, metaSize: 0 }, 'getInfo');
  },
};

/**
 * The calls on one message whose effect a failure may cut short, in their order.
 *
 * @param {Awaited<ReturnType<Place['storage']>>} storage
 * @param {string} id
 * @returns {Record<string, () => Promise<unknown>>}
 */
function calls(storage, id) {
  return {
    write: () => storage.write(envelope(), 10, { id }),
    incrementAttempts: () => storage.incrementAttempts(id),
    setRecipientsDelivered: () => storage.setRecipientsDelivered(id, [1]),
    change: () => storage.change(id, null, { timestamp: 20, lease: { until: 1, owner: 'me' } }),
    get: () => storage.get(id),
    remove: () => storage.remove(id),
  };
}

/**
 * Repeats a call that changes nothing the second time, as long as a host that is well, but busy, misses the deadline.
 *
 * @template T
 * @param {() => Promise<T>} call
 * @returns {Promise<T>}
 */
async function insist(call) {
  for (let left = 50; ; left--) {
    const made = await outcome(call());
    if (made.done) return made.value;
    if (left === 0 || !['timeout', 'unknown-outcome'].includes(made.error.code)) throw made.error;
  }
}

/**
 * @param {Awaited<ReturnType<Place['storage']>>} storage
 * @param {string} id
 */
async function stateOf(storage, id) {
  const { done, value } = /** @type {any} */ (await outcome(storage.get(id)));
  return done ? value : 'none';
}

/**
 * A host of which one call fails, the `at`th, be it before it has done anything or after it has done all.
 *
 * @param {DictHost} host
 * @param {number} at
 * @param {boolean} late
 */
function failing(host, at, late) {
  let number = 0;
  const faulty = { hit: false, host: /** @type {DictHost} */ ({ supports: host.supports }) };
  for (const name of /** @type {const} */ (['read', 'commit', 'page', 'sizes'])) {
    faulty.host[name] = async (/** @type {any[]} */ ...args) => {
      if (number++ !== at) return /** @type {any} */ (host[name])(...args);
      faulty.hit = true;
      if (late) await /** @type {any} */ (host[name])(...args);
      throw new Error(`the host failed ${late ? 'after' : 'before'} its work`);
    };
  }
  return faulty;
}
