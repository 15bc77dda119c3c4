/** A failing host is survived: every call meets every kind of trouble at every call that it makes on its host. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { all, anEnvelope, idOf, outcome } from './support/calls.js';
import { Faults } from './support/faults.js';
import { CUT, NEW, OPERATIONS, OTHER, SETTINGS, WHOLE, aStore, listed, rehearse } from './support/scenario.js';

/** In milliseconds, where a call is meant to be ended by it and where not. */
const [SHORT, LONG] = [200, 20_000];
const AT_ONCE = 24;
const trouble = new Error('the disk is on fire');

const thenable = (then) => ({ then });
const never = () => new Promise(() => {});

/**
 * @typedef {object} Mode
 * @property {(proceed: () => any, context: any) => any} act what one call on the host does instead of its work
 * @property {'sync' | 'async'} [only] where it makes sense
 * @property {(result: any, context: any) => void} judge what must come of the call of the storage
 * @property {boolean} [changes] the trouble itself changes messages
 * @property {boolean} [hangs] the deadline has to end the call
 */

/** It fails, and its cause is the very thing that was thrown. */
function failsWithCause({ failed, error }) {
  assert.ok(failed, 'it succeeded');
  assert.equal(error.name, 'QueueError', String(error));
  assert.ok(['host', 'unknown-outcome'].includes(error.code), error.code);
  assert.equal(error.cause, trouble);
}

function needsAsync({ failed, error }) {
  assert.ok(failed, 'it succeeded');
  assert.deepEqual([error.name, error.code], ['QueueError', 'needs-async'], String(error));
  assert.match(error.message, /AsyncDictStorage/);
}

function succeeds({ failed, error }) {
  assert.ok(!failed, String(error));
}

/** The deadline ends it; if something was handed over, it says so and of which message. */
function endsByDeadline({ failed, error }, { operation, call }) {
  assert.ok(failed, 'it succeeded');
  assert.equal(error.name, 'QueueError', String(error));
  const commits = operation.writes || operation.commits;
  assert.ok((commits ? ['timeout', 'unknown-outcome', 'conflict'] : ['timeout']).includes(error.code), error.code);
  if (/set|delete|commit/.test(call)) assert.equal(error.code, 'unknown-outcome');
  if (/page|sizes|size|keys|entries|next/.test(call)) assert.equal(error.code, 'timeout');
  if (error.code === 'unknown-outcome') assert.match(error.id, RegExp(`^(${operation.about ?? '[0-9a-f]{32}'})$`));
}

/** Nothing can be said but that it ends as it should: well, or with an error of ours. */
function endsSomehow({ failed, error }) {
  if (failed) assert.match(error.name, /^(QueueError|KeyError)$/, String(error));
}

/** @type {Record<string, Mode>} */
const MODES = {
  'throws instead of its work': {
    act() { throw trouble; },
    judge: failsWithCause,
  },
  'throws after its work': {
    async act(proceed) {
      await proceed();
      throw trouble;
    },
    only: 'async',
    judge: failsWithCause,
  },
  'throws after its work, at once': {
    act(proceed) {
      proceed();
      throw trouble;
    },
    only: 'sync',
    judge: failsWithCause,
  },
  'rejects instead of its work': { act: () => Promise.reject(trouble), only: 'async', judge: failsWithCause },
  'returns a promise': { act: async (proceed) => proceed(), only: 'sync', judge: needsAsync },
  'returns a promise that is rejected': { act: () => Promise.reject(trouble), only: 'sync', judge: needsAsync },
  'returns a thenable that is none when it is called': {
    act: () => thenable(() => { throw trouble; }),
    only: 'async',
    judge: failsWithCause,
  },
  'has a then that cannot be read': {
    act: () => Object.defineProperty({}, 'then', { get() { throw trouble; } }),
    judge: failsWithCause,
  },
  'calls back twice, then refuses, then throws': {
    act: (proceed) => thenable((resolve, reject) => {
      resolve(proceed());
      resolve('again');
      reject(trouble);
      throw trouble;
    }),
    only: 'async',
    judge: succeeds,
  },
  'answers many turns of the event loop later': {
    async act(proceed) {
      for (let i = 0; i < 5; i++) await turn();
      const result = await proceed();
      for (let i = 0; i < 5; i++) await turn();
      return result;
    },
    only: 'async',
    judge: succeeds,
  },
  'hangs instead of its work': { act: never, only: 'async', judge: endsByDeadline, hangs: true },
  'hangs after its work': {
    act: (proceed) => Promise.resolve(proceed()).then(never),
    only: 'async',
    judge: endsByDeadline,
    hangs: true,
  },
  'does its work after the deadline only': {
    act: (proceed, context) => new Promise((resolve) => {
      context.late = () => resolve(proceed());
    }),
    only: 'async',
    judge: endsByDeadline,
    hangs: true,
  },
  'answers after the deadline only': {
    act: (proceed, context) => new Promise((resolve) => {
      const result = proceed();
      context.late = () => resolve(result);
    }),
    only: 'async',
    judge: endsByDeadline,
    hangs: true,
  },
  'fails after the deadline only': {
    act: (_, context) => new Promise((_, reject) => {
      context.late = () => reject(trouble);
    }),
    only: 'async',
    judge: endsByDeadline,
    hangs: true,
  },
  'calls the storage about another message': {
    act(proceed, context) {
      context.inner.push(outcome(() => context.storage.write(anEnvelope(), 5, { id: idOf(8) })));
      return proceed();
    },
    judge: succeeds,
    changes: true,
  },
  'calls the storage about the same message': {
    act(proceed, context) {
      context.inner.push(outcome(() => context.storage.incrementAttempts(WHOLE)));
      return proceed();
    },
    judge: endsSomehow,
    changes: true,
  },
  'waits for a call of the storage about the same message': {
    async act(proceed, context) {
      const inner = outcome(() => context.storage.incrementAttempts(WHOLE));
      context.inner.push(inner);
      await inner;
      return proceed();
    },
    only: 'async',
    judge: endsSomehow,
    changes: true,
    hangs: true,
  },
};

