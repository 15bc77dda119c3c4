/** @import { Supports } from '../types.js' */
import { followPage } from '../page-lifecycle.js';

// The names under which queues claim messages, and how the end of those who have such a name is known.

/** The names of the queues of this process, by place and without one, whichever copy of this package made them. */
const HERE = Symbol.for('slimta-queue-dict: queues of this process');

/** How often somebody asks whether another owner is gone, in milliseconds. */
const ASK_AGAIN = 2_000;

/**
 * How the end of a queue is known: `here` to all of its process, which alone can have the dictionaries; `lock` to all who
 * share Web Locks as they share the dictionaries. Otherwise its claims end by time.
 *
 * @typedef {'here' | 'lock' | undefined} Reach
 */

/**
 * The names of the queues of this process at a place. Where the host tells of none, all of the process are at one.
 *
 * @param {object | undefined} place
 * @returns {Set<string>}
 */
function queuesAt(place) {
  /** @type {{ anywhere: Set<string>, places: WeakMap<object, Set<string>> }} */
  const { anywhere, places } = (/** @type {any} */ (globalThis)[HERE] ??= { anywhere: new Set(), places: new WeakMap() });
  if (!place) return anywhere;
  const names = places.get(place) ?? new Set();
  places.set(place, names);
  return names;
}

/**
 * Those whose end somebody waits for, by name: each run of each queue asks again.
 *
 * @type {Map<string, Promise<void>>}
 */
const awaited = new Map();

/** Whoever claims messages. */
export class Owner {
  #reach;
  #place;
  /** @type {string | undefined} */
  #name;
  /**
   * Hears that the page is put aside, and that it has come back and holds the lock of another name.
   *
   * @type {((isAside: boolean) => void) | undefined}
   */
  onAside;
  /** @type {Promise<void> | undefined} */
  #held;
  #granted = () => {};
  #release = () => {};

  /**
   * @param {Reach} reach
   * @param {object} [place] as its host has it
   */
  constructor(reach, place) {
    this.#reach = reach;
    this.#place = place;
  }

  /** It is generated at the first use: some platforms have no random numbers before the first request. */
  get name() {
    if (this.#name === undefined) {
      this.#name = generateName(this.#reach);
      if (this.#reach === 'here') queuesAt(this.#place).add(this.#name);
    }
    return this.#name;
  }

  /**
   * Takes the lock of its name, from before the first claim until the page or the worker ends, or is put aside.
   *
   * @returns {Promise<void> | undefined} nothing where there is nothing to wait for
   */
  hold() {
    if (!this.#held && this.name.startsWith('lock:')) {
      followPage(this);
      this.#wait();
      this.comeBack();
    }
    return this.#held;
  }

  /**
   * Lets others have what was claimed. Some browsers free the locks of a page that they keep, some do not: so there is
   * another name for what is claimed when somebody comes back.
   */
  putAside() {
    this.#name = generateName('lock');
    this.#wait();
    this.#release();
    this.onAside?.(true);
  }

  comeBack() {
    const { name } = this;
    locks()?.request(lockOf(name), () => {
      if (name !== this.name) return undefined; // it was put aside meanwhile
      this.#granted();
      return new Promise((resolve) => {
        this.#release = () => resolve(undefined);
      });
    }).catch(() => {
      if (name === this.name) this.#granted(); // who may have no locks here can ask for none, either: its claims end by time
    });
  }

  /** From now on there is a lock to wait for, also for those who wait already. */
  #wait() {
    const before = this.#granted;
    this.#held = new Promise((resolve) => {
      this.#granted = () => {
        before();
        resolve();
      };
    });
    const held = this.#held;
    held.then(() => held === this.#held && this.onAside?.(false));
  }
}

/** @param {Reach} reach */
function generateName(reach) {
  const generated = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('-');
  return reach ? `${reach}:${generated}` : generated;
}

/**
 * Resolves when the owner of a claim is gone.
 *
 * @param {string} name
 * @param {object} [place] of whoever asks
 * @returns {Promise<void> | undefined} nothing where nobody can know
 */
export function whenGone(name, place) {
  if (name.startsWith('here:')) return queuesAt(place).has(name) ? undefined : Promise.resolve();
  const held = name.startsWith('lock:') ? locks() : undefined;
  if (!held) return undefined;
  let gone = awaited.get(name);
  if (!gone) {
    gone = released(held, lockOf(name)).finally(() => awaited.delete(name));
    awaited.set(name, gone);
  }
  return gone;
}

/**
 * Resolves when nobody holds a lock. WebKit does not always grant what waits for the lock of a page or worker that was
 * ended, so this also asks anew.
 *
 * @param {LockManager} locks
 * @param {string} name
 * @returns {Promise<void>}
 */
async function released(locks, name) {
  const controller = new AbortController();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  const asked = new Promise((resolve) => {
    const ask = () => locks.request(name, { mode: 'shared', ifAvailable: true }, (lock) => lock && resolve(true));
    timer = setInterval(() => ask().catch(() => {}), ASK_AGAIN); // its claims end by time where that fails
  });
  try {
    await Promise.race([asked, locks.request(name, { mode: 'shared', signal: controller.signal }, () => {})]);
  } finally {
    clearInterval(timer);
    controller.abort();
  }
}

/**
 * How the end of a queue on a host is known.
 *
 * @param {() => Partial<Supports> | undefined} supported what the host says of itself
 * @returns {Reach}
 */
export function reachOf(supported) {
  try {
    const supports = supported();
    if (supports?.writers === 'one') return 'here';
    return supports?.sharesLocks === true && locks() ? 'lock' : undefined;
  } catch {
    return undefined; // what a host throws here says nothing of claims
  }
}

/** @returns {LockManager | undefined} */
function locks() {
  return globalThis.navigator?.locks;
}

/** @param {string} name */
function lockOf(name) {
  return `slimta-queue-dict: ${name}`;
}
