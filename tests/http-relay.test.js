import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { DictStorage, PermanentRelayError, Queue, TransientRelayError } from '../pkg/load/inline.js';
import { httpRelay } from '../pkg/relays.js';
import { cases } from './support/smtp-replies.js';

const id = '0123456789abcdef0123456789abcdef';
const envelope = {
  sender: 'from@example.com',
  recipients: ['a@example.com', 'b@example.com', 'c@example.com'],
  headers: /** @type {[string, string][]} */ ([['Subject', 'Hello']]),
  message: 'Hi\r\n',
};

/** @typedef {{ method: string, url: string, headers: Record<string, any>, body: Buffer }} Got */

/**
 * A server, and what it was asked.
 *
 * @param {import('node:test').TestContext} t
 * @param {(got: Got, response: import('node:http').ServerResponse) => void} answer
 */
async function serve(t, answer) {
  /** @type {Got[]} */
  const requests = [];
  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const { method = '', url = '', headers } = request;
    const got = { method, url, headers, body: Buffer.concat(pieces) };
    requests.push(got);
    answer(got, response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve(undefined)));
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${port}/send`, requests };
}

/**
 * A relay whose request is answered by this.
 *
 * @param {() => any} answer
 * @param {object} [options]
 */
const answeredBy = (answer, options) =>
  httpRelay({ url: 'https://mail.example/', fetch: async () => answer(), ...options });

/**
 * What an attempt says of each recipient, in a few words.
 *
 * @param {import('../pkg/types.js').Relay} relay
 * @param {import('../pkg/types.js').Envelope} [mail]
 */
async function attempt(relay, mail = envelope) {
  let answer;
  try {
    answer = await relay.attempt(mail, 0, { id });
  } catch (error) {
    answer = error;
  }
  return Array.isArray(answer) ? answer.map(say) : [say(answer)];
}

/** @param {any} outcome */
function say(outcome) {
  const { code, message } = outcome.reply ?? outcome;
  if (outcome instanceof PermanentRelayError) return `refused ${code} ${message}`;
  if (outcome instanceof TransientRelayError) return `deferred ${code} ${message}`;
  return code >= 200 && code < 300 ? `delivered ${code} ${message}` : `not understood: ${outcome}`;
}

/**
 * What a response makes of the first recipient.
 *
 * @param {number} status
 * @param {Record<string, string>} [headers]
 * @param {string | null} [body]
 */
const judged = async (status, headers, body = null) =>
  (await attempt(answeredBy(() => new Response(body, { status, headers }))))[0];

/** @param {string} header */
const decoded = (header) => header.split(/, ?/).map((each) => Buffer.from(each, 'base64').toString());

test('the message is posted as it is, with its headers, and the envelope beside it', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.writeHead(202).end());
  const headers = /** @type {[string, string][]} */ ([
    ['Subject', 'Gr\u00fc\u00dfe'], ['To', 'a@example.com,\n b@example.com'],
  ]);
  const message = new Uint8Array([0x2e, 0x0d, 0x0a, 0, 0xff, 0x0a]);
  const mail = { ...envelope, sender: 'j\u00fcrgen@example.com', headers, message };
  assert.deepEqual(await attempt(httpRelay(url), mail), Array(3).fill('delivered 250 2.0.0 HTTP 202 Accepted'));
  const [{ method, url: path, headers: got, body }] = requests;
  assert.equal(`${method} ${path}`, 'POST /send');
  assert.equal(got['content-type'], 'message/rfc822');
  assert.deepEqual(decoded(got['x-envelope-sender']), ['j\u00fcrgen@example.com']);
  assert.deepEqual(decoded(got['x-envelope-recipient']), envelope.recipients);
  const head = 'Subject: Gr\u00fc\u00dfe\r\nTo: a@example.com,\r\n b@example.com\r\n\r\n';
  assert.ok(body.equals(Buffer.concat([Buffer.from(head), message])));
});

test('the null sender is an empty header', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.writeHead(204).end());
  await attempt(httpRelay(new URL(url)), { ...envelope, sender: null });
  assert.equal(requests[0].headers['x-envelope-sender'], '');
});

test('the same request carries the same key, and another request another one', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.writeHead(503).end());
  const relay = httpRelay(url);
  await attempt(relay);
  await attempt(relay);
  await attempt(relay, { ...envelope, recipients: envelope.recipients.slice(1) });
  await relay.attempt(envelope, 0, { id: 'f'.repeat(32) });
  const keys = requests.map(({ headers }) => headers['idempotency-key']);
  assert.equal(keys[0], keys[1]);
  assert.equal(new Set(keys).size, 3);
  await relay.attempt(envelope, 0);
  assert.equal(requests[4].headers['idempotency-key'], undefined);
});

test('a queue that tries again posts the same key for the same recipients', async (t) => {
  const { url, requests } = await serve(t, (_, response) => {
    const some = '{"replies":{"a@example.com":{"code":250,"message":"Ok"}}}';
    if (requests.length === 2) response.writeHead(200, { 'Content-Type': 'application/json' }).end(some);
    else response.writeHead(requests.length < 4 ? 503 : 204).end();
  });
  const storage = new DictStorage();
  const queue = new Queue(storage, httpRelay(url), { backoff: () => 1 });
  const ended = new Promise((resolve) => queue.addEventListener('delivered', () => {
    if (requests.length === 4) resolve(undefined);
  }));
  queue.start();
  const [[, key]] = await queue.enqueue(envelope);
  await ended;
  await queue.stop();
  assert.deepEqual(requests.map(({ headers }) => decoded(headers['x-envelope-recipient']).length), [3, 3, 2, 2]);
  const keys = requests.map(({ headers }) => headers['idempotency-key']);
  for (const each of keys) assert.match(each, new RegExp(`^${key}-[0-9a-f]{16}$`));
  assert.deepEqual([keys[0] === keys[1], keys[1] === keys[2], keys[2] === keys[3]], [true, false, true]);
});

test('a part of the recipients whose answer was lost is asked for again with its key', async (t) => {
  const { url, requests } = await serve(t, (_, response) => {
    if (requests.length === 2) response.destroy();
    else response.writeHead(204).end();
  });
  const queue = new Queue(new DictStorage(), httpRelay(url), { backoff: () => 1 });
  const ended = new Promise((resolve) => queue.addEventListener('delivered', () => {
    if (requests.length === 3) resolve(undefined);
  }));
  queue.start();
  await queue.enqueue({ ...envelope, recipients: Array.from({ length: 150 }, (_, i) => `r${i}@example.com`) });
  await ended;
  await queue.stop();
  assert.deepEqual(requests.map(({ headers }) => decoded(headers['x-envelope-recipient']).length), [100, 50, 50]);
  const [first, lost, again] = requests.map(({ headers }) => headers['idempotency-key']);
  assert.notEqual(first, lost);
  assert.equal(again, lost);
});

test('a service with an interface of its own gets a key by the recipients too', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.writeHead(503).end());
  const relay = httpRelay({ url, body: () => ({ body: '{}' }) });
  const others = ['a@example.com', 'b@example.com', 'd@example.com'];
  for (const recipients of [envelope.recipients, others, envelope.recipients]) {
    await attempt(relay, { ...envelope, recipients });
  }
  const keys = requests.map(({ headers }) => headers['idempotency-key']);
  assert.deepEqual([keys[0] === keys[2], keys[0] === keys[1]], [true, false]);
});

test('headers of the caller go along and take the place of ours', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.writeHead(204).end());
  const fixed = { Authorization: 'Bearer 1', 'Content-Type': 'text/plain' };
  const made = async (/** @type {any} */ { sender }) => ({ 'X-From': sender });
  await attempt(httpRelay({ url, method: 'PUT', headers: fixed }));
  await attempt(httpRelay({ url, headers: made, idempotencyHeader: null }));
  const [first, second] = requests;
  assert.equal(first.method, 'PUT');
  assert.equal(first.headers.authorization, 'Bearer 1');
  assert.equal(first.headers['content-type'], 'text/plain');
  assert.equal(second.headers['x-from'], 'from@example.com');
  assert.equal(second.headers['idempotency-key'], undefined);
});

test('a service with an interface of its own gets the request that is made for it', async (t) => {
  const { url, requests } = await serve(t, (_, response) =>
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"queued":["a@example.com"]}'));
  const relay = httpRelay({
    url,
    body: ({ sender, recipients }, { attempts, id: key }) => ({
      body: JSON.stringify({ from: sender, to: recipients, attempts, key }),
      headers: { 'Content-Type': 'application/json' },
    }),
    async outcome(response) {
      const { queued } = /** @type {any} */ (await response.json());
      return Object.fromEntries(queued.map((/** @type {string} */ each) => [each, { code: 250, message: 'queued' }]));
    },
  });
  assert.deepEqual(await attempt(relay), [
    'delivered 250 queued', ...Array(2).fill('deferred 450 4.5.0 There was no answer for this recipient'),
  ]);
  const [{ headers, body }] = requests;
  assert.deepEqual(JSON.parse(String(body)), { from: envelope.sender, to: envelope.recipients, attempts: 0, key: id });
  assert.equal(headers['x-envelope-sender'], undefined);
});

test('a request of the caller may have a stream as its body', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.writeHead(204).end());
  const relay = httpRelay({ url, body: () => ({ body: new Blob(['a ', 'stream']).stream() }) });
  assert.equal((await attempt(relay))[0].slice(0, 13), 'delivered 250');
  assert.equal(String(requests[0].body), 'a stream');
});

test('what a caller does not decide is left to the rules', async () => {
  const undecided = { outcome: () => undefined };
  assert.match((await attempt(answeredBy(() => new Response('', { status: 500 }), undecided)))[0], /^deferred/);
  assert.match((await attempt(answeredBy(() => new Response('', { status: 200 }), undecided)))[0], /^delivered/);
  const gone = { outcome: () => new PermanentRelayError('Gone') };
  assert.deepEqual(await attempt(answeredBy(() => new Response('', { status: 200 }), gone)),
    Array(3).fill('refused 550 5.0.0 Gone'));
});

test('every status has its meaning', async () => {
  const deferring = [401, 404, 407, 408, 409, 421, 423, 424, 425, 426, 429];
  for (let status = 200; status <= 599; status++) {
    const expected = status <= 205 ? 'delivered'
      : status >= 400 && status < 500 && !deferring.includes(status) ? 'refused' : 'deferred';
    assert.match(await judged(status), new RegExp(`^${expected} [245]50 [245]\\.\\d\\.0 HTTP ${status}`));
  }
});

test('no status of 5xx is a delivery, whatever comes with it', async () => {
  const ok = { code: 250, message: 'Ok' };
  for (const status of [500, 502, 503, 504, 599]) {
    const json = JSON.stringify({ ...ok, replies: [ok, ok, ok], success: true });
    assert.match(await judged(status, { 'Content-Type': 'application/json' }, json), /^deferred/);
    assert.match(await judged(status, { 'X-Smtp-Reply': '250; message="2.6.0 Ok"' }), /^deferred/);
  }
});

test('a redirect is not followed, since the message would get lost on the way', async (t) => {
  for (const status of [301, 302, 303, 307, 308]) {
    const { url, requests } = await serve(t, ({ url: path }, response) => {
      response.writeHead(path === '/send' ? status : 200, { Location: '/elsewhere' }).end();
    });
    for (const said of await attempt(httpRelay(url))) assert.match(said, /^deferred/, String(status));
    assert.equal(requests.length, 1);
  }
});

for (const [what, outcome] of [['answers by itself', () => ({ code: 250, message: '2.0.0 Ok' })], ['throws', () => { throw new Error('no'); }]]) {
  test(`a body that nobody reads is let go where \`outcome\` ${what}`, async () => {
    let cancelled = 0;
    const fetch = async () => new Response(new ReadableStream({ cancel: () => void cancelled++ }));
    await attempt(httpRelay({ url: 'https://mail.example/', fetch, outcome }));
    assert.equal(cancelled, 1);
  });
}

