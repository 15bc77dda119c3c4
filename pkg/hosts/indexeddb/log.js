import { within } from './within.js';

/** The lock of a site. Every context holds it that has changed something: as long as one does, the log is a new one. */
const LOCK = 'slimta-queue-dict';
/** How long to wait, in milliseconds, for a lock that another version of the package has. A trial has twice that. */
const PATIENCE = 5_000;
/** A database that is there for a moment only, its one store, and the lock of the context that may begin a log. */
const NAME = 'slimta-queue-dict: begins a log';
/**
 * What fills a log twice: LevelDB begins a new one after 4 MiB at most. Values of 64 KiB and more are not in it, and
 * transactions of 1 MiB and more are written in another way.
 */
const [TRANSACTIONS, VALUES, SIZE] = [11, 15, 60_000];
/**
 * The script of a worker that tries whether a file has room. Nothing is kept of it but its name: who removes it gets in
 * the way of other tabs. Where a power cut has left the site's files damaged there is none: that says nothing about room,
 * and a log that is not filled may be torn. Where somebody else has it open the disk is being tried, and may be full.
 */
const TRIAL = `(async () => {
let isRoom = true, file;
try {
file = await (await navigator.storage.getDirectory()).getFileHandle('slimta-queue-dict', { create: true });
isRoom = false;
file = await file.createSyncAccessHandle();
isRoom = file.write(new Uint8Array(15e6)) === 15e6;
} catch {}
file?.truncate?.(0);
file?.close?.();
postMessage(isRoom);
close();
})()`;

/**
 * Chromium's log of all the databases of a site, which is begun anew once in the browser's life: what is written from
 * then on can be read again.
 *
 * Chromium's LevelDB goes on with the log of the last run. If that run ended in the middle of a record, everything
 * after this record is taken for damage when the browser starts the next time, and the databases of the whole site are
 * deleted. Even an open writes, so a context that only reads has the browser begin another log, too.
 *
 * The browser's life begins when no context of the site holds the lock. A page that asks for a lock does not get into
 * the back-forward cache, so a context asks once. A mark on the disk that says that a change is under way would not
 * tell more: the site's own databases are in this log, so it may be torn while nobody of this package changes anything.
 */
export class Log {
  #indexedDB;
  /** @type {Promise<void> | undefined} the request for another log, of a context that has only read so far */
  #begun;
  /** @type {Promise<unknown> | undefined} the end of the log before */
  #ended;
  /** Whether the lock tells all that may have happened to the log. */
  #isKnown = true;
  /** Whether the disk may have room for more logs: it is not filled again to find that out. */
  #isRoom = true;
  /** Whether the log before has ended: from then on no change waits for that. */
  isFresh = false;

  /** @type {WeakMap<IDBFactory, Log>} */
  static #logs = new WeakMap();

  /**
   * @param {IDBFactory} indexedDB
   * @returns {Log | undefined} none if it is not Chromium's
   */
  static of(indexedDB) {
    if (!isChromium(indexedDB)) return undefined;
    let log = Log.#logs.get(indexedDB);
    if (!log) Log.#logs.set(indexedDB, (log = new Log(indexedDB)));
    return log;
  }

  /** @param {IDBFactory} indexedDB */
  constructor(indexedDB) {
    this.#indexedDB = indexedDB;
  }

  /** Has the browser begin another log soon, unless it was asked for one already. */
  begin() {
    if (!this.#ended) this.#begun ??= beginLog(this.#indexedDB).catch(() => {}); // a change finds out what is wrong
  }

  /**
   * Waits for the end of the log before. A change that is written earlier may be gone after the next start.
   *
   * @returns {Promise<true>}
   */
  async freshen() {
    const ended = (this.#ended ??= Promise.resolve(this.#begun).then(() => this.#end()));
    await ended;
    if (this.#ended === ended) this.isFresh = true;
    return true;
  }

  /** The log may be torn by now, or the end of the one before does not come: the next change begins another log. */
  distrust() {
    this.#begun = this.#ended = undefined;
    this.isFresh = this.#isKnown = false;
  }

  /** @returns {Promise<unknown>} */
  #end() {
    // The lock is about the log of this factory, and about what has happened to it before this context was there.
    const { locks } = globalThis.navigator;
    if (!this.#isKnown || !locks || this.#indexedDB !== globalThis.indexedDB) return this.#fill();
    return this.#enter(locks);
  }

  /**
   * Takes the lock for good, and fills the logs before if nobody has it. One context at a time does so: if it ends before
   * the logs are full, the next one finds that nobody has the lock, and fills them. Where it stands still, the change that
   * waits ends, and the next one begins a log by itself.
   *
   * @param {LockManager} locks
   * @returns {Promise<unknown>}
   */
  #enter(locks) {
    return locks.request(NAME, async () => {
      if (!(await locks.query()).held?.some(({ name }) => name === LOCK)) await this.#fill();
      const entered = new Promise((enter, reject) => {
        locks.request(LOCK, { mode: 'shared' }, () => {
          enter(true);
          return new Promise(() => {});
        }).catch(reject);
      });
      if (!(await within(PATIENCE, entered))) await this.#fill();
    }).catch(() => this.#fill()); // where a context may have no locks
  }

  /**
   * Fills two logs: in the second one that waits for what the first one said to be written out.
   *
   * @returns {Promise<void>} fulfilled also where that cannot be done: a full disk refuses it, and still lets remove
   */
  async #fill() {
    try {
      this.#isRoom &&= await isRoom().catch(() => false);
      await beginLog(this.#indexedDB); // not before: a log that is being begun while the disk is tried finds it full
      if (!this.#isRoom) return;
      const db = await open(this.#indexedDB);
      try {
        for (let i = 0; i < TRANSACTIONS; i++) await fill(db);
      } finally {
        db.close();
        this.#indexedDB.deleteDatabase(NAME);
      }
    } catch {
      // The change that waits for this tells what is wrong.
    }
  }
}

/**
 * When a database is deleted on request, LevelDB writes out what the log says and begins another one, but the answer
 * comes before.
 *
 * @param {IDBFactory} indexedDB
 */
async function beginLog(indexedDB) {
  (await open(indexedDB)).close();
  await end(indexedDB.deleteDatabase(NAME));
}

/** @param {IDBFactory} indexedDB */
function isChromium(indexedDB) {
  const { IDBFactory, navigator } = globalThis;
  return Boolean(IDBFactory) && indexedDB instanceof IDBFactory && /Chrom/.test(navigator?.userAgent ?? '');
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
 * Whether there is half as much again on the disk, which is tried with a file: what the browser says of its space is not
 * about the disk. It takes a worker. Where any other interface of Chromium finds a disk full, the browser makes room,
 * and deletes the databases of the site.
 *
 * @returns {Promise<boolean>} `false` also where there is no such worker, and the disk cannot be tried
 */
async function isRoom() {
  const url = URL.createObjectURL(new Blob([TRIAL]));
  const worker = new Worker(url);
  const isRoom = await within(2 * PATIENCE, new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = resolve;
  }));
  URL.revokeObjectURL(url);
  return isRoom === true;
}

/**
 * @param {IDBDatabase} db
 * @returns {Promise<unknown>}
 */
function fill(db) {
  return new Promise((resolve, reject) => {
    const tx = db.transaction(NAME, 'readwrite', { durability: 'relaxed' });
    tx.oncomplete = resolve;
    tx.onabort = db.onclose = reject;
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
    request.onerror = reject;
  });
}
