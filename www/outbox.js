import { AsyncDictStorage, Queue } from 'slimta-queue-dict';
import { indexedDBHost } from 'slimta-queue-dict/indexeddb';
import { addDateHeader, addMessageIdHeader } from 'slimta-queue-dict/policies';
import { httpRelay } from 'slimta-queue-dict/relays';

/** How long to wait for an answer, in milliseconds: one that is lost is not waited for. */
const TIMEOUT = 15_000;
/** How long to wait after so many attempts, in milliseconds, and when to give up: a demo is in a hurry. */
const backoff = (/** @type {unknown} */ _, /** @type {number} */ attempts) =>
  attempts < 12 ? Math.min(1_500 * 2 ** (attempts - 1), 60_000) : null;

/**
 * Everything that this page, its worker and its service worker send with. Each of them may have one of its own: no two
 * attempt a message at once.
 *
 * @param {{ fetch?: (url: string, init: RequestInit) => Promise<Response> }} [options] what posts messages
 */
export function openOutbox(options = {}) {
  const host = indexedDBHost('outbox');
  const mails = new AsyncDictStorage(host);
  const failed = new AsyncDictStorage(indexedDBHost('failed'));
  const notices = new AsyncDictStorage(indexedDBHost('notices'));
  const url = new URL('relay', location.href);

  const relay = httpRelay({ url, timeout: TIMEOUT, ...options });
  const queue = new Queue(mails, relay, {
    backoff, deadLetter: failed, bounceQueue: new Queue(notices),
  });
  queue.addPolicy(addDateHeader());
  queue.addPolicy(addMessageIdHeader());
  return { queue, host, mails, failed, notices };
}