test('an answer that nobody can read is no delivery', async () => {
  const filtered = (/** @type {string} */ type) => Object.defineProperties(new Response(), {
    type: { value: type }, status: { value: 0 }, ok: { value: false },
  });
  for (const answer of [
    ...['opaque', 'opaqueredirect', 'error'].map((type) => () => filtered(type)),
    ...[undefined, null, {}, 'ok', { status: 200 }, { ok: true }].map((none) => () => none), () => Response.error(),
  ]) {
    const [said] = await attempt(answeredBy(answer));
    assert.match(said, /^deferred 450 4\.5\.0 The answer/);
  }
});

test('a page of HTML is no answer of a mail service, whatever its status, and the reply says so', async () => {
  const page = { 'Content-Type': 'text/html; charset=utf-8' };
  for (const status of [200, 202, 207, 400, 403, 404, 422, 451, 502, 503]) {
    for (const said of await attempt(answeredBy(() => new Response('<h1>Log in', { status, headers: page })))) {
      assert.match(said, new RegExp(`^deferred 450 4\\.5\\.0 HTTP ${status}, with a page of HTML`));
    }
  }
  assert.match(await judged(403, { 'Content-Type': 'application/xhtml+xml' }, '<html/>'), /^deferred .* with a page/);
  assert.match(await judged(200, { 'Content-Type': 'text/plain' }, 'queued'), /^delivered/);
  assert.match(await judged(403, { 'Content-Type': 'text/plain' }, '<h1>No'), /^refused/);
  const said = { ...page, 'X-Smtp-Reply': '550; message="5.1.1 No such user"' };
  assert.equal(await judged(500, said, '<h1>No'), 'refused 550 5.1.1 No such user');
});

