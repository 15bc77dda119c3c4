// The queue that the page and its service worker share.
import { AsyncDictStorage, Queue } from 'slimta-queue-dict';
import { indexedDBHost } from 'slimta-queue-dict/indexeddb';
import { addDateHeader, addMessageIdHeader } from 'slimta-queue-dict/policies';
import { httpRelay } from 'slimta-queue-dict/relays';

export const host = indexedDBHost('outbox');
export const queue = new Queue(new AsyncDictStorage(host), httpRelay(new URL('/send', location.href)));
for (const policy of [addDateHeader(), addMessageIdHeader()]) queue.addPolicy(policy);
