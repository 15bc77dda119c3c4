import assert from 'node:assert/strict';
import { test } from 'node:test';
import nodemailer from 'nodemailer';
import { AsyncDictStorage, DictStorage, Queue } from '../pkg/load/inline.js';
import { smtpRelay } from '../pkg/relays.js';
import { startSmtp } from './support/smtp.js';

const envelope = {
  sender: 'from@example.com',
  recipients: ['a@example.com', 'b@example.com', 'c@example.com'],
  headers: /** @type {[string, string][]} */ ([
    ['From', 'Me <from@example.com>'], ['Subject', 'Gr\u00fc\u00dfe'], ['Message-ID', '<1@example.com>'],
  ]),
  message: 'Hi\r\n.\r\n',
};
const HOUR = 3_600_000;

/** @typedef {import('./support/smtp.js').Rules} Rules */

/**
 * A queue that delivers to a server of its own.
 *
 * @param {import('node:test').TestContext} t
 * @param {Rules} rules
 * @param {{ storage?: any, server?: object, [option: string]: any }} [options] of the queue and the server
 */
async function outbox(t, rules, { storage = new DictStorage(), server: offered, ...options } = {}) {
  const server = await startSmtp(rules, offered);
  const transport = nodemailer.createTransport({ host: '127.0.0.1', port: server.port, ignoreTLS: true });
  const queue = new Queue(storage, smtpRelay(transport), { backoff: () => 1, ...options });
  /** @type {[type: string, detail: any][]} */
  const events = [];
  for (const type of ['queued', 'attempt', 'delivered', 'deferred', 'failed', 'bounced', 'error']) {
    queue.addEventListener(type, (event) => {
      events.push([type, /** @type {CustomEvent} */ (event).detail]);
      for (const look of lookers) look();
    });
  }
  /** @type {Set<() => void>} */
  const lookers = new Set();
  t.after(async () => {
    await queue.stop();
    await storage.close?.();
    transport.close();
    await server.stop();
  });
  queue.start();
  return {
    server, queue, storage, events,
    /** Ends when the storage has no message any more. */
    empty: () => new Promise((resolve) => {
      const look = async () => {
        const { size, metaSize } = await storage.getInfo();
        if (size === 0 && metaSize === 0) resolve(undefined);
        else setTimeout(look, 5);
      };
      look();
    }),
    /** @param {(event: [type: string, detail: any]) => boolean} wanted */
    seen: (wanted) => new Promise((resolve) => {
      const look = () => {
        const found = events.find(wanted);
        if (found) {
          lookers.delete(look);
          resolve(found);
        }
      };
      lookers.add(look);
      look();
    }),
  };
}

/** @param {{ server: { mails: any[] } }} outbox who got what, without bounces */
const deliveries = ({ server }) => server.mails.filter(({ from }) => from.address !== '')
  .map(({ to }) => to.map((/** @type {any} */ { address }) => address));

/** @param {{ server: { mails: any[] } }} outbox */
const bounces = ({ server }) => server.mails.filter(({ from }) => from.address === '');

for (const [kind, make] of /** @type {const} */ ([
  ['DictStorage', () => new DictStorage()], ['AsyncDictStorage', () => new AsyncDictStorage()],
])) {
  test(`who is accepted gets the message once, who is deferred later, who is refused never: ${kind}`, async (t) => {
    let asked = 0;
    const box = await outbox(t, {
      to: (address) => {
        if (address.startsWith('b')) return asked++ < 2 ? '451 4.2.1 Later' : undefined;
        return address.startsWith('c') ? '550 5.1.1 No such user' : undefined;
      },
    }, { storage: make() });
    await box.queue.enqueue(envelope);
    await box.empty();
    assert.deepEqual(deliveries(box), [['a@example.com'], ['b@example.com']]);
    assert.equal(box.server.asked.filter((address) => address.startsWith('a')).length, 1);
    assert.equal(box.server.asked.filter((address) => address.startsWith('c')).length, 1);
    assert.equal(bounces(box).length, 1);
    const copies = box.server.mails.filter(({ from }) => from.address !== '');
    assert.ok(copies.every(({ message }) => message.includes('Gr\u00fc\u00dfe')));
  });
}

test('the sender is told of those whom one attempt gives up, and nobody of a notice that cannot be delivered', async (t) => {
  const box = await outbox(t, {
    to: (address) => ({
      'a@example.com': '550 5.1.1 No such user', 'b@example.com': '550 5.1.1 No such user',
      'c@example.com': '552 5.2.2 Full', 'from@example.com': '550 5.1.1 Nobody here either',
    })[address],
  });
  await box.queue.enqueue(envelope);
  await box.empty();
  assert.equal(box.server.mails.length, 0);
  assert.equal(box.server.asked.filter((address) => address === 'from@example.com').length, 1);
});

