import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DictStorage, Queue } from '../pkg/load/inline.js';
import {
  addDateHeader, addMessageIdHeader, addReceivedHeader, splitByDomain, splitByRecipient,
} from '../pkg/policies.js';
import { all, message, onEachStorage } from './support/queues.js';

/** 14 November 2023, 22:13:20 in UTC. */
const timestamp = 1_700_000_000_000;

/** What a queue with these policies stores. */
async function applied(policies, envelope) {
  const queue = new Queue(new DictStorage());
  for (const policy of policies) queue.addPolicy(policy);
  return (await queue.enqueue(envelope)).map(([stored]) => stored);
}

test('a date is added after the other headers where there is none', async () => {
  const [stored] = await applied([addDateHeader()], message(['a'], { timestamp }));
  assert.deepEqual(stored.headers, [['Subject', 'Hello'], ['Date', 'Tue, 14 Nov 2023 22:13:20 +0000']]);
  const dated = message(['a'], { headers: [['date', 'yesterday']] });
  assert.deepEqual((await applied([addDateHeader()], dated))[0].headers, dated.headers);
  for (const untimed of [{ timestamp: null }, { headers: undefined }]) {
    const before = Math.floor(Date.now() / 1000) * 1000;
    const [{ headers }] = await applied([addDateHeader()], message(['a'], untimed));
    assert.ok(Date.parse(headers.at(-1)[1]) >= before);
  }
});

test('a message id is generated at the receiver or the domain of the sender where there is none', async () => {
  for (const [more, host] of [
    [{ receiver: 'mx.example.org' }, 'mx.example.org'], [{}, 'example.com'], [{ receiver: 'no host' }, 'example.com'],
    [{ sender: 'me' }, 'localhost'], [{ sender: null, receiver: null }, 'localhost'],
  ]) {
    const seen = new Set();
    for (let i = 0; i < 2; i++) {
      const [{ headers }] = await applied([addMessageIdHeader()], message(['a'], more));
      assert.match(headers[1].join(), new RegExp(`^Message-ID,<[0-9a-f]{32}@${host}>$`));
      seen.add(headers[1][1]);
    }
    assert.equal(seen.size, 2);
  }
  const named = message(['a'], { headers: [['MESSAGE-id', '<1@x>']] });
  assert.deepEqual((await applied([addMessageIdHeader()], named))[0].headers, named.headers);
});

test('Received stands first and says what is known, and nothing that is no name', async () => {
  for (const [client, recipients, value] of [
    [{ ip: '2001:db8::1', host: 'pc.example.com', name: 'pc', protocol: 'ESMTPSA' }, ['a@x'],
      'from pc (pc.example.com [IPv6:2001:db8::1])\r\n by mx.example.org\r\n with ESMTPSA\r\n for <a@x>'],
    [{ ip: '192.0.2.1', name: 'x) by evil (\r\nBcc: y' }, ['a@x', 'b@x'],
      'from unknown (unknown [192.0.2.1])\r\n by mx.example.org'],
    [undefined, ['a <b>@x'], 'by mx.example.org'],
  ]) {
    const envelope = message(recipients, { timestamp, receiver: 'mx.example.org', ...(client && { client }) });
    const [{ headers }] = await applied([addReceivedHeader()], envelope);
    assert.deepEqual(headers, [['Received', `${value};\r\n Tue, 14 Nov 2023 22:13:20 +0000`], ['Subject', 'Hello']]);
  }
});

test('a split makes an envelope for each recipient, or for each domain', async () => {
  const envelope = message(['a@x.org', 'b@y.org', 'none', 'c@X.ORG', '@', 'a@x.org'], { extra: 1 });
  const groups = (stored) => stored.map(({ recipients }) => recipients.join(' '));
  assert.deepEqual(groups(await applied([splitByRecipient()], envelope)), envelope.recipients);
  const stored = await applied([addMessageIdHeader(), splitByDomain()], envelope);
  assert.deepEqual(groups(stored), ['a@x.org c@X.ORG a@x.org', 'b@y.org', 'none', '@']);
  for (const { headers, message, extra } of stored) {
    assert.deepEqual([headers, message, extra], [stored[0].headers, envelope.message, 1]);
  }
  assert.deepEqual(groups(await applied([splitByDomain(), splitByRecipient()], message(['a@x']))), ['a@x']);
});