test('the time that a page of HTML asks for is heeded', async () => {
  const headers = { 'Content-Type': 'text/html', 'Retry-After': '120' };
  const relay = answeredBy(() => new Response('<h1>Busy', { status: 503, headers }));
  assert.equal(/** @type {any} */ (await relay.attempt(envelope, 0))[0].reply.retryAfter, 120_000);
});

test('a request that fails, or is answered in part, is deferred', async (t) => {
  const { url } = await serve(t, (_, response) => response.destroy());
  for (const said of await attempt(httpRelay(url))) {
    assert.match(said, /^deferred 450 4\.4\.1 The request failed: .*(socket|reset|closed)/i);
  }
  const cut = await serve(t, (_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 100 });
    response.write('{"replies":', () => response.destroy());
  });
  for (const said of await attempt(httpRelay(cut.url))) assert.match(said, /^deferred 450 4\.5\.0 .*cannot be read/);
});

test('a server that does not answer in time is left, also in the middle of its answer', async (t) => {
  /** @type {Promise<unknown>[]} */
  const left = [];
  for (const begin of [false, true]) {
    const { url } = await serve(t, (_, response) => {
      left.push(new Promise((resolve) => response.once('close', resolve)));
      if (begin) response.writeHead(200, { 'Content-Type': 'application/json' }).write('{');
    });
    const outcomes = await attempt(httpRelay({ url, timeout: 300 }));
    assert.match(outcomes[0], /^deferred 450 4\.4\.2 There was no answer within 300 ms/);
  }
  await Promise.all(left);
});

