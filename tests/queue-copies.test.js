/** What functions of the caller do to the envelopes that they are given. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DictStorage } from '../pkg/load/inline.js';
import { all, message, onEachStorage } from './support/queues.js';

const EVENTS = ['queued', 'attempt', 'delivered', 'deferred', 'failed', 'bounced'];
const answers = { ok: null, no: { code: 550, message: '5.1.1 no such user' }, wait: { code: 450, message: '4.2.0 later' } };

const envelope = () => ({
  ...message(['ok', 'no', 'wait']), message: new TextEncoder().encode('Hello!\r\n'), client: { ip: '192.0.2.1' },
  more: { list: [1], map: new Map([['a', [1]]]) },
});

/** Changes whatever of an envelope can be changed. */
function spoil(given) {
  given.sender = 'spoiled@example.com';
  given.recipients.splice(0, Infinity, 'spoiled@example.com');
  given.headers?.forEach((pair) => pair.fill('spoiled'));
  given.message.fill?.(0);
  if (given.client) given.client.ip = 'spoiled';
  given.more?.list.push('spoiled');
  given.more?.map.get('a').push('spoiled');
}

/** What a queue does with a message: what its relay and its listeners see, and what it keeps at the end. */
async function seenWith({ make, storage }, spoils) {
  const [deadLetter, seen] = [new DictStorage(), []];
  const spoiling = (who) => (spoils === who ? spoil : () => {});
  const relay = {
    attempt(given) {
      const { sender, recipients } = structuredClone(given);
      seen.push(['relay', structuredClone(given)]);
      spoiling('relay')(given);
      return sender ? recipients.map((to) => answers[to]) : answers.wait;
    },
  };
  const { queue } = make(relay, {
    deadLetter,
    backoff(given) {
      spoiling('backoff')(given);
      return 3_600_000;
    },
    bounceFactory(given) {
      const notice = { sender: '', recipients: [given.sender], headers: [['Subject', 'No']], message: given.message.slice() };
      spoiling('bounceFactory')(given);
      return notice;
    },
  });
  const kept = [];
  queue.addPolicy({ apply: (given) => void kept.push(given) });
  for (const type of EVENTS) {
    queue.addEventListener(type, ({ detail }) => {
      if (spoils !== type) return;
      spoil(detail.envelope);
      if (detail.bounce) spoil(detail.bounce);
    });
    queue.addEventListener(type, ({ detail }) => {
      seen.push([type, structuredClone(detail.envelope), structuredClone(detail.bounce)]);
    });
  }
  const given = envelope();
  await queue.enqueue(given);
  kept.forEach(spoiling('policy'));
  await queue.flush();
  kept.forEach(spoiling('policy'));
  await queue.flush();
  assert.deepEqual(given, envelope());
  for (const place of [storage, deadLetter]) {
    for (const [, id] of await all(place.load())) {
      const [{ noticeOf, ...stored }] = await place.get(id);
      seen.push(['stored', stored]);
      await storage.remove(id);
    }
  }
  return seen.map(([who, one, bounce]) => [who, { ...one, noticeOf: null }, bounce])
    .map((one) => JSON.stringify(one, (_, value) => (value instanceof Map ? [...value] : value))).sort();
}

onEachStorage('A queue', (scene) => {
  for (const who of ['relay', 'backoff', 'bounceFactory', 'policy', ...EVENTS]) {
    const what = EVENTS.includes(who) ? `a listener to ${who} events` : `a ${who}`;
    test(`shows ${what} copies: whatever is done to them changes nothing else`, async () => {
      assert.deepEqual(await seenWith(scene, who), await seenWith(scene, 'nobody'));
    });
  }

  test('stores what it was handed at the call, where its object is changed before the store pool has room', async () => {
    const { queue } = scene.make(null, { storePool: 1 });
    const given = message(['a']);
    const stored = ['a', 'b', 'c', 'd'].map((to) => {
      given.recipients = [to];
      return queue.enqueue(given);
    });
    given.recipients = ['e'];
    const ids = (await Promise.all(stored)).map(([[, id]]) => id);
    const recipients = await Promise.all(ids.map(async (id) => (await scene.storage.get(id))[0].recipients));
    assert.deepEqual(recipients, [['a'], ['b'], ['c'], ['d']]);
  });
});
