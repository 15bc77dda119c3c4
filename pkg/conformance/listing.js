/** @import { Place } from './place.js' */
import { equal, expect } from './expect.js';
import { envelope, idOf, listed, pause, repeat } from './mail.js';

const small = { sender: null, recipients: ['a@example.com'] };

/**
 * Listing what is there.
 *
 * @type {Record<string, (place: Place) => Promise<void>>}
 */
export const listing = {
  async 'three thousand messages are listed once each, counted, and found'(place) {
    const storage = await place.storage();
    await repeat(3_000, 500, (i) => storage.write(small, i, { id: idOf(i) }));
    const wanted = Array.from({ length: 3_000 }, (_, i) => /** @type {[number, string]} */ ([i, idOf(i)]));
    wanted.sort(([, one], [, other]) => (one < other ? -1 : 1));
    equal(await listed(storage), wanted, 'load');
    equal(await (await place.storage()).getInfo(), { size: 3_000, metaSize: 3_000 }, 'getInfo');
    for (const i of [0, 1499, 2999]) equal((await storage.get(idOf(i)))[0], small, `message ${i}`);
    await repeat(3_000, 500, (i) => (i % 100 ? storage.remove(idOf(i)) : storage.setTimestamp(idOf(i), i + 0.5)));
    const left = wanted.filter(([i]) => i % 100 === 0);
    equal(await listed(storage), left.map(([i, id]) => [i + 0.5, id]), 'load after most were removed');
  },

  async 'every message that stays is listed exactly once while others come, go and change'(place) {
    const [storage, other] = [await place.storage(), await place.storage()];
    const { exactlyOnceLoad } = (await place.host()).supports;
    const going = Array.from({ length: 500 }, (_, i) => idOf(10_000 + i));
    await repeat(500, 250, (i) => storage.write(small, i, { id: going[i] }));
    const staying = Array.from({ length: 2500 }, (_, i) => idOf(i));
    await repeat(2500, 250, (i) => storage.write(small, i, { id: staying[i] }));
    /** @type {Map<string, number>} */
    const seen = new Map();
    let number = 0;
    for await (const [, id] of other.load()) {
      seen.set(id, (seen.get(id) ?? 0) + 1);
      if (++number % 200 !== 0) continue;
      for (const id of going.splice(0, 20)) await storage.remove(id);
      await storage.write(small, 1, { id: idOf(20_000 + number) });
      await storage.incrementAttempts(staying[number % 2500]);
      await storage.setTimestamp(staying[(number * 7) % 2500], number);
    }
    for (const id of staying) {
      const times = seen.get(id) ?? 0;
      expect(times > 0, `load: the message ${id} is not listed`);
      if (exactlyOnceLoad) equal(times, 1, `how often ${id} is listed`);
    }
  },

  async 'a message is listed only while all of it is there'(place) {
    const [storage, other] = [await place.storage(), await place.storage()];
    let ended = false;
    const write = async () => {
      await repeat(300, 10, (i) => storage.write(envelope({ number: i }), i, { id: idOf(i) }));
      ended = true;
    };
    const read = async () => {
      do {
        for await (const [timestamp, id] of other.load()) {
          equal((await other.get(id))[0], envelope({ number: timestamp }), `the message ${id}`);
        }
        await pause();
      } while (!ended);
    };
    await Promise.all([write(), read()]);
    equal((await listed(other)).length, 300, 'how many are listed in the end');
  },

  async 'several lists at once, and some left early, do not disturb each other'(place) {
    const storage = await place.storage();
    await repeat(1200, 200, (i) => storage.write(small, i, { id: idOf(i) }));
    for await (const _ of storage.load()) break;
    const lists = await Promise.all(Array.from({ length: 4 }, () => listed(storage)));
    for (const list of lists) equal(list.length, 1200, 'how many are listed');
    await storage.remove(idOf(0));
    equal((await listed(storage)).length, 1199, 'how many are listed then');
  },
};