test('a message that is deferred for ever is given up when the backoff says so, and its sender is told', async (t) => {
  const box = await outbox(t, { to: (address) => (address.startsWith('from') ? undefined : '451 4.3.0 Busy') }, {
    backoff: (/** @type {unknown} */ _envelope, /** @type {number} */ attempts) => (attempts < 3 ? 1 : null),
  });
  await box.queue.enqueue(envelope);
  await box.empty();
  assert.equal(box.server.asked.filter((address) => address.startsWith('a')).length, 3);
  assert.deepEqual(deliveries(box), []);
  assert.equal(bounces(box).length, 1);
});

test('a connection that is lost in the middle of the data is tried again, and the message arrives', async (t) => {
  let begun = 0;
  const box = await outbox(t, { begin: () => (begun++ < 2 ? 'close' : undefined) });
  await box.queue.enqueue(envelope);
  await box.empty();
  assert.equal(begun, 3);
  assert.deepEqual(deliveries(box), [envelope.recipients]);
});

test('what is left waits until it is due', async (t) => {
  const box = await outbox(t, { to: (address) => (address.startsWith('b') ? '451 4.2.1 Later' : undefined) }, {
    backoff: () => HOUR,
  });
  const before = Date.now();
  const [[, id]] = await box.queue.enqueue(envelope);
  await box.seen(([type]) => type === 'deferred');
  const [[due, key]] = [...box.storage.load()];
  assert.equal(key, id);
  assert.ok(due >= before + HOUR && due <= Date.now() + HOUR, String(due - before));
  const [left, attempts, positions] = box.storage.get(id);
  assert.deepEqual([left.recipients, attempts, positions], [['b@example.com'], 1, [1]]);
  assert.deepEqual(deliveries(box), [['a@example.com', 'c@example.com']]);
});

test('a second queue on the same storage goes on where the first one was stopped', async (t) => {
  const first = await outbox(t, { to: (address) => (address.startsWith('b') ? '451 4.2.1 Later' : undefined) }, {
    backoff: () => 20,
  });
  await first.queue.enqueue(envelope);
  await first.seen(([type]) => type === 'deferred');
  await first.queue.stop();
  const second = await outbox(t, {}, { storage: first.storage });
  await second.empty();
  assert.deepEqual(deliveries(first), [['a@example.com', 'c@example.com']]);
  assert.deepEqual(deliveries(second), [['b@example.com']]);
});

test('two queues on one storage send each message once', async (t) => {
  const first = await outbox(t, {});
  const second = await outbox(t, {}, { storage: first.storage });
  const recipients = Array.from({ length: 40 }, (_, i) => `r${i}@example.com`);
  await Promise.all(recipients.map((recipient, i) =>
    (i % 2 ? first : second).queue.enqueue({ ...envelope, recipients: [recipient] })));
  await first.empty();
  assert.deepEqual([...deliveries(first), ...deliveries(second)].flat().sort(), [...recipients].sort());
});

for (const code of ['452 4.5.3', '552']) {
  test(`a server that takes two recipients at once gets all of them two by two, each once: ${code}`, async (t) => {
    let taken = 0;
    const box = await outbox(t, {
      from: () => {
        taken = 0;
      },
      to: () => (taken++ < 2 ? undefined : `${code} Too many recipients`),
    });
    const recipients = Array.from({ length: 5 }, (_, i) => `r${i}@example.com`);
    await box.queue.enqueue({ ...envelope, recipients });
    await box.empty();
    assert.deepEqual(deliveries(box), [recipients.slice(0, 2), recipients.slice(2, 4), recipients.slice(4)]);
    assert.equal(bounces(box).length, 0);
  });
}

test('a sender is told of who needs SMTPUTF8 where the server has none, and the others get the message', async (t) => {
  const box = await outbox(t, {}, { server: { hideSMTPUTF8: true } });
  await box.queue.enqueue({ ...envelope, recipients: ['j\u00fcrgen@example.com', 'a@example.com'] });
  await box.empty();
  assert.deepEqual(deliveries(box), [['a@example.com']]);
  assert.deepEqual(bounces(box).map(({ to }) => to[0].address), ['from@example.com']);
  assert.match(String(bounces(box)[0].message), /^Status: 5\.6\.7\r$/m);
});