test('a fetch that heeds no signal is left as well', async () => {
  const relay = httpRelay({ url: 'https://mail.example/', fetch: () => new Promise(() => {}), timeout: 20 });
  assert.match((await attempt(relay))[0], /^deferred 450 4\.4\.2 There was no answer within 20 ms/);
});

test('a request ends with its attempt, and none is begun after that', async () => {
  const ends = new AbortController();
  /** @type {AbortSignal[]} */
  const signals = [];
  const relay = httpRelay({
    url: 'https://mail.example/',
    fetch: async (_, { signal } = {}) => {
      signals.push(/** @type {AbortSignal} */ (signal));
      ends.abort();
      return new Promise(() => {});
    },
  });
  for (let i = 0; i < 2; i++) {
    await assert.rejects(async () => relay.attempt(envelope, 0, { id, signal: ends.signal }), /4\.4\.7 The attempt was ended/);
  }
  assert.deepEqual(signals.map(({ aborted }) => aborted), [true]);
});

test('an attempt that ends while its request is made ends then, and one that ends between two parts makes no other', async () => {
  for (const options of [{ headers: () => new Promise(() => {}) }, { body: () => new Promise(() => {}) }]) {
    const ends = new AbortController();
    const relay = answeredBy(() => new Response(), options);
    const attempting = relay.attempt(envelope, 0, { id, signal: ends.signal });
    ends.abort();
    await assert.rejects(async () => attempting, /4\.4\.7 The attempt was ended/);
  }
  const ends = new AbortController();
  let requests = 0;
  const relay = answeredBy(() => {
    if (++requests === 2) ends.abort();
    return new Response();
  }, { maxRecipients: 1 });
  const outcomes = /** @type {any[]} */ (await relay.attempt(envelope, 0, { id, signal: ends.signal }));
  assert.equal(requests, 2);
  assert.deepEqual(outcomes.map(say).map((said) => said.split(' ')[0]), ['delivered', 'deferred', 'deferred']);
});

