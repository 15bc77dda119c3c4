/** A database that is there for a moment only. */
const NAME = 'slimta-queue-dict: begins a log';

/**
 * Has Chromium begin a new log, so that what is written from now on can be read again.
 *
 * Its LevelDB goes on with the log of the last run. If that run ended in the middle of a record, everything after this
 * record is taken for damage when the browser starts the next time, and the databases of the whole site are deleted.
 * When one is deleted on request, it writes out what the log says and begins another log.
 *
 * @param {IDBFactory} indexedDB
 * @returns {Promise<void>} fulfilled also where that cannot be done: a full disk refuses it, and still lets remove
 */
export async function beginLog(indexedDB) {
  if (!/Chrom(e|ium)\//.test(globalThis.navigator?.userAgent ?? '') || !(indexedDB instanceof IDBFactory)) return;
  try {
    (await end(indexedDB.open(NAME, 1))).close();
    await end(indexedDB.deleteDatabase(NAME));
  } catch {
    // The change that waits for this tells what is wrong.
  }
}

/**
 * @param {IDBOpenDBRequest} request
 * @returns {Promise<IDBDatabase>}
 */
function end(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    // Whoever holds it up begins a log, too.
    request.onerror = request.onblocked = () => reject(request.error);
  });
}
