import assert from 'node:assert/strict';
import { register } from 'node:module';
import { test } from 'node:test';
import { takeFiles } from '../www/intake.js';
import { Offline } from '../www/offline.js';
import { gate } from './support/queues.js';

// The bundle of the page finds the package by its name; so does this process.
const PACKAGE = new URL('../pkg/index.js', import.meta.url).href;
const HOOK = `export const resolve = (name, context, next) => next(name === 'slimta-queue-dict' ? '${PACKAGE}' : name, context);`;
register(`data:text/javascript,${encodeURIComponent(HOOK)}`);
const { Actions } = await import('../www/actions.js');

const MBOX = [1, 2, 3].map((number) => `From a@example.com Thu Jan  1 00:00:00 1970\nTo: b${number}@example.org\nSubject : Letter ${number}\n\nText\n\n`).join('');

/** A queue that stores by id, and answers with an error where it is told to. */
function outbox() {
  /** @type {Map<string, any>} */
  const stored = new Map();
  /** @type {((envelope: any) => { error?: Error, store?: boolean } | void)[]} */
  const faults = [];
  const queue = {
    /** @param {any} envelope @param {{ id: string }} options */
    async enqueue(envelope, { id }) {
      const { error, store = !error } = faults.shift()?.(envelope) ?? {};
      if (store) stored.set(id, envelope);
      if (error) throw error;
    },
  };
  const actions = new Actions(/** @type {any} */ ({ queue }), /** @type {any} */ ({}), /** @type {any} */ ({}), () => {});
  return { stored, faults, store: /** @type {any} */ ({ actions }) };
}

const none = () => {};

test('of a file that is queued in part, the page says what is queued, and the same file once more adds only the rest', async () => {
  const { stored, faults, store } = outbox();
  const file = new File([MBOX], 'part.mbox', { lastModified: 1 });
  faults.push(none, none, () => ({ error: new Error('no room') }));
  const { queued, problems } = await takeFiles(store, [file], none);
  assert.equal(queued, 2);
  assert.equal(problems.length, 1);
  assert.match(problems[0].problem, /the first 2 of 3 messages are queued, the others are not: no room/);
  assert.deepEqual(await takeFiles(store, [file], none), { queued: 1, problems: [] });
  assert.deepEqual([...stored.values()].map(({ recipients }) => recipients[0]), ['b1@example.org', 'b2@example.org', 'b3@example.org']);
  assert.deepEqual(stored.values().next().value.headers[1], ['Subject', 'Letter 1']);
});

test('a message that may be stored is queued again under its id', async () => {
  const { stored, faults, store } = outbox();
  const unknown = Object.assign(new Error('unknown-outcome'), { code: 'unknown-outcome' });
  faults.push(() => ({ error: unknown, store: true }));
  const file = new File(['To: a@example.org\n\nText'], 'one.eml', { lastModified: 1 });
  assert.deepEqual(await takeFiles(store, [file], none), { queued: 1, problems: [] });
  assert.equal(stored.size, 1);

  // Also where the repeat does not answer, and somebody adds the file again.
  faults.push(() => ({ error: unknown, store: true }), () => ({ error: unknown }));
  assert.match((await takeFiles(store, [file], none)).problems[0].problem, /could not be queued: unknown-outcome/);
  assert.deepEqual(await takeFiles(store, [file], none), { queued: 1, problems: [] });
  assert.equal(stored.size, 2);
});

test('a background sync is registered once there is a service worker', async () => {
  /** @type {string[]} */
  const tags = [];
  const { opened: ready, open } = gate();
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator'); // Node 20 has none
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { serviceWorker: { ready } } });
  try {
    const offline = new Offline();
    const wished = Promise.all([offline.wish(), offline.wish()]);
    open({ sync: { register: async (/** @type {string} */ tag) => void tags.push(tag) } });
    await wished;
    assert.deepEqual(tags, ['outbox']);
  } finally {
    if (before) Object.defineProperty(globalThis, 'navigator', before);
    else Reflect.deleteProperty(globalThis, 'navigator');
  }
});