test('a queue that stops ends the request', async () => {
  /** @type {(signal: AbortSignal) => void} */
  let asked = () => {};
  const begun = /** @type {Promise<AbortSignal>} */ (new Promise((resolve) => (asked = resolve)));
  const queue = new Queue(new DictStorage(), httpRelay({
    url: 'https://mail.example/',
    fetch: (_, { signal } = {}) => {
      asked(/** @type {AbortSignal} */ (signal));
      return new Promise(() => {});
    },
  }));
  /** @type {any[]} */
  const deferred = [];
  queue.addEventListener('deferred', ({ detail }) => deferred.push(detail));
  queue.start();
  await queue.enqueue(envelope);
  const signal = await begun;
  await queue.stop({ timeout: 1 });
  assert.ok(signal.aborted);
  assert.match(deferred[0].reply.message, /^4\.4\.7 The attempt was ended/);
});

test('an answer of SMTP in the header says it itself', async () => {
  for (const [status, header, expected] of /** @type {[number, string, string][]} */ ([
    [204, '250; message="2.6.0 Taken"', 'delivered 250 2.6.0 Taken'],
    [500, '550; message="5.1.1 No \\"such\\" user"', 'refused 550 5.1.1 No "such" user'],
    [503, '451; message="4.3.0 Busy"; command="RCPT"', 'deferred 451 4.3.0 Busy'],
    [401, '535; message="5.7.8 Wrong"', 'deferred 450 4.3.0 The server answered 535 5.7.8 Wrong'],
    [200, '550; message="5.7.1 Spam"', 'refused 550 5.7.1 Spam'],
    [200, '451', 'deferred 451 '],
    [200, '354; message="Go"', 'deferred 354 Go'],
    [500, 'nonsense', 'deferred 450 4.0.0 HTTP 500'],
  ])) {
    assert.equal(await judged(status, { 'X-Smtp-Reply': header }), expected, header);
  }
});

test('a reply means over HTTP what it means to a message over SMTP', async () => {
  for (const { at, reply, outcome } of cases) {
    if (at !== '.' || reply.includes('\r\n')) continue;
    const expected = outcome.replace('failed', 'refused');
    const [code, message] = [Number(reply.slice(0, 3)), reply.slice(4)];
    const json = JSON.stringify({ replies: Array(3).fill({ code, message }) });
    assert.equal(await judged(200, { 'Content-Type': 'application/json' }, json), expected, reply);
    if (/[^ -~]/.test(reply)) continue; // nothing for a header
    assert.equal(await judged(200, { 'X-Smtp-Reply': `${code}; message="${message}"` }), expected, reply);
  }
});

