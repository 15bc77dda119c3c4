/** The server of the demo: whom it lets post, what it hands over by SMTP, and what it keeps to itself. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { serve } from '../tools/demo/server.js';

const base64 = (text) => Buffer.from(text).toString('base64');
const MESSAGE = 'From: a@example.com\r\nSubject: Hello\r\nX-Outbox-Key: k\r\n\r\nText\r\n';

describe('The server of the demo', () => {
  let server;
  before(async () => {
    server = await serve(0);
  });
  after(() => server.close());
  beforeEach(() => server.arrivals.clear());

  /**
   * @param {string} path as it stands, dots and all
   * @param {{ method?: string, headers?: Record<string, string>, body?: string | Buffer }} [options]
   * @returns {Promise<{ status?: number, headers: any, body: string }>}
   */
  const ask = (path, { method = 'GET', headers = {}, body } = {}) => new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    request({ hostname, port, path, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
    }).on('error', reject).end(body);
  });
  const origin = () => new URL(server.url).origin;
  const post = (path, body, headers = {}) => ask(path, { method: 'POST', body, headers: { origin: origin(), ...headers } });
  const relay = (recipients, { sender = 'a@example.com', body = MESSAGE, ...headers } = {}) => post('/relay', body, {
    'x-envelope-sender': base64(sender), 'x-envelope-recipient': recipients.map(base64).join(', '), ...headers,
  });
  const arrivals = () => server.arrivals.tell(-1, '').arrivals.map(({ to, subject, copies }) => [to, subject, copies]);

  test('hands a message over by SMTP, and answers for each recipient', async () => {
    const { status, body } = await relay(['ana@example.org', 'nobody@example.org', 'busy@example.org']);
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body).replies.map(({ code }) => code), [250, 550, 451]);
    assert.deepEqual(arrivals(), [['ana@example.org', 'Hello', 1]]);
    const again = await relay(['busy@example.org']);
    assert.deepEqual(JSON.parse(again.body).replies.map(({ code }) => code), [250]);
  });

  test('sends what is repeated with the same key once, also while the first answer is under way', async () => {
    server.arrivals.turn({ slow: 50 });
    const once = { 'idempotency-key': 'one' };
    const answers = await Promise.all([relay(['ana@example.org'], once), relay(['ana@example.org'], once)]);
    answers.push(await relay(['ana@example.org'], once));
    assert.equal(new Set(answers.map(({ body }) => body)).size, 1);
    assert.deepEqual(arrivals(), [['ana@example.org', 'Hello', 1]]);
    await relay(['ana@example.org'], { 'idempotency-key': 'another' });
    assert.deepEqual(arrivals(), [['ana@example.org', 'Hello', 2]], 'what arrives twice is counted twice');
  });

  test('asks again for whom nothing was sent to', async () => {
    const key = { 'idempotency-key': 'refused' };
    server.arrivals.turn({ refuse: 100 });
    assert.equal(JSON.parse((await relay(['ana@example.org'], key)).body).replies[0].code, 550);
    server.arrivals.turn({ refuse: 0 });
    assert.equal(JSON.parse((await relay(['ana@example.org'], key)).body).replies[0].code, 250);
  });

  test('takes no address that would be another command or another header', async () => {
    for (const address of ['a@b.c>\r\nDATA', 'a@b.c\r\nRCPT TO:<x@y.z>', 'a@b.c\0', '<a@b.c>', 'a b', '']) {
      assert.equal((await relay([address])).status, 400, JSON.stringify(address));
      if (address !== '') assert.equal((await relay(['ana@example.org'], { sender: address })).status, 400);
    }
    assert.deepEqual(arrivals(), []);
  });

  test('takes messages up to a size', async () => {
    const { status } = await relay(['ana@example.org'], { body: Buffer.alloc(30_000_001, 'x') });
    assert.equal(status, 413);
    assert.equal((await post('/dials', 'x'.repeat(10_001))).status, 413);
    assert.deepEqual(arrivals(), []);
  });

  test('lets only its own page post, and answers under no other name', async () => {
    for (const from of [{}, { origin: 'http://evil.example' }, { origin: 'null' }]) {
      for (const path of ['/relay', '/dials', '/clear']) {
        assert.equal((await ask(path, { method: 'POST', body: '{}', headers: from })).status, 403);
      }
    }
    assert.equal((await ask('/', { headers: { host: 'evil.example' } })).status, 421);
    assert.equal((await ask('/inbox', { headers: { host: `localhost:${new URL(server.url).port}` } })).status, 421);
  });

  test('refuses dials that are none', async () => {
    for (const dials of ['{"slow": -1}', '{"defer": 101}', '{"away": 1}', '{"other": 1}', '[]1', 'null']) {
      assert.equal((await post('/dials', dials)).status, 400, dials);
    }
    assert.equal((await post('/dials', '{"slow": 5, "away": false}')).status, 200);
  });

  test('goes on after an address that is none and a request that ends before it is whole', async () => {
    assert.equal((await ask('//')).status, 400);
    const { hostname, port } = new URL(server.url);
    const aborted = request({ hostname, port, path: '/dials', method: 'POST', headers: { origin: origin(), 'content-length': '9' } });
    aborted.on('error', () => {}).write('{', () => aborted.destroy());
    await new Promise((resolve) => aborted.once('close', resolve));
    assert.equal((await post('/dials', '{}')).status, 200);
  });

  test('answers nobody while it is away', async () => {
    server.arrivals.turn({ away: true });
    await assert.rejects(relay(['ana@example.org']), /socket hang up|ECONNRESET/);
  });

  test('serves only what belongs to the page, with a strict policy', async () => {
    const index = await ask('/');
    assert.equal(index.status, 200);
    const policy = String(index.headers['content-security-policy']);
    assert.match(policy, /default-src 'none'.*script-src 'self' 'wasm-unsafe-eval'/);
    assert.doesNotMatch(policy, /unsafe-inline|'unsafe-eval'/);
    assert.match(String((await ask('/main.js')).headers['content-type']), /^text\/javascript/);
    assert.equal((await ask('/samples/plain-note.eml')).headers['content-type'], 'message/rfc822');
    assert.deepEqual([(await ask('/', { method: 'HEAD' })).body, (await ask('/', { method: 'PUT' })).status], ['', 405]);
    for (const path of [
      '/nothing.html', '/view/board.js', '/tsconfig.json', '/../package.json', '/..%2fREADME.md', '/samples',
      '/%2e%2e/www/../Cargo.toml', '/a%00.html', '/%',
    ]) {
      assert.equal((await ask(path)).status, 404, path);
    }
  });
});
