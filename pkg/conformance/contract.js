/** @import { DictHost, DictName, Meta } from '../types.js' */
/** @import { Place } from './place.js' */
import { equal, expect, outcome, rejects } from './expect.js';
import { envelope, idOf, meta, newMessage, newMeta, removal, repeat } from './mail.js';

const DICTS = /** @type {DictName[]} */ (['envelope', 'meta']);

/**
 * What a host promises to whoever calls it, be it a storage or not.
 *
 * @type {Record<string, (place: Place) => Promise<void>>}
 */
export const contract = {
  async 'supports says what the host keeps'(place) {
    const { atomic, writers, exactlyOnceLoad, durable, maxRecord } = (await place.host()).supports;
    equal([typeof atomic, typeof exactlyOnceLoad], ['boolean', 'boolean'], 'the types of atomic and exactlyOnceLoad');
    expect(['one', 'many'].includes(writers), `writers: expected 'one' or 'many', got ${writers}`);
    expect(['none', 'os', 'disk'].includes(durable), `durable: expected 'none', 'os' or 'disk', got ${durable}`);
    const whole = maxRecord === undefined || Number.isSafeInteger(maxRecord) && maxRecord > 0;
    expect(whole, `maxRecord: expected a number of bytes or nothing, got ${maxRecord}`);
  },

  async 'an empty host has no records, no entries and no size'(place) {
    const host = await place.host();
    for (const dict of DICTS) {
      equal(await host.read(dict, idOf(1)), undefined, dict);
      equal(await entries(host, dict), [], `the pages of ${dict}`);
    }
    equal(await host.sizes(), { size: 0, metaSize: 0 }, 'sizes');
  },

  async 'what a batch writes is read back, and nothing else'(place) {
    const host = await place.host();
    equal(await host.commit(newMessage(idOf(1), 5)), true, 'commit');
    await sameMessage(host, idOf(1), 5);
    for (const dict of DICTS) equal(await host.read(dict, idOf(2)), undefined, dict);
    equal(await host.commit({ checks: [], writes: [{ dict: 'meta', id: idOf(2), value: meta(7) }] }), true, 'commit');
    equal(await host.read('envelope', idOf(2)), undefined, 'envelope');
    equal(fields(await host.read('meta', idOf(2))), meta(7), 'meta');
    equal(await host.sizes(), { size: 1, metaSize: 2 }, 'sizes');
  },

  async 'every field of a meta record comes back'(place) {
    const host = await place.host();
    const records = [
      meta(0), meta(-1.5, { attempts: 2 ** 32 - 1 }), meta(1e300), meta(1.7e12, { deliveredIndexes: [0] }),
      meta(5, { deliveredIndexes: [0, 7, 8, 63, 64, 99_999] }), meta(5, { lease: { until: 9.5, owner: '' } }),
      meta(5, { attempts: 3, deliveredIndexes: [2], lease: { until: 1e15, owner: 'wörker 💌 "1"' } }),
    ];
    for (const [i, record] of records.entries()) {
      await host.commit({ checks: [], writes: [{ dict: 'meta', id: idOf(i), value: record }] });
      equal(fields(await host.read('meta', idOf(i))), record, `record ${i}`);
    }
    const paged = await entries(host, 'meta');
    for (const [i, record] of records.entries()) {
      const [, value] = paged.find(([id]) => id === idOf(i)) ?? [];
      equal(fields({ value }), record, `entry ${i}`);
    }
  },

  async 'a batch whose check fails returns false and writes nothing'(place) {
    const host = await place.host();
    await host.commit(newMessage(idOf(1), 5));
    const old = await versionOf(host, idOf(1));
    equal(await host.commit(newMeta(idOf(1), old, meta(6))), true, 'a good check');
    const now = await versionOf(host, idOf(1));
    await host.commit({ checks: [], writes: [{ dict: 'envelope', id: idOf(2), value: envelope() }] });
    /** @type {[string, string, { dict: DictName, version: unknown }[]][]} */
    const wrong = [
      ['an envelope that is there', idOf(1), [{ dict: 'envelope', version: null }]],
      ['a meta record that is there', idOf(1), [{ dict: 'meta', version: null }]],
      ['an old version', idOf(1), [{ dict: 'meta', version: old }]],
      ['a version of what is not there', idOf(2), [{ dict: 'meta', version: now }]],
      ['the second of two checks', idOf(1), [{ dict: 'meta', version: now }, { dict: 'envelope', version: null }]],
      ['the first of two checks', idOf(1), [{ dict: 'envelope', version: null }, { dict: 'meta', version: now }]],
      ['one of two absences', idOf(2), [{ dict: 'meta', version: null }, { dict: 'envelope', version: null }]],
    ];
    for (const [what, id, checks] of wrong) {
      const all = checks.map((check) => ({ ...check, id }));
      const writes = DICTS.map((dict) => ({ dict, id, value: dict === 'meta' ? meta(9) : envelope({ number: 9 }) }));
      equal(await host.commit({ checks: all, writes }), false, what);
      equal(await host.commit({ checks: all, writes: removal(id).writes }), false, `${what}, deleting`);
      equal(await host.commit({ checks: all, writes: writes.slice(1) }), false, `${what}, one write`);
    }
    equal(fields(await host.read('meta', idOf(1))), meta(6), 'meta');
    equal(numberOf(await host.read('envelope', idOf(1))), 5, 'the envelope');
    equal(await host.read('meta', idOf(2)), undefined, 'the meta record that was not written');
    equal(await host.sizes(), { size: 2, metaSize: 1 }, 'sizes');
  },

  async 'a batch whose checks hold is written whole'(place) {
    const host = await place.host();
    await host.commit(newMessage(idOf(1), 5));
    const checks = [{ dict: /** @type {const} */ ('meta'), id: idOf(1), version: await versionOf(host, idOf(1)) }];
    equal(await host.commit({ checks, writes: removal(idOf(1)).writes }), true, 'a checked removal');
    equal(await host.sizes(), { size: 0, metaSize: 0 }, 'sizes');
    const absent = DICTS.map((dict) => ({ dict, id: idOf(1), version: null }));
    equal(await host.commit({ ...newMessage(idOf(1), 6), checks: absent }), true, 'two absences');
    await sameMessage(host, idOf(1), 6);
  },

  async 'a version holds while other records change, and no longer than its own'(place) {
    const host = await place.host();
    await host.commit(newMessage(idOf(1), 5));
    const version = await versionOf(host, idOf(1));
    await host.commit(newMessage(idOf(2), 5));
    await host.commit({ checks: [], writes: [{ dict: 'envelope', id: idOf(1), value: envelope({ number: 8 }) }] });
    equal(await host.commit(newMeta(idOf(1), version, meta(6))), true, 'the version of an unchanged record');
    equal(await host.commit(newMeta(idOf(1), version, meta(7))), false, 'the version of a changed record');
  },

  async 'a host whose versions are contents takes what was written as a version'(place) {
    const host = await place.host();
    await host.commit(newMessage(idOf(1), 5));
    const read = await host.read('meta', idOf(1));
    if (!read || read.version !== read.value) return;
    const lease = { until: 7, owner: 'me' };
    const written = [
      meta(5), meta(6, { deliveredIndexes: [0, 2, 17] }), meta(6, { deliveredIndexes: [0, 2, 17], lease }),
      meta(0.1, { attempts: 4, lease }), meta(-0.5), meta(5),
    ];
    for (let i = 1; i < written.length; i++) {
      const version = structuredClone(written[i - 1]);
      equal(await host.commit(newMeta(idOf(1), { ...version, timestamp: 99 }, meta(1))), false, `a wrong version ${i}`);
      equal(await host.commit(newMeta(idOf(1), version, written[i])), true, `version ${i}`);
    }
  },

  async 'a write without a value deletes, and deleting what is not there is no error'(place) {
    const host = await place.host();
    await host.commit(newMessage(idOf(1), 5));
    equal(await host.commit(removal(idOf(1), ['meta'])), true, 'commit');
    equal(await host.read('meta', idOf(1)), undefined, 'meta');
    equal(numberOf(await host.read('envelope', idOf(1))), 5, 'the envelope');
    equal(await host.commit(removal(idOf(1))), true, 'commit');
    equal(await host.commit(removal(idOf(1))), true, 'commit of nothing');
    for (const dict of DICTS) equal(await host.read(dict, idOf(1)), undefined, dict);
    equal(await host.sizes(), { size: 0, metaSize: 0 }, 'sizes');
  },

  async 'pages show every id once, at most as many at a time as asked'(place) {
    const host = await place.host();
    const ids = Array.from({ length: 60 }, (_, i) => idOf(i));
    await repeat(ids.length, 20, async (i) => host.commit(newMessage(ids[i], i)));
    await host.commit(removal(ids[7], ['meta']));
    await host.commit(removal(ids[8], ['envelope']));
    for (const limit of [1, 7, 59, 60, 1000]) {
      for (const dict of DICTS) {
        const all = await entries(host, dict, limit);
        const wanted = ids.filter((_, i) => i !== (dict === 'meta' ? 7 : 8)).sort();
        equal(all.map(([id]) => id).sort(), wanted, `${dict} by ${limit}`);
        if (dict === 'envelope') continue;
        for (const [id, value] of all) equal(fields({ value }), meta(ids.indexOf(id)), `the meta record of ${id}`);
      }
    }
  },

  async 'sizes counts both dictionaries, each by itself'(place) {
    const host = await place.host();
    for (let i = 0; i < 20; i++) await host.commit(newMessage(idOf(i), i));
    for (let i = 0; i < 5; i++) await host.commit(removal(idOf(i), ['meta']));
    await host.commit(removal(idOf(19), ['envelope']));
    await host.commit(newMessage(idOf(18), 99));
    equal(await (await place.host()).sizes(), { size: 19, metaSize: 15 }, 'sizes');
  },

  async 'a batch of which one value cannot be kept is not kept in part'(place) {
    const host = await place.host();
    await host.commit(newMessage(idOf(1), 5));
    const broken = Object.defineProperty(envelope(), 'broken', {
      enumerable: true, get() { throw new Error('this value cannot be read'); },
    });
    for (const id of [idOf(1), idOf(2)]) {
      const writes = [
        { dict: /** @type {const} */ ('meta'), id, value: meta(9) },
        { dict: /** @type {const} */ ('envelope'), id, value: broken },
      ];
      const { done } = await outcome((async () => host.commit({ checks: [], writes }))());
      if (!done && host.supports.atomic) {
        equal(fields(await host.read('meta', id)), id === idOf(1) ? meta(5) : undefined, `the meta record of ${id}`);
      }
    }
    equal(await host.commit(newMessage(idOf(3), 5)), true, 'the next commit');
    await sameMessage(host, idOf(3), 5);
  },

  async 'a record that is larger than maxRecord is too-large, and not kept'(place) {
    const host = await place.host();
    const { maxRecord } = host.supports;
    if (maxRecord === undefined) return;
    const batch = newMessage(idOf(1), 5);
    batch.writes[0].value = envelope({ message: new Uint8Array(maxRecord + 1) });
    await rejects((async () => host.commit(batch))(), 'QueueError', 'too-large');
    equal(await host.sizes(), { size: 0, metaSize: 0 }, 'sizes');
  },

  async 'what a host is told to forget about changes, it forgets; of the rest it tells'(place) {
    const [host, other] = [await place.host(), await place.host()];
    if (!host.subscribe) return;
    /** @type {(string | undefined)[]} */
    const unwanted = [];
    /** @type {Set<string | undefined>} */
    const heard = new Set();
    const forget = host.subscribe((id) => unwanted.push(id));
    forget();
    const forgetLater = host.subscribe((id) => heard.add(id));
    // A subscription may take its time to begin.
    for (let i = 0; !heard.has(idOf(1)); i++) {
      expect(i < 1000, 'subscribe: nothing is heard of what another host changes');
      await other.commit(newMessage(idOf(1), i));
      await other.commit(removal(idOf(1)));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    forgetLater();
    equal(unwanted, [], 'what was heard after the subscription had ended');
  },

  async 'closing twice is closing once'(place) {
    const host = await place.host();
    await host.commit(newMessage(idOf(1), 5));
    await host.close?.();
    await host.close?.();
    await sameMessage(await place.host(), idOf(1), 5);
  },
};

/**
 * All entries of a dictionary, a page at a time.
 *
 * @param {DictHost} host
 * @param {DictName} dict
 * @param {number} [limit]
 */
export async function entries(host, dict, limit = 1000) {
  /** @type {[id: string, value?: unknown][]} */
  const all = [];
  let cursor;
  do {
    const page = await host.page(dict, cursor, limit);
    expect(page.entries.length <= limit, `page: ${page.entries.length} entries instead of at most ${limit}`);
    all.push(...page.entries);
    cursor = page.next;
  } while (cursor !== undefined);
  return all;
}

/**
 * What a meta record says, whatever else a host keeps in it.
 *
 * @param {{ value: any } | undefined} read
 */
export function fields(read) {
  if (!read?.value) return undefined;
  const { timestamp, attempts, deliveredIndexes, lease } = read.value;
  return /** @type {Meta} */ ({ timestamp, attempts, deliveredIndexes, lease });
}

/** @param {{ value: any } | undefined} read */
export function numberOf(read) {
  return read?.value?.number;
}

/**
 * @param {DictHost} host
 * @param {string} id
 */
export async function versionOf(host, id) {
  return (await host.read('meta', id))?.version;
}

/**
 * @param {DictHost} host
 * @param {string} id
 * @param {number} number
 */
export async function sameMessage(host, id, number) {
  equal((await host.read('envelope', id))?.value, envelope({ number }), `the envelope of ${id}`);
  equal(fields(await host.read('meta', id)), meta(number), `the meta record of ${id}`);
}