let cases = 0;
after(() => console.log(`trouble of hosts: ${cases} cases`));

for (const setting of SETTINGS) {
  describe(setting.name, () => {
    for (const [name, mode] of Object.entries(MODES)) {
      if (mode.only && (mode.only === 'sync') !== setting.sync) continue;
      test(`a call on the host that ${name} is survived wherever it comes`, async () => {
        const wrong = [];
        const tasks = [];
        for (const [what, operation] of Object.entries(OPERATIONS)) {
          const rehearsal = await rehearse(setting, operation.run);
          rehearsal.calls.forEach((call, at) => tasks.push(async () => {
            const where = `${what}, at call ${at} (${call}) of ${rehearsal.calls.length}`;
            await one(setting, mode, operation, rehearsal, at).catch((error) => wrong.push(`${where}: ${error}`));
          }));
        }
        assert.ok(tasks.length > 40, `${tasks.length} cases`);
        await Promise.all(Array.from({ length: AT_ONCE }, async () => {
          for (let task; (task = tasks.shift()); ) await task();
        }));
        assert.equal(wrong.length, 0, `${wrong.length} cases:\n${wrong.join('\n')}`);
      });
    }
  });
}

async function one(setting, mode, operation, { calls, before, after }, at) {
  cases++;
  const [store, faults] = [aStore(), new Faults()];
  const storage = setting.over(store, faults, { deadline: mode.hangs ? SHORT : LONG });
  const context = { storage, operation, call: calls[at], inner: [], late: undefined };
  const is = (now, ...those) =>
    assert.ok(those.includes(now), `it left\n  ${now}\n  instead of\n  ${those.join('\n  or ')}`);
  faults.plan(at, (proceed) => mode.act(proceed, context));
  const result = await outcome(() => operation.run(storage));
  faults.heal();
  assert.ok(faults.hit, 'there was no such call');
  mode.judge(result, context);
  context.late?.();
  for (const { failed, error } of await Promise.all(context.inner)) {
    if (failed) assert.match(error.name, /^(QueueError|KeyError)$/, String(error));
  }
  for (let i = 0; i < 6; i++) await turn();
  if (mode.changes) {
    if (!context.inner.some(({ failed }) => failed)) await persist(() => storage.remove(idOf(8)));
    for (const id of await persist(() => ids(storage))) await persist(() => storage.get(id));
  } else if (result.failed) {
    is(listed(store), before, after);
  } else {
    is(listed(store), after);
  }
  await goesOn(storage, operation);
}

const ids = async (storage) => (await all(storage.load())).map(([, id]) => id);

/**
 * Makes a call until it says what it came to: on a busy machine a host that is well may miss a short deadline, and
 * nothing was changed then.
 */
async function persist(call) {
  for (;;) {
    const { value, error } = await outcome(call);
    if (!['timeout', 'conflict'].includes(error?.code)) {
      if (error) throw error;
      return value;
    }
  }
}

/** The same object answers, takes changes and lists. */
async function goesOn(storage, operation) {
  const next = idOf(9);
  assert.equal(await persist(() => storage.write(anEnvelope(), 1, { id: next })), next);
  assert.equal(await persist(() => storage.incrementAttempts(next)), 1);
  assert.deepEqual(await persist(() => storage.get(OTHER)), [anEnvelope(), 0, [0, 1, 2]]);
  await persist(() => storage.setRecipientsDelivered(OTHER, [0]));
  assert.deepEqual((await persist(() => storage.get(OTHER)))[2], [1, 2]);
  const listed = await persist(() => ids(storage));
  assert.ok(listed.includes(next) && listed.includes(OTHER));
  for (const id of [WHOLE, CUT, NEW]) {
    if (!listed.includes(id)) continue;
    const [, attempts] = await persist(() => storage.get(id));
    assert.equal(await persist(() => storage.incrementAttempts(id)), attempts + 1);
  }
  await persist(() => storage.getInfo());
  await persist(() => storage.check());
  const again = await outcome(() => persist(() => operation.run(storage)));
  if (again.failed) assert.equal(again.error.name, 'KeyError', again.error.stack);
}
