// What a page or a worker may not do: each line below is refused.
import * as all from 'slimta-queue-dict';
import { indexedDBHost } from 'slimta-queue-dict/indexeddb';
import { init } from 'slimta-queue-dict/slim';
// @ts-expect-error not for users
import * as inner from 'slimta-queue-dict/storage.js';
// @ts-expect-error not for users
import { instantiate } from 'slimta-queue-dict/wasm/glue.js';

// @ts-expect-error which database?
indexedDBHost();
// @ts-expect-error a name is a string
indexedDBHost(5);
// @ts-expect-error two ways to be durable
indexedDBHost('outbox', { durability: 'none' });
// @ts-expect-error no such option
indexedDBHost('outbox', { version: 2 });
// @ts-expect-error a compiled module
init();
// @ts-expect-error only the slim entry takes a module
all.init;
// @ts-expect-error no such export
all.indexedDBHost;

export { inner, instantiate };
