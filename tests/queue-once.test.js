/** What goes out once, and which message it is, where answers come late and ids are used again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DictStorage, Queue } from '../pkg/load/inline.js';
import { gate, message, watch } from './support/queues.js';

const refused = { code: 550, message: '5.1.1 no such user' };

test('a relay that looks at its signal only after the attempt is out of time sees it aborted', async () => {
  const looks = gate();
  const relay = {
    async attempt(envelope, attempts, attempt) {
      await looks.opened;
      relay.seen = attempt.signal.aborted;
    },
  };
  const queue = new Queue(new DictStorage(), relay, { attemptTimeout: 1 });
  await queue.enqueue(message(['a']));
  await queue.run();
  looks.open();
  while (relay.seen === undefined) await new Promise(setImmediate);
  assert.equal(relay.seen, true);
});

test('an answer that comes late says nothing of another message that has the same id by then', async () => {
  const storage = new DictStorage();
  const first = gate();
  const sent = [];
  const queue = new Queue(storage, {
    async attempt({ message }) {
      sent.push(message);
      if (sent.length === 1) await first.opened;
    },
  });
  const { until } = watch(queue);
  queue.start();
  const [[, id]] = await queue.enqueue({ ...message(['a']), message: 'a draft' }, { key: 'mail 7' });
  await until('attempt');
  storage.remove(id);
  await queue.enqueue({ ...message(['a']), message: 'as it should be' }, { key: 'mail 7' });
  first.open();
  await until('delivered', ({ envelope }) => envelope.message === 'as it should be');
  await queue.stop();
  assert.deepEqual(sent, ['a draft', 'as it should be']);
});

test('an answer for more recipients than its message has by then ends the attempt, and is told of as a lost lease', async () => {
  const storage = new DictStorage();
  const relayed = [];
  const queue = new Queue(storage, {
    async attempt({ recipients }, attempts, { id }) {
      relayed.push(recipients);
      const envelope = storage.envelopeDb.get(id);
      storage.envelopeDb.set(id, { ...envelope, recipients: envelope.recipients.slice(0, 1) });
    },
  });
  const { events } = watch(queue);
  await queue.enqueue(message(['a', 'b', 'c']));
  queue.start();
  await queue.run();
  await queue.stop();
  assert.deepEqual(relayed, [['a', 'b', 'c']]);
  assert.deepEqual(events.filter(({ type }) => type === 'error').map(({ error }) => error.code), ['lease-lost']);
});

test('messages that were given up one after the other under one key are kept each', async () => {
  const deadLetter = new DictStorage();
  const queue = new Queue(new DictStorage(), { attempt: () => refused }, { deadLetter });
  for (const text of ['one', 'two']) {
    await queue.enqueue({ ...message(['a']), sender: null, message: text }, { key: 'order 17' });
    await queue.run();
    const told = Date.now();
    while (Date.now() === told) await new Promise(setImmediate); // the next one is attempted at another time
  }
  const kept = [...deadLetter.load()].map(([, id]) => deadLetter.get(id)[0].message);
  assert.deepEqual(kept.sort(), ['one', 'two']);
});
