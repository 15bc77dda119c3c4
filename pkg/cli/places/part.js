/** @import { DictHost, ListedMessage } from '../../types.js' */
import { AsyncDictStorage, DictStorage, Queue } from '../../load/inline.js';

/**
 * What a queue lists of one message.
 *
 * @param {DictHost} host
 * @param {string} id
 * @param {boolean} [isDead] whether it is a place of dead letters
 * @returns {Promise<ListedMessage | undefined>} nothing if it is not there, or cannot be read
 */
export async function listed(host, id, isDead = false) {
  const storage = new AsyncDictStorage(partOf(host, id));
  const queue = isDead ? new Queue(new DictStorage(), null, { deadLetter: storage }) : new Queue(storage);
  for await (const message of queue.list()) {
    // What goes while it is looked at has a state that it never had.
    return (await host.read('meta', id)) === undefined ? undefined : message;
  }
  return undefined;
}

/**
 * A host as if it had one message alone: what becomes of that is the queue's to say.
 *
 * @param {DictHost} host
 * @param {string} id
 * @returns {DictHost}
 */
function partOf(host, id) {
  return {
    supports: host.supports,
    read: (dict, id) => host.read(dict, id),
    commit: (batch) => host.commit(batch),
    sizes: () => host.sizes(),
    async page(dict) {
      const record = await host.read(dict, id);
      if (record === undefined) return { entries: [] };
      return { entries: [dict === 'meta' ? [id, record.value] : [id]] };
    },
  };
}
