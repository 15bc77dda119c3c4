// What a strict program may do with the package: all of it compiles.
import { AsyncDictStorage, DictStorage, KeyError, QueueError, formatMessage, parseMessage } from 'slimta-queue-dict';
import { conformance } from 'slimta-queue-dict/conformance';
import {
  addDateHeader, addMessageIdHeader, addReceivedHeader, splitByDomain, splitByRecipient,
} from 'slimta-queue-dict/policies';
import type {
  AsyncDict, DictHost, DictName, Envelope, Meta, Policy, QueueErrorCode, SyncDict, Version,
} from 'slimta-queue-dict';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
declare function holds<_Claim extends true>(): void;

const envelope: Envelope = {
  sender: null,
  recipients: ['a@example.com'],
  headers: [['Subject', 'Hello'], ['X-Folded', 'one\r\n two']],
  message: new Uint8Array([1, 2, 3]),
  client: { ip: '::1', host: 'example.com', name: 'example', protocol: 'ESMTP', auth: 'somebody' },
  receiver: null,
  timestamp: 1.5,
  tags: new Map([['a', new Set([1n])]]),
};
const small: Envelope = { sender: '', recipients: [], message: 'text' };
const extra: unknown = envelope['tags'];

const meta: Meta = { timestamp: 0, attempts: 1, deliveredIndexes: [0], lease: { until: 5, owner: 'me' } };
const lease: { until: number; owner: string } | undefined = meta.lease;

// ---- the synchronous storage ----

new DictStorage();
new DictStorage(null, null);
new DictStorage(undefined, new Map());
const envelopes = new Map<string, Envelope>();
const storage = new DictStorage(envelopes, new Map<string, Meta>());

