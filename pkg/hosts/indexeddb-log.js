/** A database that is there for a moment only, and its one store. */
const NAME = 'slimta-queue-dict: begins a log';
/** An empty file, which stays: who removes it gets in the way of other tabs. */
const FILE = 'slimta-queue-dict';
/**
 * What fills a log twice: LevelDB begins a new one after 4 MiB at most. Values of 64 KiB and more are not in it, and
 * transactions of 1 MiB and more are written in another way.
 */
const [TRANSACTIONS, VALUES, SIZE] = [11, 15, 60_000];

/**
 * Has Chromium begin a new log soon, so that what is written from then on can be read again.
 *
 * Its LevelDB goes on with the log of the last run. If that run ended in the middle of a record, everything after this
 * record is taken for damage when the browser starts the next time, and the databases of the whole site are deleted.
 * Even an open writes, so who only reads needs this, too. When a database is deleted on request, LevelDB writes out what
 * the log says and begins another one, but the answer comes before.
 *
 * @param {IDBFactory} indexedDB
 * @returns {Promise<void>} fulfilled also where that cannot be done
 */
export async function beginLog(indexedDB) {
  if (!isChromium(indexedDB)) return;
  try {
    (await open(indexedDB)).close();
    await end(indexedDB.deleteDatabase(NAME));
  } catch {
    // Whoever waits for this finds out what is wrong.
  }
}

/**
 * Waits until the log of the last run is done with: who fills two logs waits, in the second one, for what the first one
 * said to be written out.
 *
 * @param {IDBFactory} indexedDB
 * @returns {Promise<void>} fulfilled also where that cannot be done: a full disk refuses it, and still lets remove
 */
export async function fillLogs(indexedDB) {
  if (!isChromium(indexedDB)) return;
  try {
    const room = await isRoom().catch(() => false);
    await beginLog(indexedDB); // not before: a log that is being begun while the disk is tried finds it full
    if (!room) return;
    const db = await open(indexedDB);
    try {
      for (let i = 0; i < TRANSACTIONS; i++) await fill(db);
    } finally {
      db.close();
      indexedDB.deleteDatabase(NAME);
    }
  } catch {
    // The change that waits for this tells what is wrong.
  }
}

/** @param {IDBFactory} indexedDB */
function isChromium(indexedDB) {
  const { IDBFactory, navigator } = globalThis;
  return Boolean(IDBFactory) && indexedDB instanceof IDBFactory && /Chrom(e|ium)\//.test(navigator?.userAgent ?? '');
}

/**
 * @param {IDBFactory} indexedDB
 * @returns {Promise<IDBDatabase>}
 */
function open(indexedDB) {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(NAME);
  return end(request);
}

/**
 * Whether there is half as much again on the disk. LevelDB does not survive a disk that is full, and what the browser
 * says of its space is not about the disk, so it is tried with a file, of which nothing is kept.
 */
async function isRoom() {
  const folder = await globalThis.navigator.storage?.getDirectory?.();
  if (!folder) return true;
  const file = await folder.getFileHandle(FILE, { create: true });
  const writable = await file.createWritable();
  try {
    for (let i = 0; i < 1.5 * TRANSACTIONS; i++) await writable.write(new Uint8Array(VALUES * SIZE));
    return true;
  } finally {
    await writable.abort().catch(() => {});
  }
}

/**
 * @param {IDBDatabase} db
 * @returns {Promise<unknown>}
 */
function fill(db) {
  return new Promise((resolve, reject) => {
    const tx = db.transaction(NAME, 'readwrite', { durability: 'relaxed' });
    tx.oncomplete = resolve;
    tx.onabort = () => reject(tx.error);
    for (let key = 0; key < VALUES; key++) tx.objectStore(NAME).put(new Uint8Array(SIZE), key);
  });
}

/**
 * @param {IDBOpenDBRequest} request
 * @returns {Promise<IDBDatabase>}
 */
function end(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