test('an answer in JSON counts for each recipient, by position or by address', async () => {
  const replies = [
    { code: 250, message: '2.1.5 Ok' }, { code: 550, message: '5.1.1 No such user' },
    { code: 452, message: '4.2.2 Full' },
  ];
  const expected = ['delivered 250 2.1.5 Ok', 'refused 550 5.1.1 No such user', 'deferred 452 4.2.2 Full'];
  const byAddress = Object.fromEntries(envelope.recipients.map((address, i) => [address, replies[i]]));
  for (const given of [replies, byAddress]) {
    for (const [status, type] of [[200, 'application/json'], [207, 'application/x+json']]) {
      const init = /** @type {ResponseInit} */ ({ status, headers: { 'Content-Type': type } });
      const answer = () => new Response(JSON.stringify({ replies: given }), init);
      assert.deepEqual(await attempt(answeredBy(answer)), expected);
    }
  }
  const twice = { ...envelope, recipients: ['a@example.com', 'b@example.com', 'a@example.com'] };
  const answer = () => Response.json({ replies: byAddress });
  assert.deepEqual(await attempt(answeredBy(answer), twice), [expected[0], expected[1], expected[0]]);
});

test('a recipient that JSON does not answer for is deferred', async () => {
  const ok = { code: 250, message: 'Ok' };
  for (const replies of [
    null, 3, 'ok', true, [], [ok, ok], [ok, ok, ok, ok], {}, { 'x@example.com': ok }, [null, null, null],
    [{}, 'ok', true], [{ code: '250' }, { code: 25 }, { code: 250.5 }], { __proto__: null, 'A@example.com': ok },
  ]) {
    const outcomes = await attempt(answeredBy(() => Response.json({ replies })));
    for (const said of outcomes) assert.match(said, /^deferred 450 4\.5\.0/, JSON.stringify(replies));
  }
  const [a, b] = await attempt(answeredBy(() => Response.json({ replies: { 'a@example.com': ok } })));
  assert.match(a, /^delivered/);
  assert.match(b, /^deferred/);
  const broken = () => new Response('{"replies":', { headers: { 'Content-Type': 'application/json' } });
  assert.match((await attempt(answeredBy(broken)))[0], /^deferred .* cannot be read/);
});

test('JSON without replies says what its status says', async () => {
  const type = { 'Content-Type': 'application/json' };
  assert.match(await judged(200, type, '{"id":"1"}'), /^delivered/);
  assert.match(await judged(202, type, ''), /^delivered/);
  assert.match(await judged(200, type, '"replies"'), /^delivered/);
  assert.match(await judged(207, type, '{}'), /^deferred .* without replies/);
  assert.match(await judged(422, type, '{'), /^refused/);
});

test('the reason of a refusal is told in one line', async () => {
  const type = { 'Content-Type': 'application/problem+json' };
  const odd = '{"detail":"No\\r\\nX: such\\u0007 user"}';
  assert.equal(await judged(422, type, odd), 'refused 550 5.0.0 HTTP 422: No X: such user');
  assert.match(await judged(400, type, '{"error":{"message":"Bad"}}'), /: Bad$/);
  assert.match(await judged(503, type, '{"message":"Later"}'), /^deferred 450 4\.0\.0 HTTP 503: Later$/);
  assert.ok((await judged(400, type, JSON.stringify({ error: 'x'.repeat(100_000) }))).length < 1000);
});