class Least<V> implements SyncDict<V> {
  #map = new Map<string, V>();
  get size() { return this.#map.size; }
  get(key: string): V | null { return this.#map.get(key) ?? null; }
  has(key: string) { return this.#map.has(key); }
  set(key: string, value: V) { this.#map.set(key, value); }
  delete(key: string) { this.#map.delete(key); }
  keys(): string[] { return [...this.#map.keys()]; }
}
new DictStorage(new Least<Envelope>(), new Least<Meta>());
new AsyncDictStorage(new Least<Envelope>(), new Map<string, Meta>());

storage.write(small, Date.now());
storage.write(envelope, new Date(), { id: '0123456789abcdef0123456789abcdef' });
storage.write(envelope, 0, {});
storage.write({ sender: 'a@example.com', recipients: ['b@example.com'], anything: { goes: [true] } }, 0);
storage.setTimestamp('id', new Date());
storage.setRecipientsDelivered('id', [0, 1]);
storage.setRecipientsDelivered('id', new Set([0]));
storage.setRecipientsDelivered('id', new Uint32Array(3));
storage.setRecipientsDelivered('id', envelopes.size > 1 ? [] : (function* () { yield 0; })());
storage.change('id', null, { timestamp: 1, attempts: 2, lease: null, delivered: new Set([1]) });
storage.change('id', { timestamp: 1, attempts: 2, lease: { until: 1, owner: 'me' } }, {});
storage.repair({ minAge: 0, requeue: new Set(['id']) });
const attemptsInDict: number | undefined = storage.metaDb.get('id')?.attempts;
const sender: string | null | undefined = storage.envelopeDb.get('id')?.sender;

holds<Same<ReturnType<DictStorage['write']>, string>>();
holds<Same<ReturnType<DictStorage['setTimestamp']>, void>>();
holds<Same<ReturnType<DictStorage['incrementAttempts']>, number>>();
holds<Same<ReturnType<DictStorage['setRecipientsDelivered']>, void>>();
holds<Same<ReturnType<DictStorage['load']>, IterableIterator<[timestamp: number, id: string]>>>();
holds<Same<ReturnType<DictStorage['get']>, [envelope: Envelope, attempts: number, rcptIndexes: number[]]>>();
holds<Same<ReturnType<DictStorage['remove']>, void>>();
holds<ReturnType<DictStorage['getInfo']> extends { size: number; metaSize: number } ? true : false>();
holds<Same<ReturnType<DictStorage['change']>, boolean>>();
type Found = Record<'orphanEnvelopes' | 'orphanMeta' | 'corrupt', string[]>;
holds<ReturnType<DictStorage['check']> extends Found ? true : false>();
holds<Same<ReturnType<DictStorage['repair']>, ReturnType<DictStorage['check']>>>();
holds<Same<DictStorage['envelopeDb'], SyncDict<Envelope>>>();
holds<Same<DictStorage['metaDb'], SyncDict<Meta>>>();

for (const [timestamp, id] of storage.load()) {
  const due: number = timestamp;
  const [{ recipients, headers, message, client }, attempts, positions] = storage.get(id);
  const first: string | undefined = recipients[0];
  const original: number | undefined = positions[0];
  const name: string | undefined = headers?.[0]?.[0];
  const body: Uint8Array | string | undefined = message;
  const ip: string | undefined = client?.ip;
  console_(due, attempts, first, original, name, body, ip);
}

// ---- the asynchronous storage ----

class Host implements DictHost {
  readonly supports = {
    atomic: true, writers: 'many', exactlyOnceLoad: true, durable: 'disk', maxRecord: 1e6,
  } as const;
  async read(dict: DictName, id: string) { return dict === 'meta' ? { value: id, version: 1 as Version } : undefined; }
  commit({ checks, writes }: Parameters<DictHost['commit']>[0]) {
    return checks.every(({ version }) => version === null) && writes.every(({ dict }) => dict === 'meta');
  }
  page(_dict: DictName, cursor: unknown, limit: number) {
    const entries: [string, unknown?][] = [['id'], ['other', { attempts: limit }]];
    return Promise.resolve(cursor === undefined ? { entries, next: 1 } : { entries });
  }
  sizes() { return { size: 1, metaSize: 1 }; }
  subscribe(notify: (id: string) => void) { notify('id'); return () => {}; }
  close() {}
}
new AsyncDictStorage(new Host());
new AsyncDictStorage(new Host(), { deadline: 5, poll: 10 });
new AsyncDictStorage();
new AsyncDictStorage(null, null, { poll: 1 });
new AsyncDictStorage(new Map(), new Map(), { deadline: 1 });

declare const remote: AsyncDict<Envelope>;
const slow: AsyncDict<Meta> = {
  get: async () => null,
  set: async () => 'whatever',
  delete: () => Promise.resolve(false),
  async *keys() { yield 'id'; },
  get size() { return Promise.resolve(1); },
};
const later = new AsyncDictStorage(remote, slow);

holds<Same<ReturnType<AsyncDictStorage['write']>, Promise<string>>>();
holds<Same<ReturnType<AsyncDictStorage['setTimestamp']>, Promise<void>>>();
holds<Same<ReturnType<AsyncDictStorage['incrementAttempts']>, Promise<number>>>();
holds<Same<ReturnType<AsyncDictStorage['setRecipientsDelivered']>, Promise<void>>>();
holds<Same<ReturnType<AsyncDictStorage['load']>, AsyncIterableIterator<[timestamp: number, id: string]>>>();
holds<Same<ReturnType<AsyncDictStorage['wait']>, AsyncIterableIterator<[timestamp: number, id: string]>>>();
holds<Same<Awaited<ReturnType<AsyncDictStorage['get']>>, ReturnType<DictStorage['get']>>>();
holds<Same<ReturnType<AsyncDictStorage['remove']>, Promise<void>>>();
holds<Same<ReturnType<AsyncDictStorage['getInfo']>, Promise<ReturnType<DictStorage['getInfo']>>>>();
holds<Same<ReturnType<AsyncDictStorage['change']>, Promise<boolean>>>();
holds<Same<ReturnType<AsyncDictStorage['check']>, Promise<ReturnType<DictStorage['check']>>>>();
holds<Same<ReturnType<AsyncDictStorage['repair']>, Promise<ReturnType<DictStorage['repair']>>>>();
holds<Same<ReturnType<AsyncDictStorage['close']>, Promise<void>>>();
type Methods = Exclude<keyof DictStorage, 'envelopeDb' | 'metaDb' | 'load'>;
holds<Same<{ [M in Methods]: Parameters<DictStorage[M]> }, { [M in Methods]: Parameters<AsyncDictStorage[M]> }>>();

export async function use(): Promise<number> {
  const id: string = await later.write(envelope, new Date(), { id: '0123456789abcdef0123456789abcdef' });
  for await (const [timestamp, listed] of later.load()) await later.setTimestamp(listed, timestamp + 1);
  for await (const [timestamp] of later.wait()) return timestamp;
  const [{ recipients }, attempts] = await later.get(id);
  return recipients.length + attempts;
}

// ---- messages and policies ----

const parsed = parseMessage(new Uint8Array());
holds<Same<typeof parsed.headers, [name: string, value: string][]>>();
export const bytes: Uint8Array = formatMessage(parsed);
export const whole: Envelope = { sender: null, recipients: ['a@example.com'], ...parseMessage('A: 1') };
export const policies: Policy[] = [
  addDateHeader(), addMessageIdHeader(), addReceivedHeader(), splitByDomain(), splitByRecipient(),
];

// ---- errors ----

export function explain(error: unknown): string {
  if (error instanceof KeyError) {
    const id: string = error.id;
    const wider: QueueError = error;
    return id + wider.code;
  }
  if (error instanceof QueueError) {
    const id: string | undefined = error.id;
    const { code, cause, message, stack } = error;
    return explain(cause) + code + message + (id ?? '') + (stack ?? '');
  }
  return String(error);
}
holds<Same<QueueError['code'], QueueErrorCode>>();
holds<Same<KeyError['id'], string>>();

// ---- a host of one's own ----

declare const ownHost: (place?: string) => DictHost;
const tests: [string, () => Promise<void>][] = [];
conformance({ test: (name, run) => tests.push([name, run]), open: () => ownHost(), reopen: async () => ownHost('a') });

declare function console_(...all: unknown[]): void;
console_(extra, lease, attemptsInDict, sender, use);
