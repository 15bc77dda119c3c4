/** @import { Place } from './place.js' */
import { equal } from './expect.js';
import { envelope, idOf, listed, repeat } from './mail.js';

const MEGABYTE = 2 ** 20;

/**
 * Large and odd things to keep.
 *
 * @type {Record<string, (place: Place) => Promise<void>>}
 */
export const values = {
  async 'extra fields of every kind come back as they were'(place) {
    const storage = await place.storage();
    const extras = {
      nothing: null, yes: true, no: false, text: '', line: 'a\r\nb\0c', words: 'Grüße, 世界 💌', nan: 'NaN',
      marked: '\ufeffx', long: '\ufeff\ufeff'.repeat(200),
      zero: 0, minus: -0, half: 0.5, third: 1 / 3, tiny: 5e-324, huge: 1.7976931348623157e308, safe: 2 ** 53 - 1,
      unsafe: 2 ** 53, wide: 2 ** 60, negative: -(2 ** 64), small: 5n, none: 0n, below: -1n, large: 10n ** 40n,
      under: -(10n ** 40n), word: 2n ** 64n,
      dates: [0, 5, -1, 1.7e12 + 123, 8.64e15, -8.64e15, 8.64e15 - 1, 1 - 8.64e15].map((time) => new Date(time)),
      bytes: new Uint8Array([0, 1, 127, 128, 255]), noBytes: new Uint8Array(0), empty: {}, list: [], lists: [[], [[]]],
      map: new Map(), set: new Set(), nested: { list: [1, [2, { three: new Set([new Map([['four', 4n]])]) }]] },
      ordered: new Map([['b', 1], ['a', 2], ['10', 3], ['9', 4]]), keys: { b: 1, a: 2, 10: 3, '': 4, 'a b': 5 },
      strange: new Map(/** @type {any} */ ([
        [1, 'one'], ['1', 'text'], [1n, 'big'], [null, 'null'], [true, 'true'], [new Date(1), 'date'],
        [{ a: 1 }, 'object'], [[1], 'array'], [new Uint8Array([1]), 'bytes'],
      ])),
      members: new Set(/** @type {any} */ ([3, 1, '1', 2, null, { a: 1 }, [1], new Date(1), new Set([0])])),
      own: JSON.parse('{"__proto__": {"x": 1}, "constructor": 2, "toString": 3}'),
    };
    const id = await storage.write(envelope(extras), 10);
    for (const each of [storage, await place.storage()]) equal((await each.get(id))[0], envelope(extras), 'envelope');
  },

  async 'fields that look like what a host may keep for itself come back'(place) {
    const storage = await place.storage();
    const names = [
      'id', 'version', 'format', 'value', 'key', 'message2', 'messageLength', 'size', 'length', 'attempts', 'meta',
      'deliveredIndexes', 'lease', 'type', 'kind', 'chunks', 'pieces', '__proto', '$type', '@type', 'tag', 'then',
    ];
    for (const value of ['text', 7, 1n, { key: 1 }, ['one', 2], new Uint8Array([1]), null]) {
      const extras = Object.fromEntries(names.map((name) => [name, value]));
      const id = await storage.write(envelope(extras), 10);
      equal((await storage.get(id))[0], envelope(extras), 'envelope');
    }
  },

  async 'a message is bytes or text or nothing, empty ones too'(place) {
    const storage = await place.storage();
    const every = new Uint8Array(256).map((_, i) => i);
    const texts = ['', 'text', 'Grüße 💌\r\n\0', '\ufeffmarked', 'é'.repeat(70_000)];
    for (const message of [new Uint8Array(0), every, new TextEncoder().encode('text'), ...texts]) {
      const [got] = await storage.get(await storage.write(envelope({ message }), 10));
      equal(got.message, message, 'message');
    }
    const none = { sender: null, recipients: ['a@example.com'] };
    equal((await storage.get(await storage.write(none, 10)))[0], none, 'an envelope without a message');
  },

  async 'bytes that are part of a larger buffer, or shared, are copied alone'(place) {
    const storage = await place.storage();
    const message = new Uint8Array([9, 9, 1, 2, 3, 9]).subarray(2, 5);
    equal((await storage.get(await storage.write(envelope({ message }), 10)))[0].message, new Uint8Array([1, 2, 3]));
    if (typeof SharedArrayBuffer !== 'function') return; // pages have it only where they are isolated
    const shared = new Uint8Array(new SharedArrayBuffer(3));
    shared.set([4, 5, 6]);
    const written = storage.write(envelope({ message: shared, extra: { shared } }), 10);
    shared.fill(0);
    const [got] = await storage.get(await written);
    equal([got.message, got.extra], [new Uint8Array([4, 5, 6]), { shared: new Uint8Array([4, 5, 6]) }], 'shared bytes');
  },

  async 'a message of 25 megabytes comes back whole, and goes whole'(place) {
    const storage = await place.storage();
    const message = new Uint8Array(25 * MEGABYTE);
    for (let i = 0; i < message.length; i++) message[i] = (i * 31 + (i >>> 8) * 7 + (i >>> 16)) & 255;
    const id = await storage.write(envelope({ message }), 10);
    const other = await place.storage();
    equal((await other.get(id))[0], envelope({ message }), 'envelope');
    await other.setRecipientsDelivered(id, [0]);
    equal((await storage.get(id))[2], [1, 2], 'who is left');
    await other.remove(id);
    equal([await storage.getInfo(), await storage.check()],
      [{ size: 0, metaSize: 0 }, { orphanEnvelopes: [], orphanMeta: [], corrupt: [] }], 'what is left');
  },

  async 'messages of every size around a power of two come back whole'(place) {
    const storage = await place.storage();
    const sizes = [10, 12, 15, 16, 17, 18, 20, 21].flatMap((power) => [-1, 0, 1].map((more) => 2 ** power + more));
    await repeat(sizes.length, 4, async (i) => {
      const message = new Uint8Array(sizes[i]).fill(i + 1);
      message[sizes[i] - 1] = 255;
      const id = await storage.write(envelope({ message }), i);
      equal((await storage.get(id))[0].message, message, `a message of ${sizes[i]} bytes`);
      await storage.remove(id);
    });
    equal(await storage.getInfo(), { size: 0, metaSize: 0 }, 'getInfo');
  },

  async 'ten thousand recipients and a thousand headers come back, and are marked one by one'(place) {
    const storage = await place.storage();
    const recipients = Array.from({ length: 10_000 }, (_, i) => `recipient.${i}@example.com`);
    const headers = Array.from({ length: 1000 }, (_, i) => [`X-${i}`, `v${i}\r\n folded`]);
    const id = await storage.write(envelope({ recipients, headers }), 10);
    const even = recipients.map((_, i) => i).filter((i) => i % 2 === 0);
    await storage.setRecipientsDelivered(id, even);
    await storage.setRecipientsDelivered(id, [9999, 1]);
    const [got, , positions] = await (await place.storage()).get(id);
    const left = recipients.map((_, i) => i).filter((i) => i % 2 === 1 && i !== 9999 && i !== 1);
    equal(positions, left, 'positions');
    equal(got, envelope({ recipients: left.map((i) => recipients[i]), headers }), 'envelope');
  },

  async 'values a hundred levels deep come back'(place) {
    const storage = await place.storage();
    /** @type {unknown} */
    let deep = 'core';
    for (let i = 0; i < 99; i++) deep = i % 3 ? [deep] : i % 2 ? { deep } : new Map([['deep', deep]]);
    const id = await storage.write(envelope({ deep }), 10);
    equal((await storage.get(id))[0].deep, deep, 'deep');
  },

  async 'timestamps are any finite numbers, and Dates'(place) {
    const storage = await place.storage();
    const times = [0, -1, 0.5, 1.1, 1e-7, 1.7e12, 2 ** 53, 1e300, -1e300, 5e-324];
    for (const [i, time] of times.entries()) await storage.write(envelope(), time, { id: idOf(i) });
    await storage.setTimestamp(idOf(0), new Date(86_400_000));
    times[0] = 86_400_000;
    const wanted = times.map((time, i) => /** @type {[number, string]} */ ([time, idOf(i)]));
    const sorted = wanted.sort(([, one], [, other]) => (one < other ? -1 : 1));
    equal(await listed(await place.storage()), sorted, 'load');
  },
};
