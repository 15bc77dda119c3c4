/** @typedef {typeof import('../../pkg/index.js')} Api */

/**
 * What every runtime has to get right with the package, in plain JavaScript that all of them run. It ends in data that
 * can be sent anywhere, to be compared with `EXPECTED`.
 *
 * @param {Pick<Api, 'AsyncDictStorage' | 'DictStorage' | 'KeyError' | 'Queue' | 'QueueError'>} api
 */
export async function exercise({ AsyncDictStorage, DictStorage, KeyError, Queue, QueueError }) {
  const nobody = '0'.repeat(32);
  const envelope = {
    sender: 'from@example.com',
    recipients: ['a@example.com', 'b@example.com', 'c@example.com'],
    headers: /** @type {[string, string][]} */ ([['Subject', 'Grüße']]),
    message: new Uint8Array([72, 105, 0, 255]),
    tags: new Set(['first']),
  };

  const meta = new Map();
  const storage = new DictStorage(new Map(), meta);
  const id = storage.write(envelope, 7);
  const named = storage.write({ sender: null, recipients: [] }, new Date(9), { id: 'f'.repeat(32) });
  envelope.recipients.length = 0;
  storage.setRecipientsDelivered(id, [0, 2]);
  storage.setTimestamp(id, 8.5);
  const attempts = [storage.incrementAttempts(id), storage.incrementAttempts(id)];
  const [found, tried, positions] = storage.get(id);
  const errors = [
    await failure(() => storage.get(nobody)),
    await failure(() => storage.write(/** @type {any} */ ({ sender: 'x', recipients: 'nobody' }), 0)),
    await failure(() => storage.setRecipientsDelivered(id, [3])),
  ];
  const sync = {
    id: /^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/.test(id),
    named,
    attempts,
    found: {
      ...found,
      message: Array.from(/** @type {Uint8Array} */ (found.message)),
      tags: [.../** @type {any} */ (found.tags)],
    },
    tried,
    positions,
    listed: [...storage.load()].map(([timestamp, key]) => [timestamp, key === id ? 'the first' : key]),
    marks: meta.get(id).deliveredIndexes,
    errors,
    info: storage.getInfo(),
    left: (storage.remove(id), storage.remove(id), [...storage.load()].length),
  };

  const later = new AsyncDictStorage(new Map(), new Map());
  const ids = await Promise.all([1, 2, 3].map((due) => later.write({ sender: '', recipients: ['a', 'b'] }, due)));
  await Promise.all([later.setRecipientsDelivered(ids[0], [1]), later.incrementAttempts(ids[0])]);
  const listed = [];
  for await (const [timestamp] of later.load()) listed.push(timestamp);
  const waited = [];
  for await (const [timestamp] of later.wait()) if (waited.push(timestamp) === 3) break;
  const async = {
    ids: new Set(ids).size,
    got: await later.get(ids[0]),
    listed,
    waited: waited.sort(),
    changed: [
      await later.change(ids[1], { attempts: 5 }, { attempts: 6 }),
      await later.change(ids[1], null, { timestamp: 4 }),
    ],
    errors: [await failure(() => later.get(nobody))],
    info: await later.getInfo(),
    closed: (await later.close(), await failure(() => later.get(ids[0]))),
  };

  /** @type {[string, string][]} */
  const told = [];
  const delivering = new DictStorage();
  const queue = new Queue(delivering, {
    attempt: ({ recipients }) => recipients.map((to) => (to === 'a' ? null : { code: 550, message: '5.1.1 no' })),
  });
  for (const type of ['delivered', 'failed', 'bounced']) {
    queue.addEventListener(type, (event) => told.push([type, /** @type {any} */ (event).detail.recipients.join()]));
  }
  await queue.enqueue({ sender: 'a', recipients: ['a', 'b'] });
  await queue.flush();
  await queue.flush();
  const queued = { told, info: { ...queue.getInfo() }, left: delivering.getInfo().metaSize };
  return { sync, async, queued };

  /** @param {() => unknown} call */
  async function failure(call) {
    try {
      await call();
      return 'no error';
    } catch (error) {
      const classes = Object.entries({ KeyError, QueueError, TypeError, RangeError, Error });
      const of = classes.filter(([, each]) => error instanceof each).map(([name]) => name);
      const { code, id } = /** @type {any} */ (error);
      return { of, code: code ?? 'none', nobody: id === nobody };
    }
  }
}

export const EXPECTED = {
  sync: {
    id: true,
    named: 'f'.repeat(32),
    attempts: [1, 2],
    found: {
      sender: 'from@example.com', recipients: ['b@example.com'], headers: [['Subject', 'Grüße']],
      message: [72, 105, 0, 255], tags: ['first'],
    },
    tried: 2,
    positions: [1],
    listed: [[8.5, 'the first'], [9, 'f'.repeat(32)]],
    marks: [0, 2],
    errors: [
      { of: ['KeyError', 'QueueError', 'Error'], code: 'no-such-message', nobody: true },
      { of: ['TypeError', 'Error'], code: 'none', nobody: false },
      { of: ['RangeError', 'Error'], code: 'none', nobody: false },
    ],
    info: { size: 2, metaSize: 2 },
    left: 1,
  },
  async: {
    ids: 3,
    got: [{ sender: '', recipients: ['a'] }, 1, [0]],
    listed: [1, 2, 3],
    waited: [1, 2, 3],
    changed: [false, true],
    errors: [{ of: ['KeyError', 'QueueError', 'Error'], code: 'no-such-message', nobody: true }],
    info: { size: 3, metaSize: 3 },
    closed: { of: ['QueueError', 'Error'], code: 'closed', nobody: false },
  },
  queued: {
    told: [['delivered', 'a'], ['failed', 'b'], ['bounced', 'b'], ['delivered', 'a']],
    info: { size: 0, oldestDue: null, inAttempt: 0, delivered: 2, deferred: 0, failed: 1 },
    left: 0,
  },
};
