/** @import { BeforeDemo } from './before-demo.js' */
/** @import { Store } from './store.js' */
import { compose } from './compose.js';
import { isOpen } from './record.js';
import { clearInbox, setDials } from './relay.js';

/**
 * What the demo sends. At the other side whoever is called `busy` asks to be tried again, and `nobody` does not exist.
 *
 * @type {{ to: string[], subject: string, text: string, about: string }[]}
 */
export const SAMPLES = [
  {
    to: ['Ana Lopes <ana@example.org>', 'Ben Ashdown <ben@example.org>'], subject: 'Lunch on Friday',
    text: 'Shall we say half past twelve, at the usual place?', about: 'Two people who are there',
  },
  {
    to: ['Front desk <busy@example.org>'], subject: 'Invoice 1042',
    text: 'The invoice for October is attached. Just kidding, it is here: 40.00.', about: 'A mailbox that is busy at first',
  },
  {
    to: ['Carla Rossi <carla@example.org>', 'Dan <nobody@example.org>'], subject: 'The workshop is on the 12th',
    text: 'We begin at nine. Bring something to write.', about: 'One address that does not exist',
  },
];
const OFFLINE = {
  to: ['Ana Lopes <ana@example.org>'], subject: 'Written while the network was gone',
  text: 'This was queued without a network, and survived a reload.',
};
const ME = 'You <you@example.com>';
/** How slow the other side is meanwhile, in milliseconds: people watch. */
const SLOW = 900;

/**
 * @typedef {'send' | 'kill' | 'takeover' | 'count' | 'offline' | 'reload' | 'back' | 'done' | 'stopped'} Step
 *
 * What came of it, counted from what arrived.
 *
 * @typedef {{ lost: number, twice: number, people: number, arrived: number, refused: number }} Verdict
 *
 * @typedef {{ step: Step, keys: string[], verdict?: Verdict, problem?: string }} State
 */

export const STEPS = /** @type {[Step, string, string][]} */ ([
  ['send', 'Three mails are queued', 'A worker of its own begins to send them.'],
  ['kill', 'The sender ends in the middle', 'The worker is terminated during an attempt.'],
  ['takeover', 'Another one takes over', 'This page’s queue claims what the worker left.'],
  ['count', 'Everything is counted', 'From what arrived at the other side by SMTP.'],
  ['offline', 'The network goes', 'A mail is written all the same.'],
  ['reload', 'The page is reloaded', 'The mail is still there, and waits.'],
  ['back', 'The network comes back', 'The mail goes.'],
]);
const KEPT = 'outbox-demo';

/** What this tab has kept of a demo; nothing where the browser lets the page keep no data. @returns {State | undefined} */
function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

/** Runs the demo; a reload of the page is a part of it. Events: `change`. */
export class Demo extends EventTarget {
  #store;
  #before;
  #flush;
  /** @type {Worker | undefined} */
  #worker;
  /** @type {State | undefined} */
  state;

  /**
   * @param {Store} store
   * @param {BeforeDemo} before
   * @param {() => Promise<unknown>} flush lets everything that was deferred be tried at once
   */
  constructor(store, before, flush) {
    super();
    this.#store = store;
    this.#before = before;
    this.#flush = flush;
    this.state = kept();
    // A page that was reloaded before its time goes on only from where a reload belongs.
    if (this.state && !['reload', 'done', 'stopped'].includes(this.state.step)) this.state = undefined;
  }

  get running() {
    return this.state !== undefined && !['done', 'stopped'].includes(this.state.step);
  }

  /** Goes on after the reload that is a part of the demo; otherwise nothing stays as a demo has set it. */
  async resume() {
    if (this.state?.step === 'reload') await this.#guard(() => this.#afterReload());
    else await this.#before.inherit();
  }

  async run() {
    if (this.running) return;
    this.#go({ step: 'send', keys: [] });
    await this.#guard(() => this.#beforeReload());
  }