test('the time that a server asks for comes with the reply', async () => {
  const waits = async (/** @type {string} */ value, status = 429) => {
    const relay = answeredBy(() => new Response('', { status, headers: { 'Retry-After': value } }));
    return /** @type {any} */ (await relay.attempt(envelope, 0))[0].reply.retryAfter;
  };
  assert.equal(await waits('120'), 120_000);
  assert.equal(await waits('0', 503), 0);
  const later = await waits(new Date(Date.now() + 3_600_000).toUTCString());
  assert.ok(later > 3_500_000 && later <= 3_600_000, String(later));
  for (const none of ['soon', '-5', '1e9e', '', 'Thu, 01 Jan 1970 00:00:00 GMT']) {
    assert.equal(await waits(none), undefined, none);
  }
});

test('many recipients go in several requests, whose headers stay short', async (t) => {
  const { url, requests } = await serve(t, (_, response) =>
    response.writeHead(requests.length === 2 ? 422 : 200).end());
  const recipients = Array.from({ length: 250 }, (_, i) => `r${i}@example.com`);
  const outcomes = await attempt(httpRelay(url), { ...envelope, recipients });
  assert.deepEqual(requests.flatMap(({ headers }) => decoded(headers['x-envelope-recipient'])), recipients);
  assert.equal(requests.length, 3);
  assert.equal(new Set(requests.map(({ headers }) => headers['idempotency-key'])).size, 3);
  outcomes.forEach((said, i) => assert.match(said, i >= 100 && i < 200 ? /^refused/ : /^delivered/, String(i)));

  requests.length = 0;
  const long = Array.from({ length: 50 }, (_, i) => `${'x'.repeat(600)}${i}@example.com`);
  await attempt(httpRelay(url), { ...envelope, recipients: long });
  assert.deepEqual(requests.flatMap(({ headers }) => decoded(headers['x-envelope-recipient'])), long);
  for (const { headers } of requests) assert.ok(JSON.stringify(headers).length < 8000);
});

test('when the connection is lost between two requests, who was delivered to stays so', async (t) => {
  const { url, requests } = await serve(t, (_, response) => {
    if (requests.length === 1) response.writeHead(200).end();
    else response.destroy();
  });
  const recipients = Array.from({ length: 7 }, (_, i) => `r${i}@example.com`);
  const outcomes = await attempt(httpRelay({ url, maxRecipients: 2 }), { ...envelope, recipients });
  outcomes.forEach((said, i) => assert.match(said, i < 2 ? /^delivered/ : /^deferred/));
  assert.equal(requests.length, 2);
});

test('a URL with a user name or a password is refused, and not shown', (t) => {
  const refused = (/** @type {any} */ options) => assert.throws(() => httpRelay(options), (/** @type {any} */ error) => {
    assert.ok(error instanceof TypeError);
    assert.match(error.message, /^url: /);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
  const urls = ['https://me:secret@mail.example/', 'https://secret@mail.example/', 'https://:secret@mail.example/'];
  for (const url of urls) [url, new URL(url), { url }].forEach(refused);
  refused('https://me:secret@mail.example:none/');
  Object.assign(globalThis, { location: { href: 'https://page.example/' } });
  t.after(() => Reflect.deleteProperty(globalThis, 'location'));
  refused('//me:secret@mail.example/');
  httpRelay('//mail.example/@me:secret');
});

test('options that are none are refused and named', () => {
  const url = 'https://mail.example/';
  for (const [options, expected] of [
    ['nowhere', /^TypeError: url: expected where to post to, without credentials, got the string "nowhere"/],
    [undefined, /^TypeError: options: expected a URL or an object, got undefined/],
    [7, /^TypeError: options: expected a URL or an object, got the number 7/],
    [{}, /^TypeError: url: expected a string or a URL, got undefined/],
    [{ url, fetch: 1 }, /^TypeError: fetch: expected a function, got the number 1/],
    [{ url, body: '' }, /^TypeError: body: expected a function/],
    [{ url, timeout: 0 }, /^RangeError: timeout: expected more than 0/],
    [{ url, maxRecipients: 0 }, /^RangeError: maxRecipients: expected a whole number of at least 1/],
  ]) {
    assert.throws(() => httpRelay(/** @type {any} */ (options)), /** @type {RegExp} */ (expected));
  }
});
