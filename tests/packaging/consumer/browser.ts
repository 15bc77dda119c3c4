// What a page or a worker may do besides.
import { AsyncDictStorage } from 'slimta-queue-dict';
import type { DictHost } from 'slimta-queue-dict';
import { indexedDBHost } from 'slimta-queue-dict/indexeddb';
import compiled from 'slimta-queue-dict/module.wasm';
import { DictStorage, KeyError, init } from 'slimta-queue-dict/slim';
import type { Envelope } from 'slimta-queue-dict/slim';

const host: DictHost = indexedDBHost('outbox');
new AsyncDictStorage(indexedDBHost('outbox', { durability: 'relaxed' }), { deadline: 1_000 });
new AsyncDictStorage(indexedDBHost('outbox', { durability: 'strict', indexedDB, IDBKeyRange }));
new AsyncDictStorage(indexedDBHost('outbox', {}));

const made: WebAssembly.Module = compiled;
const nothing: void = init(made);
const envelope: Envelope = { sender: null, recipients: [] };
export const id: string = new DictStorage().write(envelope, 0);
export const isKeyError = (error: unknown): error is KeyError => error instanceof KeyError;
export { host, nothing };
