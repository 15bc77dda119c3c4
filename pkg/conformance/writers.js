/** @import { Place } from './place.js' */
import { entries, fields, numberOf, sameMessage, versionOf } from './contract.js';
import { equal, expect } from './expect.js';
import { envelope, idOf, listed, meta, newMessage, newMeta, pause, repeat } from './mail.js';

/**
 * Many calls at once, from two hosts on one place.
 *
 * @type {Record<string, (place: Place) => Promise<void>>}
 */
export const writers = {
  async 'of many who insert one record at once, one does'(place) {
    const hosts = [await place.host(), await place.host()];
    for (let id = 0; id < 5; id++) {
      const done = await Promise.all(Array.from({ length: 20 }, async (_, i) =>
        hosts[i % 2].commit(newMessage(idOf(id), i))));
      equal(done.filter(Boolean).length, 1, 'how many inserted it');
      await sameMessage(hosts[0], idOf(id), done.indexOf(true));
    }
  },

  async 'of many who change one version at once, one does'(place) {
    const hosts = [await place.host(), await place.host()];
    await hosts[0].commit(newMessage(idOf(1), 0));
    for (let round = 1; round <= 20; round++) {
      const versions = await Promise.all(hosts.map((host) => versionOf(host, idOf(1))));
      const done = await Promise.all(Array.from({ length: 10 }, async (_, i) =>
        hosts[i % 2].commit(newMeta(idOf(1), versions[i % 2], meta(round * 100 + i)))));
      equal(done.filter(Boolean).length, 1, `how many changed it in round ${round}`);
      equal(fields(await hosts[1].read('meta', idOf(1))), meta(round * 100 + done.indexOf(true)), 'the record');
    }
  },

  async 'a hundred commits made at once are each answered, and a failed check among them touches no other'(place) {
    const host = await place.host();
    await repeat(20, 20, async (i) => host.commit(newMessage(idOf(i), i)));
    const commits = Array.from({ length: 100 }, async (_, i) => host.commit(newMessage(idOf(i), i + 500)));
    const done = await Promise.all(commits);
    equal(done, done.map((_, i) => i >= 20), 'which were committed');
    for (let i = 0; i < 100; i++) await sameMessage(host, idOf(i), i < 20 ? i : i + 500);
    equal(await host.sizes(), { size: 100, metaSize: 100 }, 'sizes');
  },

  async 'both records of a batch appear at once, or the envelope first'(place) {
    const [host, other] = [await place.host(), await place.host()];
    const { atomic } = host.supports;
    let ended = false;
    const both = (/** @type {number} */ number) => newMessage(idOf(1), number).writes;
    await host.commit({ checks: [], writes: both(0) });
    const write = async () => {
      for (let i = 1; i <= 150; i++) await host.commit({ checks: [], writes: both(i) });
      ended = true;
    };
    const read = async () => {
      do {
        const record = fields(await other.read('meta', idOf(1)));
        const number = numberOf(await other.read('envelope', idOf(1)));
        expect(number >= (record?.timestamp ?? 0), 'a meta record was there before the envelope of its batch');
        const later = fields(await other.read('meta', idOf(1)));
        const whole = !atomic || (later?.timestamp ?? -1) >= number;
        expect(whole, 'an envelope was there before the meta record of its batch');
        await pause();
      } while (!ended);
    };
    await Promise.all([write(), read(), read()]);
  },

  async 'increments from two storages all count'(place) {
    const storages = [await place.storage(), await place.storage()];
    await storages[0].write(envelope(), 10, { id: idOf(1) });
    /** @type {number[]} */
    const counts = [];
    await repeat(400, 40, async (i) => counts.push(await storages[i % 2].incrementAttempts(idOf(1))));
    equal(counts.sort((a, b) => a - b), counts.map((_, i) => i + 1), 'the counts');
    for (const storage of storages) equal((await storage.get(idOf(1)))[1], 400, 'attempts');
  },

  async 'changes of different things in one message from two storages all take effect'(place) {
    const [one, two] = [await place.storage(), await place.storage()];
    const recipients = Array.from({ length: 60 }, (_, i) => `r${i}@example.com`);
    await one.write(envelope({ recipients }), 10, { id: idOf(1) });
    await Promise.all([
      repeat(30, 10, (i) => one.setRecipientsDelivered(idOf(1), [i * 2])),
      repeat(29, 10, (i) => two.setRecipientsDelivered(idOf(1), [i * 2 + 1])),
      repeat(20, 10, (i) => (i % 2 ? one : two).incrementAttempts(idOf(1))),
      one.change(idOf(1), null, { lease: { until: 9, owner: 'me' } }), two.setTimestamp(idOf(1), 77),
    ]);
    equal((await one.get(idOf(1))).slice(1), [20, [59]], 'attempts and who is left');
    equal(await listed(two), [[77, idOf(1)]], 'load');
    equal(await two.change(idOf(1), { lease: { until: 9, owner: 'me' } }, { lease: null }), true, 'the lease');
  },

  async 'of many who claim a message, one gets it'(place) {
    const storages = [await place.storage(), await place.storage()];
    for (let round = 0; round < 10; round++) {
      const id = await storages[0].write(envelope(), 10);
      const claims = await Promise.all(Array.from({ length: 8 }, (_, i) =>
        storages[i % 2].change(id, { lease: null }, { lease: { until: 100, owner: `worker ${i}` } })));
      equal(claims.filter(Boolean).length, 1, 'how many got it');
      const lease = { until: 100, owner: `worker ${claims.indexOf(true)}` };
      equal(await storages[1].change(id, { lease }, { lease: null }), true, 'whose it is');
    }
  },

  async 'one id written by two storages is one message, of either'(place) {
    const [one, two] = [await place.storage(), await place.storage()];
    await repeat(20, 5, async (i) => {
      const id = idOf(i);
      await Promise.all([
        one.write(envelope({ number: 1 }), 1, { id }), two.write(envelope({ number: 2 }), 2, { id }),
      ]);
      const [{ number }] = await one.get(id);
      equal((await two.get(id))[0], envelope({ number }), 'the message');
    });
    const list = await listed(one);
    equal(list.length, 20, 'how many are listed');
    for (const [timestamp, id] of list) equal((await one.get(id))[0].number, timestamp, 'timestamp and message');
  },

  async 'a message that is removed while others change it does not come back'(place) {
    const [one, two] = [await place.storage(), await place.storage()];
    await repeat(20, 5, async (i) => {
      const id = await one.write(envelope(), i);
      const changes = Array.from({ length: 6 }, (_, n) =>
        (n % 2 ? one : two).incrementAttempts(id).catch((error) => equal(error.name, 'KeyError', 'the error')));
      await Promise.all([...changes, two.remove(id)]);
    });
    equal(await one.getInfo(), { size: 0, metaSize: 0 }, 'getInfo');
    equal(await entries(await place.host(), 'meta'), [], 'pages');
  },
};
