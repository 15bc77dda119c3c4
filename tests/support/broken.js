/** Hosts that are broken on purpose, each in one way. All work on the store that they are given. */
import { isDeepStrictEqual } from 'node:util';
import { QueueError } from '../../pkg/load/inline.js';
import { MemoryHost } from './host.js';

const pause = () => Promise.resolve();
const turn = () => new Promise((resolve) => setTimeout(resolve, 1));
const withMeta = (writes, change) =>
  writes.map((write) => (write.dict === 'meta' && write.value ? { ...write, value: change(write.value) } : write));
const withEnvelope = (writes, change) =>
  writes.map((write) => (write.dict === 'envelope' && write.value ? { ...write, value: change(write.value) } : write));

/** A host whose versions are contents, compared as a test says, in one step unless told otherwise. */
class ComparingHost extends MemoryHost {
  #store;
  #same;

  constructor(store, same = isDeepStrictEqual) {
    super(store);
    this.#store = store;
    this.#same = same;
  }

  async read(dict, id) {
    const value = structuredClone(this.#store[dict].get(id));
    return value === undefined ? undefined : { value, version: value };
  }

  holds({ dict, id, version }) {
    const now = this.#store[dict].get(id);
    return version === null ? now === undefined : now !== undefined && this.#same(now, version);
  }

  write(writes) {
    const copies = structuredClone(writes);
    for (const each of copies) this.writeOne(each);
  }

  writeOne({ dict, id, value }) {
    if (value === undefined) this.#store[dict].delete(id);
    else this.#store[dict].set(id, value);
  }

  async commit({ checks, writes }) {
    if (!checks.every((check) => this.holds(check))) return false;
    this.write(writes);
    return true;
  }
}

/**
 * By what is wrong: the host, and the test of the suite that says so.
 *
 * @type {Record<string, [host: (store: any) => any, caught: string]>}
 */
export const BROKEN = {
  'does not say what it keeps': [(store) => new (class extends MemoryHost {
    supports = { atomic: true };
  })(store), 'supports says what the host keeps'],

  'does not look whether a record is absent': [(store) => new (class extends ComparingHost {
    holds = (check) => check.version === null || super.holds(check);
  })(store), 'of many who insert one record at once, one does'],

  'looks at the first check only': [(store) => new (class extends ComparingHost {
    commit = ({ checks, writes }) => super.commit({ checks: checks.slice(0, 1), writes });
  })(store), 'a batch whose check fails returns false and writes nothing'],

  'writes although a check fails, and says that it did not': [(store) => new (class extends ComparingHost {
    async commit({ checks, writes }) {
      const done = checks.every((check) => this.holds(check));
      this.write(writes);
      return done;
    }
  })(store), 'a batch whose check fails returns false and writes nothing'],

  'compares first and writes later': [(store) => new (class extends ComparingHost {
    async commit({ checks, writes }) {
      if (!checks.every((check) => this.holds(check))) return false;
      await pause();
      this.write(writes);
      return true;
    }
  })(store), 'of many who change one version at once, one does'],

  'compares timestamps alone': [(store) => new ComparingHost(store, (one, other) => one.timestamp === other.timestamp),
    'increments from two storages all count'],

  'takes any version for the present one': [(store) => new ComparingHost(store, () => true),
    'a version holds while other records change, and no longer than its own'],

  'writes the meta record before the envelope': [(store) => new (class extends ComparingHost {
    supports = { ...this.supports, atomic: false };

    async commit({ checks, writes }) {
      if (!checks.every((check) => this.holds(check))) return false;
      for (const each of [...writes].reverse()) {
        this.write([each]);
        await turn();
      }
      return true;
    }
  })(store), 'both records of a batch appear at once, or the envelope first'],

  'calls itself atomic and writes one record after the other': [(store) => new (class extends ComparingHost {
    async commit({ checks, writes }) {
      if (!checks.every((check) => this.holds(check))) return false;
      for (const each of writes) {
        this.write([each]);
        await turn();
      }
      return true;
    }
  })(store), 'both records of a batch appear at once, or the envelope first'],

  'writes half of what it cannot write whole': [(store) => new (class extends ComparingHost {
    write = (writes) => writes.forEach((each) => super.write([each]));
  })(store), 'a batch of which one value cannot be kept is not kept in part'],

  'lets one failed check fail what is committed beside it': [(store) => new (class extends ComparingHost {
    waiting = [];

    async commit(batch) {
      const group = this.waiting;
      group.push(batch);
      await pause();
      if (this.waiting === group) this.waiting = [];
      if (!group.every(({ checks }) => checks.every((check) => super.holds(check)))) return false;
      return super.commit(batch);
    }
  })(store), 'a hundred commits made at once are each answered, and a failed check among them touches no other'],

  'pages by numbers of entries': [(store) => new (class extends MemoryHost {
    async page(dict, cursor = 0, limit) {
      const all = [...store[dict]].slice(cursor, cursor + limit);
      const entries = all.map(([id, value]) => [id, structuredClone(value)]);
      return all.length < limit ? { entries } : { entries, next: cursor + limit };
    }
  })(store), 'every message that stays is listed exactly once while others come, go and change'],

  'shows the last entry of a page again': [(store) => new (class extends MemoryHost {
    async page(dict, cursor, limit) {
      const ids = [...store[dict].keys()].sort().filter((id) => cursor === undefined || id >= cursor);
      const entries = ids.slice(0, limit).map((id) => [id, structuredClone(store[dict].get(id))]);
      return ids.length <= limit || limit === 1 ? { entries } : { entries, next: ids[limit - 1] };
    }
  })(store), 'pages show every id once, at most as many at a time as asked'],

  'has only one page': [(store) => new (class extends MemoryHost {
    async page(dict, cursor, limit) {
      return { entries: [...store[dict]].slice(0, limit).map(([id, value]) => [id, structuredClone(value)]) };
    }
  })(store), 'three thousand messages are listed once each, counted, and found'],

  'gives more entries than asked for': [(store) => new (class extends MemoryHost {
    async page(dict) {
      return { entries: [...store[dict]].map(([id, value]) => [id, structuredClone(value)]) };
    }
  })(store), 'pages show every id once, at most as many at a time as asked'],

  'counts messages for envelopes': [(store) => new (class extends MemoryHost {
    async sizes() {
      return { size: store.meta.size, metaSize: store.meta.size };
    }
  })(store), 'sizes counts both dictionaries, each by itself'],

  'reads from a cache': [(store) => new (class extends ComparingHost {
    known = new Map();

    async read(dict, id) {
      const key = dict + id;
      if (!this.known.has(key)) this.known.set(key, await super.read(dict, id));
      return this.known.get(key);
    }

    async commit(batch) {
      for (const { dict, id } of batch.writes) this.known.delete(dict + id);
      return super.commit(batch);
    }
  })(store), 'a removed message is gone'],

  'acknowledges first and writes when it has time': [(store) => new (class extends ComparingHost {
    later = [];

    holds = () => true;

    write(writes) {
      this.later.push(writes);
      setTimeout(() => this.later.splice(0).forEach((each) => super.write(each)));
    }

    close = async () => void this.later.splice(0);
  })(store), 'what was acknowledged is there after the host was closed and opened again'],

  'drops half of what is under way when it is closed': [(store) => new (class extends ComparingHost {
    closed = false;

    async commit({ checks, writes }) {
      if (!checks.every((check) => this.holds(check))) return false;
      await pause();
      this.write(this.closed ? writes.slice(0, 1) : writes);
      return true;
    }

    async close() {
      this.closed = true;
    }
  })(store), 'commits that are under way when the host is closed are made whole or not at all'],

  'cannot be closed twice': [(store) => new (class extends MemoryHost {
    async close() {
      if (this.closed) throw new Error('closed already');
      this.closed = true;
    }
  })(store), 'closing twice is closing once'],

  'keeps JSON': [(store) => new (class extends ComparingHost {
    write = (writes) => super.write(withEnvelope(writes, ({ message, ...rest }) => {
      const text = JSON.stringify(rest, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
      return { ...JSON.parse(text), message };
    }));
  })(store), 'extra fields of every kind come back as they were'],

  'keeps text as bytes': [(store) => new (class extends ComparingHost {
    write = (writes) => super.write(withEnvelope(writes, (envelope) => (typeof envelope.message === 'string'
      ? { ...envelope, message: new TextEncoder().encode(envelope.message) } : envelope)));
  })(store), 'a message is bytes or text or nothing, empty ones too'],

  'loses the last byte of a long message': [(store) => new (class extends ComparingHost {
    write = (writes) => super.write(withEnvelope(writes, (envelope) => (envelope.message?.length > 2 ** 16
      ? { ...envelope, message: envelope.message.subarray(0, -1) } : envelope)));
  })(store), 'messages of every size around a power of two come back whole'],

  'cuts messages off at sixteen megabytes': [(store) => new (class extends ComparingHost {
    write = (writes) => super.write(withEnvelope(writes, (envelope) =>
      ({ ...envelope, message: envelope.message?.slice(0, 2 ** 24) })));
  })(store), 'a message of 25 megabytes comes back whole, and goes whole'],

  'marks only the first sixty-four recipients': [(store) => new (class extends ComparingHost {
    write = (writes) => super.write(withMeta(writes, (meta) =>
      ({ ...meta, deliveredIndexes: meta.deliveredIndexes?.filter((index) => index < 64) })));
  })(store), 'every field of a meta record comes back'],

  'rounds timestamps': [(store) => new (class extends ComparingHost {
    write = (writes) => super.write(withMeta(writes, (meta) => ({ ...meta, timestamp: Math.round(meta.timestamp) })));
  })(store), 'timestamps are any finite numbers, and Dates'],

  'does not keep its word about the largest record': [(store) => new (class extends MemoryHost {
    supports = { ...this.supports, maxRecord: 1000 };
  })(store), 'a record that is larger than maxRecord is too-large, and not kept'],

  'says nothing of what others change': [(store) => new (class extends MemoryHost {
    subscribe = () => () => {};
  })(store), 'what a host is told to forget about changes, it forgets; of the rest it tells'],

  'does not stop telling': [(store) => new (class extends MemoryHost {
    subscribe(notify) {
      super.subscribe(notify);
      return () => {};
    }
  })(store), 'what a host is told to forget about changes, it forgets; of the rest it tells'],

  'fails to delete what is not there': [(store) => new (class extends ComparingHost {
    writeOne(write) {
      const { dict, id, value } = write;
      if (value === undefined && !store[dict].has(id)) throw new QueueError('host', 'host: there is no such record');
      super.writeOne(write);
    }
  })(store), 'a write without a value deletes, and deleting what is not there is no error'],

  'leaves the envelope of a removed message': [(store) => new (class extends ComparingHost {
    write = (writes) => super.write(writes.filter(({ dict, value }) => dict === 'meta' || value !== undefined));
  })(store), 'a removed message is gone'],

  'takes what it cannot read for absent': [(store) => new (class extends ComparingHost {
    async read(dict, id) {
      const found = await super.read(dict, id);
      return dict === 'meta' && typeof found?.value.timestamp !== 'number' ? undefined : found;
    }
  })(store), 'a meta record that cannot be read is named, left, and replaced when it is asked for'],

  'reads a newer format as its own': [(store) => new (class extends ComparingHost {
    write = (writes) => super.write(withMeta(writes, ({ format, ...meta }) => meta));
  })(store), 'a record of a newer format is named and left as it is'],
};
