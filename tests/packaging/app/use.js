import { AsyncDictStorage, DictStorage, KeyError, Queue, QueueError } from 'slimta-queue-dict';
import { indexedDBHost } from 'slimta-queue-dict/indexeddb';
import { exercise } from './exercise.js';

/**
 * What everybody does in a browser: tries everything in memory, and leaves one message in the outbox of the site.
 *
 * @param {string} where
 */
export async function use(where) {
  const found = await exercise({ AsyncDictStorage, DictStorage, KeyError, Queue, QueueError });
  const outbox = new AsyncDictStorage(indexedDBHost('outbox'));
  const id = await outbox.write({ sender: where, recipients: ['a@example.com', 'b@example.com'] }, new Date());
  await outbox.setRecipientsDelivered(id, [0]);
  await outbox.close();
  return found;
}

/** Who left a message in the outbox of the site, and to whom it has still to go. */
export async function queued() {
  const outbox = new AsyncDictStorage(indexedDBHost('outbox'));
  const found = [];
  for await (const [, id] of outbox.load()) {
    const [{ sender, recipients }] = await outbox.get(id);
    found.push(`${sender}: ${recipients}`);
  }
  await outbox.close();
  return found.sort();
}
