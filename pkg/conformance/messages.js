/** @import { Place } from './place.js' */
import { equal, expect, rejects } from './expect.js';
import { envelope, idOf, listed } from './mail.js';

const NOTHING_WRONG = { orphanEnvelopes: [], orphanMeta: [], corrupt: [] };

/**
 * What a storage over the host does with messages.
 *
 * @type {Record<string, (place: Place) => Promise<void>>}
 */
export const messages = {
  async 'a message comes back as it was written'(place) {
    const storage = await place.storage();
    const client = { ip: '192.0.2.1', host: 'h.example.com', name: 'h', protocol: 'ESMTPS', auth: 'me' };
    const all = envelope({ client, receiver: 'mx.example.com', timestamp: 1.5 });
    const id = await storage.write(all, 10);
    expect(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/.test(id), `expected an id, got ${id}`);
    equal(await storage.get(id), [all, 0, [0, 1, 2]], 'get');
    const least = { sender: null, recipients: [] };
    equal(await storage.get(await storage.write(least, 10)), [least, 0, []], 'get of the least envelope');
    equal(await (await place.storage()).get(id), [all, 0, [0, 1, 2]], 'get over another host');
  },

  async 'what was acknowledged is there after the host was closed and opened again'(place) {
    const storage = await place.storage();
    for (let i = 1; i <= 4; i++) await storage.write(envelope({ number: i }), i, { id: idOf(i) });
    await storage.setTimestamp(idOf(1), 11.25);
    await storage.incrementAttempts(idOf(1));
    await storage.setRecipientsDelivered(idOf(2), [1]);
    await storage.change(idOf(3), null, { lease: { until: 5, owner: 'me' }, attempts: 7, delivered: [0, 2] });
    await storage.remove(idOf(4));
    await place.end();
    const again = await place.storage();
    const expected = /** @type {[number, string][]} */ ([[11.25, idOf(1)], [2, idOf(2)], [3, idOf(3)]]);
    equal(await listed(again), expected.sort(([, one], [, other]) => (one < other ? -1 : 1)), 'load');
    equal(await again.get(idOf(1)), [envelope({ number: 1 }), 1, [0, 1, 2]], 'the first');
    const rest = envelope({ number: 2, recipients: ['a@example.com', 'c@example.com'] });
    equal(await again.get(idOf(2)), [rest, 0, [0, 2]], 'the second');
    equal((await again.get(idOf(3))).slice(1), [7, [1]], 'the third');
    equal(await again.change(idOf(3), { lease: { until: 5, owner: 'me' } }, { lease: null }), true, 'its lease');
    await rejects(again.get(idOf(4)), 'KeyError');
    equal(await again.getInfo(), { size: 3, metaSize: 3 }, 'getInfo');
    equal(await again.check(), NOTHING_WRONG, 'check');
  },

  async 'delivered recipients stay delivered, by their original positions'(place) {
    const [storage, other] = [await place.storage(), await place.storage()];
    await storage.write(envelope({ recipients: ['x@e', 'y@e', 'x@e', 'z@e'] }), 10, { id: idOf(1) });
    await storage.setRecipientsDelivered(idOf(1), [0]);
    await other.setRecipientsDelivered(idOf(1), new Set([2, 0]));
    const [{ recipients }, , positions] = await storage.get(idOf(1));
    equal([recipients, positions], [['y@e', 'z@e'], [1, 3]], 'who is left');
    await rejects(storage.setRecipientsDelivered(idOf(1), [1, 4]), 'RangeError');
    equal((await other.get(idOf(1)))[2], [1, 3], 'who is left after a refused call');
    await storage.setRecipientsDelivered(idOf(1), [3, 1, 3]);
    equal((await other.get(idOf(1)))[2], [], 'who is left in the end');
  },

  async 'a removed message is gone'(place) {
    const [storage, other] = [await place.storage(), await place.storage()];
    await storage.write(envelope(), 10, { id: idOf(1) });
    await storage.write(envelope(), 20, { id: idOf(2) });
    equal((await other.get(idOf(1)))[1], 0, 'attempts');
    await storage.remove(idOf(1));
    for (const each of [other, storage]) {
      equal((await rejects(each.get(idOf(1)), 'KeyError', 'no-such-message')).id, idOf(1), 'id of the error');
      await rejects(each.incrementAttempts(idOf(1)), 'KeyError');
      await rejects(each.setTimestamp(idOf(1), 1), 'KeyError');
      await rejects(each.setRecipientsDelivered(idOf(1), [0]), 'KeyError');
      await each.remove(idOf(1));
      equal([await listed(each), await each.getInfo()], [[[20, idOf(2)]], { size: 1, metaSize: 1 }], 'what is left');
    }
  },

  async 'writing an id that is there changes nothing, and a removed one can be written again'(place) {
    const [storage, other] = [await place.storage(), await place.storage()];
    await storage.write(envelope({ number: 1 }), 10, { id: idOf(1) });
    await storage.incrementAttempts(idOf(1));
    equal(await other.write(envelope({ number: 2 }), 99, { id: idOf(1) }), idOf(1), 'write');
    equal(await storage.get(idOf(1)), [envelope({ number: 1 }), 1, [0, 1, 2]], 'get');
    equal(await listed(other), [[10, idOf(1)]], 'load');
    await other.remove(idOf(1));
    await storage.write(envelope({ number: 3 }), 30, { id: idOf(1) });
    equal(await other.get(idOf(1)), [envelope({ number: 3 }), 0, [0, 1, 2]], 'get after another write');
  },

  async 'change makes all its changes or none'(place) {
    const [storage, other] = [await place.storage(), await place.storage()];
    await storage.write(envelope(), 10, { id: idOf(1) });
    const lease = { until: 5, owner: 'me' };
    equal(await storage.change(idOf(1), { lease: null }, { lease, attempts: 1, delivered: [0] }), true, 'a claim');
    equal(await other.change(idOf(1), { lease: null }, { lease, attempts: 2 }), false, 'a second claim');
    equal(await other.change(idOf(1), { lease, attempts: 2 }, { timestamp: 12 }), false, 'a wrong expectation');
    equal(await other.change(idOf(1), { lease, attempts: 1 }, { lease: null, timestamp: 11 }), true, 'its end');
    equal((await storage.get(idOf(1))).slice(1), [1, [1, 2]], 'attempts and who is left');
    equal(await listed(storage), [[11, idOf(1)]], 'load');
  },

  async 'reads show every call that was made before them'(place) {
    const storage = await place.storage();
    const calls = [
      storage.write(envelope(), 10, { id: idOf(1) }), storage.incrementAttempts(idOf(1)),
      storage.setRecipientsDelivered(idOf(1), [1]), storage.write(envelope(), 10, { id: idOf(2) }),
      storage.remove(idOf(2)),
    ];
    const [info, [, attempts, positions], list] = await Promise.all([
      storage.getInfo(), storage.get(idOf(1)), listed(storage),
    ]);
    equal([info, attempts, positions, list], [{ size: 1, metaSize: 1 }, 1, [0, 2], [[10, idOf(1)]]], 'the reads');
    await Promise.all(calls);
  },

  async 'what a caller does to what it passed in or got back changes nothing that is queued'(place) {
    const storage = await place.storage();
    const extra = { deep: [new Map([['key', new Uint8Array([1, 2])]])] };
    const passed = envelope({ extra });
    const written = storage.write(passed, 10, { id: idOf(1) });
    passed.recipients.push('eve@example.com');
    /** @type {Uint8Array} */ (passed.message).fill(0);
    extra.deep[0].get('key')?.fill(0);
    extra.deep.length = 0;
    await written;
    const wanted = envelope({ extra: { deep: [new Map([['key', new Uint8Array([1, 2])]])] } });
    const [got] = await storage.get(idOf(1));
    equal(got, wanted, 'what was written');
    got.recipients.length = 0;
    /** @type {Uint8Array} */ (got.message).fill(9);
    /** @type {any} */ (got.extra).deep[0].clear();
    equal((await storage.get(idOf(1)))[0], wanted, 'what is read again');
    equal((await (await place.storage()).get(idOf(1)))[0], wanted, 'what is read elsewhere');
  },

  async 'bad input is refused before anything is written'(place) {
    const storage = await place.storage();
    const lone = '\ud800';
    const wrong = [
      envelope({ recipients: ['a\r\nRCPT TO:<x>'] }), envelope({ recipients: [5] }), envelope({ sender: `a${lone}@b` }),
      envelope({ recipients: [`${lone}@b`] }), envelope({ headers: [['A', lone]] }), envelope({ message: lone }),
      envelope({ extra: lone }), envelope({ extra: [new Map([[lone, 1]])] }), envelope({ extra: new Set([lone]) }),
      envelope({ extra: () => {} }), envelope({ extra: Symbol('s') }), envelope({ extra: { list: [undefined] } }),
      envelope({ extra: NaN }), envelope({ extra: new Date(NaN) }), envelope({ message: 5 }), null, [], 'mail',
    ];
    for (const each of wrong) {
      const error = await rejects(storage.write(/** @type {any} */ (each), 1), 'TypeError');
      expect(error.message.length > 10, `the message of the error says nothing: ${error.message}`);
    }
    await rejects(storage.write(envelope(), NaN), 'RangeError');
    await rejects(storage.write(envelope(), 1, { id: /** @type {any} */ (5) }), 'TypeError');
    equal(await storage.getInfo(), { size: 0, metaSize: 0 }, 'getInfo');
    await rejects(storage.get(lone), 'KeyError');
    await storage.write(envelope(), 1, { id: idOf(1) });
    await rejects(storage.setRecipientsDelivered(idOf(1), [0, 0.5]), 'RangeError');
    await rejects(storage.setTimestamp(idOf(1), Infinity), 'RangeError');
    equal((await storage.get(idOf(1))).slice(1), [0, [0, 1, 2]], 'attempts and who is left');
    equal(await listed(storage), [[1, idOf(1)]], 'load');
  },

  async 'wait yields what is there, and what another storage does'(place) {
    const [storage, other] = [await place.storage(), await place.storage()];
    await storage.write(envelope(), 10, { id: idOf(1) });
    const waiting = storage.wait();
    const until = async (/** @type {number} */ timestamp, /** @type {string} */ id) => {
      for (;;) {
        const { value, done } = await waiting.next();
        if (done) throw new Error(`wait ended before it had yielded ${id} at ${timestamp}`);
        if (value[0] === timestamp && value[1] === id) return;
      }
    };
    await until(10, idOf(1));
    const written = until(20, idOf(2));
    await other.write(envelope(), 20, { id: idOf(2) });
    await written;
    const moved = until(30, idOf(1));
    await other.setTimestamp(idOf(1), 30);
    await moved;
    const own = until(40, idOf(3));
    await storage.write(envelope(), 40, { id: idOf(3) });
    await own;
    await storage.close();
    equal((await waiting.next()).done, true, 'whether it has ended');
  },

  async 'a storage that was closed refuses every call, and another one goes on'(place) {
    const [storage, other] = [await place.storage(), await place.storage()];
    await storage.write(envelope(), 10, { id: idOf(1) });
    const pending = storage.incrementAttempts(idOf(1));
    await storage.close();
    equal(await pending, 1, 'the call under way');
    for (const call of [
      storage.get(idOf(1)), storage.write(envelope(), 1), storage.remove(idOf(1)), storage.getInfo(),
      storage.load().next(), storage.incrementAttempts(idOf(1)), storage.check(),
    ]) {
      await rejects(call, 'QueueError', 'closed');
    }
    await storage.close();
    equal((await other.get(idOf(1)))[1], 1, 'attempts');
  },
};