  async #beforeReload() {
    const store = this.#store;
    await this.#before.note();
    await store.set({ sending: false });
    await clearInbox();
    await setDials({ slow: SLOW });
    /** @type {string[]} */
    const keys = [];
    for (const sample of SAMPLES) keys.push(await store.actions.send(await compose({ from: ME, ...sample })));
    this.#worker = new Worker('sender.js', { type: 'module', name: 'sender' });
    this.#go({ ...this.#now, keys });
    await this.#until(() => keys.some((key) => store.message(key)?.state === 'elsewhere') || this.#isSettled(keys));

    this.#go({ ...this.#now, step: 'kill' });
    this.#worker.terminate();
    this.#worker = undefined;

    this.#go({ ...this.#now, step: 'takeover' });
    await store.set({ sending: true });
    await this.#until(() => this.#isSettled(keys));

    this.#go({ ...this.#now, step: 'count', verdict: await this.#count(keys) });

    this.#go({ ...this.#now, step: 'offline' });
    await setDials({ slow: 0, away: true });
    keys.push(await store.actions.send(await compose({ from: ME, ...OFFLINE })));
    this.#go({ ...this.#now, keys });
    await this.#until(() => store.message(keys[3])?.state === 'deferred');

    await this.#before.note({ reloads: true });
    this.#go({ ...this.#now, step: 'reload' });
    location.reload();
  }

  async #afterReload() {
    const { keys } = this.#now;
    const store = this.#store;
    await this.#before.note();
    await this.#until(() => store.message(keys[3]) !== undefined);
    this.#go({ ...this.#now, step: 'back' });
    await store.set({ sending: true }); // where the reload took long, another tab has put this back
    await setDials({ away: false });
    await this.#until(() => {
      if (this.#isSettled(keys)) return true;
      void this.#flush();
      return false;
    });
    const verdict = await this.#count(keys);
    await this.#before.putBack();
    this.#go({ ...this.#now, step: 'done', verdict });
  }

  /** @param {string[]} keys */
  #isSettled(keys) {
    return keys.every((key) => this.#store.message(key)?.recipients.every(({ state }) => !isOpen(state)));
  }

  /**
   * Counts from what arrived: everybody but those who were refused is to have one copy.
   *
   * @param {string[]} keys
   * @returns {Promise<Verdict>}
   */
  async #count(keys) {
    await this.#store.otherSide.look();
    const arrivals = this.#store.otherSide.inbox?.arrivals ?? [];
    const verdict = { lost: 0, twice: 0, people: 0, arrived: 0, refused: 0 };
    for (const key of keys) {
      for (const { address, state } of this.#store.message(key)?.recipients ?? []) {
        verdict.people++;
        const copies = arrivals.find((one) => one.key === key && one.to === address)?.copies ?? 0;
        if (copies > 0) verdict.arrived++;
        else if (state === 'failed') verdict.refused++;
        else verdict.lost++;
        if (copies > 1) verdict.twice++;
      }
    }
    return verdict;
  }

  /** @param {() => Promise<void>} work */
  async #guard(work) {
    await this.#before.hold(async () => {
      try {
        await work();
      } catch (error) {
        this.#worker?.terminate();
        await this.#before.putBack().catch(() => {}); // the note stays for the next page
        this.#go({ ...this.#now, step: 'stopped', keys: [], problem: error instanceof Error ? error.message : String(error) });
      }
    });
  }

  get #now() {
    return /** @type {State} */ (this.state);
  }

  /** @param {State} state */
  #go(state) {
    this.state = state;
    sessionStorage.setItem(KEPT, JSON.stringify(state));
    this.dispatchEvent(new Event('change'));
  }

  /** @param {() => boolean} done is asked whenever the store has changed, and now and then */
  #until(done) {
    if (done()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => {
        if (!done()) return;
        clearInterval(timer);
        this.#store.removeEventListener('change', look);
        resolve(undefined);
      };
      const timer = setInterval(look, 500);
      this.#store.addEventListener('change', look);
    });
  }
}
