/** What a relay may return as it got it: a response of fetch, and what nodemailer says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DictStorage, Queue } from '../pkg/load/inline.js';
import { message, watch } from './support/queues.js';

/** What became of each of two recipients for this relay. */
async function attempted(attempt) {
  const queue = new Queue(new DictStorage(), { attempt });
  const { events } = watch(queue);
  await queue.enqueue({ ...message(['a@example.com', 'b@example.com']), sender: null });
  await queue.run();
  const told = events.filter(({ type }) => ['delivered', 'deferred', 'failed'].includes(type));
  const became = Object.fromEntries(told.flatMap(({ type, recipients, replies }) => (
    recipients.map((to, i) => [to[0], `${type} ${replies[i]?.code}`]))));
  return { ...became, errors: events.filter(({ type }) => type === 'error').length };
}

const json = (body, status = 200) => new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
const page = () => new Response('<p>', { status: 403, headers: { 'Content-Type': 'text/html' } });
const replies = () => json({ replies: [{ code: 250, message: 'Ok' }, { code: 550, message: '5.1.1 no' }] });
for (const [what, response, expected] of [
  ['200 delivers', () => new Response(''), { a: 'delivered 250', b: 'delivered 250', errors: 0 }],
  ['400 refuses', () => json({ detail: 'no' }, 400), { a: 'failed 550', b: 'failed 550', errors: 0 }],
  ['503 defers', () => new Response('', { status: 503 }), { a: 'deferred 450', b: 'deferred 450', errors: 0 }],
  ['a page of HTML defers', page, { a: 'deferred 450', b: 'deferred 450', errors: 0 }],
  ['a reply for each recipient counts', replies, { a: 'delivered 250', b: 'failed 550', errors: 0 }],
]) {
  test(`of a response that a relay returns, ${what}`, async () => {
    assert.deepEqual(await attempted(async () => response()), expected);
    assert.deepEqual(await attempted(() => response()), expected);
  });
}

const envelope = { from: '', to: ['a@example.com', 'b@example.com'] };
const refusal = (recipient, response) => Object.assign(new Error(response), {
  code: 'EENVELOPE', command: 'RCPT TO', response, responseCode: Number(response.slice(0, 3)), recipient,
});

test('what nodemailer says of each recipient counts', async () => {
  const rejectedErrors = [refusal('b@example.com', '550 5.1.1 no such user')];
  const info = {
    accepted: ['a@example.com'], rejected: ['b@example.com'], rejectedErrors, envelope, messageId: '<1@x>', response: '250 2.0.0 Ok',
  };
  assert.deepEqual(await attempted(async () => info), { a: 'delivered 250', b: 'failed 550', errors: 0 });
});

test('a transport of nodemailer that is none of SMTP has delivered to whom it names', async () => {
  const info = { envelope, messageId: '<1@x>', response: 'queued' };
  assert.deepEqual(await attempted(() => info), { a: 'delivered 250', b: 'delivered 250', errors: 0 });
});

test('a recipient whom nodemailer does not name is tried again, whoever else it names', async () => {
  const info = { accepted: ['a@example.com', 'archive@example.com'], rejected: [], envelope, messageId: '<1@x>', response: '250 Ok' };
  assert.deepEqual(await attempted(() => info), { a: 'delivered 250', b: 'deferred 450', errors: 0 });
});

test('a body without an end is left when it is too long for an answer, or the attempt is out of time', async () => {
  for (const [size, pause] of [[2 ** 18, 0], [1, 20]]) {
    let [pulled, cancelled] = [0, false];
    const body = new ReadableStream({
      async pull(controller) {
        pulled++;
        await new Promise((resolve) => setTimeout(resolve, pause));
        controller.enqueue(new Uint8Array(size));
      },
      cancel() {
        cancelled = true;
      },
    });
    const response = new Response(body, { headers: { 'Content-Type': 'application/json' } });
    const queue = new Queue(new DictStorage(), { attempt: () => response }, { attemptTimeout: 200 });
    await queue.enqueue({ ...message(['a@example.com']), sender: null });
    assert.equal((await queue.run()).deferred, 1);
    assert.ok(cancelled && pulled < 50, `${pulled}`);
  }
});

test('what nodemailer throws counts for each recipient', async () => {
  const thrown = Object.assign(refusal('a@example.com', '550 5.1.1 no such user'), {
    rejectedErrors: [refusal('a@example.com', '550 5.1.1 no such user'), refusal('b@example.com', '451 4.2.0 later')],
  });
  const { a, b } = await attempted(async () => {
    throw thrown;
  });
  assert.deepEqual([a, b], ['failed 550', 'deferred 451']);
});
