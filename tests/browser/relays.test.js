/** What browsers show of an answer from elsewhere, and what the relay over HTTP makes of it. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { inEngines } from '../support/engines.js';

const LEAVE = {
  'access-control-allow-origin': '*', 'access-control-allow-methods': 'POST',
  'access-control-allow-headers': 'content-type, idempotency-key, x-envelope-sender, x-envelope-recipient',
};
const READABLE = { 'access-control-expose-headers': 'X-Smtp-Reply, Retry-After' };
const REFUSAL = { 'x-smtp-reply': '550; message="5.1.1 No such user"' };

/** Each address with its answer, and what the relay makes of it. */
const ANSWERS = /** @type {Record<string, { status: number, headers?: object, expected: string }>} */ ({
  accepts: { status: 202, expected: 'delivered 250 2.0.0 HTTP 202 Accepted' },
  refuses: { status: 422, expected: 'PermanentRelayError 550 5.0.0 HTTP 422 Unprocessable Entity' },
  breaks: { status: 503, expected: 'TransientRelayError 450 4.0.0 HTTP 503 Service Unavailable' },
  says: { status: 500, headers: { ...REFUSAL, ...READABLE }, expected: 'PermanentRelayError 550 5.1.1 No such user' },
  whispers: { status: 500, headers: REFUSAL, expected: 'TransientRelayError 450 4.0.0 HTTP 500 Internal Server Error' },
  redirects: {
    status: 303, headers: { location: '/accepts' },
    expected: 'TransientRelayError 450 4.5.0 The answer cannot be read (a redirect, or an opaque one)',
  },
});

/** @type {import('node:http').Server} */
let service;
let url = '';
/** @type {string[]} what was posted where */
const posted = [];

before(async () => {
  service = createServer(async (request, response) => {
    const name = String(request.url).slice(1);
    if (request.method === 'OPTIONS') return response.writeHead(204, name === 'forbids' ? {} : LEAVE).end();
    let body = '';
    for await (const piece of request.setEncoding('utf8')) body += piece;
    posted.push(`${name} ${body}`);
    const { status, headers } = ANSWERS[name] ?? { status: 200 };
    response.writeHead(status, { ...LEAVE, ...headers }).end();
  });
  await new Promise((resolve) => service.listen(0, '127.0.0.1', () => resolve(undefined)));
  url = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (service.address()).port}/`;
});
after(() => {
  service.closeAllConnections();
  service.close();
});

inEngines('HTTP', (scene) => {
  /**
   * What the relay in the page says of a message that is posted there.
   *
   * @param {string} name
   */
  const posts = (name) => scene.tabs[0].evaluate(async (/** @type {string} */ target) => {
    const { httpRelay } = await import(/** @type {string} */ ('/relays.js'));
    const envelope = { sender: 'me@example.com', recipients: ['you@example.com'], message: 'Gr\u00fc\u00dfe' };
    let outcome;
    try {
      [outcome] = await httpRelay(target).attempt(envelope, 0, { id: 'abc' });
    } catch (error) {
      outcome = error;
    }
    const { name = 'delivered', reply = outcome } = outcome;
    return `${name} ${reply.code} ${reply.message}`;
  }, url + name);

  for (const [name, { status, expected }] of Object.entries(ANSWERS)) {
    test(`a service that ${name}, with status ${status}, is understood`, async () => {
      posted.length = 0;
      assert.equal(await posts(name), expected);
      assert.deepEqual(posted, [`${name} \r\nGr\u00fc\u00dfe`]);
    });
  }

  test('a service that takes nothing from pages gets nothing, and the message is deferred', async () => {
    posted.length = 0;
    assert.match(await posts('forbids'), /^TransientRelayError 450 4\.4\.1 The request failed/);
    assert.deepEqual(posted, []);
  });
});