test('however many a split makes, the body is in memory a few times at most', async () => {
  const MIB = 2 ** 20;
  const body = new Uint8Array(MIB);
  const before = process.memoryUsage().arrayBuffers;
  const stored = await applied([splitByRecipient()], message(Array(300).fill('a@example.com'), { message: body }));
  const used = process.memoryUsage().arrayBuffers - before;
  assert.equal(stored.length, 300);
  assert.deepEqual(stored[299].message, body);
  assert.ok(used < 30 * MIB, `${used} bytes`);
});

test('a policy of the package names the field that is wrong, and does without a queue', () => {
  const envelope = { sender: null, recipients: ['a'] };
  addDateHeader().apply(envelope);
  assert.equal(/** @type {any} */ (envelope).headers[0][0], 'Date');
  const wrong = /** @type {any} */ ({ ...envelope, headers: [['A']] });
  for (const policy of [addDateHeader(), addMessageIdHeader(), addReceivedHeader(), splitByDomain()]) {
    assert.throws(() => policy.apply(wrong), /^TypeError: headers\[0\]: /);
  }
});

test('a policy that makes one envelope after another may use the same bytes for each', async () => {
  const bytes = new Uint8Array(1);
  const policy = {
    * apply({ recipients, ...envelope }) {
      for (const recipient of recipients) {
        bytes[0]++;
        yield { ...envelope, recipients: [recipient], message: bytes };
      }
    },
  };
  assert.deepEqual((await applied([policy], message(['a', 'b', 'c']))).map((stored) => stored.message[0]), [1, 2, 3]);
});

onEachStorage('A queue', (scene) => {
  test('a message to nobody and a header name that RFC 5322 does not allow are refused, and nothing is stored', async () => {
    const { queue } = scene.make(null);
    await assert.rejects(queue.enqueue(message([])), {
      name: 'RangeError', message: 'recipients: expected at least one recipient, got the number 0',
    });
    for (const name of ['Sub ject', '', 'A:b', 'Ü', 'A\t', 'A\x7f']) {
      await assert.rejects(queue.enqueue(message(['a'], { headers: [['A', '1'], [name, '2']] })), (error) => (
        error instanceof TypeError && /^headers\[1\]\[0\]: expected a header name.*, got the string "/.test(error.message)));
    }
    const [nobody, odd] = [message([]), message(['a'], { headers: [['Sub ject', '2']] })];
    queue.addPolicy(splitByRecipient());
    queue.addPolicy({ apply: ({ recipients: [to] }) => (to === 'nobody' ? [nobody] : to === 'odd' ? [odd] : undefined) });
    await assert.rejects(queue.enqueue(message(['a', 'nobody'])), /^RangeError: recipients: /);
    await assert.rejects(queue.enqueue(message(['a', 'odd'])), /^TypeError: headers\[0\]\[0\]: /);
    assert.deepEqual(await all(scene.storage.load()), []);
    for (const envelope of [nobody, odd]) await scene.storage.write(envelope, 0);
    assert.equal(await scene.left(), 2);
  });

  test('a policy may find the recipients of a message that had none', async () => {
    const { queue } = scene.make(null);
    queue.addPolicy({ apply: async (envelope) => {
      await undefined;
      envelope.recipients.push('a');
    } });
    const [[{ recipients }]] = await queue.enqueue(message([]));
    assert.deepEqual(recipients, ['a']);
  });

  test('what a policy returns that is no list of envelopes is refused, and nothing is stored', async () => {
    for (const [made, got] of [[{}, 'an object'], [message(['a']), 'an object'], [5, 'the number 5'], ['ab', 'the string'], [false, 'false']]) {
      const queue = new Queue(new DictStorage());
      queue.addPolicy({ apply: async () => made });
      const error = await queue.enqueue(message(['a'])).catch((error) => error);
      assert.match(String(error), new RegExp(`^TypeError: policy.apply: expected a list of envelopes, or nothing, .* got ${got}`));
    }
    assert.throws(() => new Queue(new DictStorage()).addPolicy(splitByDomain), /^TypeError: policy: expected an object with a method apply, got a function/);
  });

  test('a policy that returns no envelopes drops the message', async () => {
    const { queue } = scene.make(null);
    queue.addPolicy({ apply: () => [] });
    assert.deepEqual(await queue.enqueue(message(['a'])), []);
    assert.equal(await scene.left(), 0);
  });
});
