import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import nodemailer from 'nodemailer';
import { PermanentRelayError, TransientRelayError } from '../pkg/load/inline.js';
import { smtpRelay } from '../pkg/relays.js';
import { startSmtp } from './support/smtp.js';
import { cases, startReplies } from './support/smtp-replies.js';

/** @typedef {import('./support/smtp.js').Rules} Rules */

const envelope = {
  sender: 'from@example.com',
  recipients: ['a@example.com', 'b@example.com', 'c@example.com'],
  headers: /** @type {[string, string][]} */ ([['Subject', 'Hello']]),
  message: 'Hi\r\n',
};

/**
 * A server, and a relay that delivers to it.
 *
 * @param {import('node:test').TestContext} t
 * @param {Rules} [rules]
 * @param {{ server?: any, transport?: any, relay?: any }} [options]
 */
async function pair(t, rules, options = {}) {
  const server = await startSmtp(rules, options.server);
  const transport = nodemailer.createTransport({
    host: '127.0.0.1', port: server.port, ignoreTLS: true, ...options.transport,
  });
  t.after(async () => {
    transport.close();
    await server.stop();
  });
  return { server, relay: smtpRelay(transport, options.relay) };
}

/**
 * What an attempt says of each recipient, in a few words.
 *
 * @param {import('../pkg/types.js').Relay} relay
 * @param {import('../pkg/types.js').Envelope} mail
 */
async function attempt(relay, mail = envelope) {
  let answer;
  try {
    answer = await relay.attempt(mail, 0);
  } catch (error) {
    answer = error;
  }
  return Array.isArray(answer) ? answer.map(say) : say(answer);
}

/** @param {any} outcome */
function say(outcome) {
  if (outcome instanceof PermanentRelayError) return `refused ${outcome.reply.code} ${outcome.reply.message}`;
  if (outcome instanceof TransientRelayError) return `deferred ${outcome.reply.code} ${outcome.reply.message}`;
  return `delivered ${outcome.code} ${outcome.message}`;
}

/**
 * A relay over a transport that fails with this.
 *
 * @param {object} error
 */
const failingWith = (error) => smtpRelay({ sendMail: () => Promise.reject(Object.assign(new Error('lost'), error)) });

/** @param {any[]} addresses */
const names = (addresses) => addresses.map(({ address }) => address);

test('who is accepted is delivered to, with the answer of the server', async (t) => {
  const { server, relay } = await pair(t);
  assert.deepEqual(await attempt(relay), Array(3).fill('delivered 250 2.6.0 Taken'));
  assert.equal(server.mails.length, 1);
  assert.equal(server.mails[0].from.address, 'from@example.com');
  assert.deepEqual(names(server.mails[0].to), envelope.recipients);
});

test('the message arrives byte for byte, dots, folds and foreign bytes included', async (t) => {
  const { server, relay } = await pair(t);
  const head = 'Subject: Gr\u00fc\u00dfe\r\nTo: a@example.com,\r\n b@example.com\r\nX-Empty: \r\n\r\n';
  const body = Buffer.from([...Buffer.from('.\r\n..\r\n.dot\r\n\0'), 0xff, 0xfe, ...Buffer.from('\r\nend\r\n')]);
  const headers = /** @type {[string, string][]} */ ([
    ['Subject', 'Gr\u00fc\u00dfe'], ['To', 'a@example.com,\n b@example.com'], ['X-Empty', ''],
  ]);
  await attempt(relay, { ...envelope, headers, message: new Uint8Array(body) });
  assert.ok(server.mails[0].message.equals(Buffer.concat([Buffer.from(head), body])));
  assert.equal(server.mails[0].from.args.BODY, '8BITMIME');
});

test('headers of forms that nobody writes any more are sent as they are', async (t) => {
  const { server, relay } = await pair(t);
  const headers = /** @type {[string, string][]} */ ([['Subject ', ' old'], ['X-\u00fc', '1'], ['A', '\r\n \r\n\tb']]);
  await attempt(relay, { ...envelope, headers });
  const head = 'Subject :  old\r\nX-\u00fc: 1\r\nA: \r\n \r\n\tb\r\n\r\n';
  assert.equal(String(server.mails[0].message), `${head}Hi\r\n`);
});

test('each recipient gets its own answer, in the order of the envelope', async (t) => {
  const { server, relay } = await pair(t, {
    to: (address) => ({ 'a@example.com': '550 5.1.1 No such user', 'c@example.com': '452 4.2.2 Full' })[address],
  });
  assert.deepEqual(await attempt(relay), [
    'refused 550 5.1.1 No such user', 'delivered 250 2.6.0 Taken', 'deferred 452 4.2.2 Full',
  ]);
  assert.deepEqual(names(server.mails[0].to), ['b@example.com']);
});

test('when nobody is accepted each recipient gets its own answer still', async (t) => {
  for (const hidePIPELINING of [false, true]) {
    const { server, relay } = await pair(t, {
      to: (address) => (address.startsWith('b') ? '451 4.3.0 Busy' : '550 5.1.1 No such user'),
    }, { server: { hidePIPELINING } });
    assert.deepEqual(await attempt(relay), [
      'refused 550 5.1.1 No such user', 'deferred 451 4.3.0 Busy', 'refused 550 5.1.1 No such user',
    ]);
    assert.equal(server.mails.length, 0);
  }
});

test('a recipient named twice, or in another spelling, is asked for once and answered for each time', async (t) => {
  const { server, relay } = await pair(t, {
    to: (address) => (address.startsWith('b') ? '450 4.2.1 Later' : undefined),
  });
  const recipients = [
    'a@example.com', 'b@example.com', 'a@EXAMPLE.com', 'b@example.com', '"a"@example.com', 'A@example.com',
  ];
  const outcomes = await attempt(relay, { ...envelope, recipients });
  const [sent, later] = ['delivered 250 2.6.0 Taken', 'deferred 450 4.2.1 Later'];
  assert.deepEqual(outcomes, [sent, later, sent, later, sent, sent]);
  assert.equal(server.asked.length, 3);
});

test('who is too many for one transaction is deferred, as 452 or as the 552 of old servers', async (t) => {
  for (const [answer, expected] of [
    ['452 4.5.3 Too many recipients', 'deferred 452 4.5.3 Too many recipients'],
    ['452 Too many recipients', 'deferred 452 Too many recipients'],
    ['552 Too many recipients', 'deferred 452 4.5.3 The server answered 552 Too many recipients'],
    ['552 5.5.3 Too many recipients', 'deferred 452 4.5.3 The server answered 552 5.5.3 Too many recipients'],
    ['552 4.5.3 Too many recipients', 'deferred 452 4.5.3 The server answered 552 4.5.3 Too many recipients'],
    ['552 5.2.2 Mailbox full', 'refused 552 5.2.2 Mailbox full'],
    ['552 5.3.4 Message too big', 'refused 552 5.3.4 Message too big'],
  ]) {
    for (const hidePIPELINING of [false, true]) {
      const { server, relay } = await pair(t, {
        to: (address) => (address.startsWith('a') ? undefined : answer),
      }, { server: { hidePIPELINING } });
      assert.deepEqual(await attempt(relay), ['delivered 250 2.6.0 Taken', expected, expected]);
      assert.deepEqual(names(server.mails[0].to), ['a@example.com']);
    }
  }
});

test('every reply has its meaning, by the command that it is to', async (t) => {
  const server = await startReplies();
  t.after(server.stop);
  for (const [number, { at, reply, outcome }] of cases.entries()) {
    const transport = nodemailer.createTransport({ host: '127.0.0.1', port: server.port, name: `case-${number}` });
    const outcomes = await attempt(smtpRelay(transport), { ...envelope, recipients: ['a@example.com'] });
    assert.deepEqual([outcomes].flat(), [outcome.replace('failed', 'refused')], `${at} ${reply}`);
  }
});

test('every address is sent, or needs SMTPUTF8, or is refused', async (t) => {
  const server = await startReplies();
  t.after(server.stop);
  const relay = smtpRelay(nodemailer.createTransport({ host: '127.0.0.1', port: server.port }));
  /** @type {{ address: string, outcome: string }[]} */
  const addresses = JSON.parse(readFileSync(new URL('fixtures/smtp-addresses.json', import.meta.url), 'utf8'));
  const outcomes = await attempt(relay, { ...envelope, recipients: addresses.map(({ address }) => address) });
  /** @type {Record<string, string>} */
  const said = {
    sent: 'delivered 250 2.6.0 Taken', refused: 'refused 553 5.1.3 The address cannot be sent over SMTP',
    'needs SMTPUTF8': 'refused 553 5.6.7 The address needs SMTPUTF8, which the server does not offer',
  };
  addresses.forEach(({ address, outcome }, i) => assert.equal(outcomes[i], said[outcome], JSON.stringify(address)));
});

test('a sender that is refused is an answer for everybody, refused or deferred as it says', async (t) => {
  for (const [answer, expected] of [
    ['550 5.7.1 Not you', 'refused 550 5.7.1 Not you'], ['451 4.7.1 Greylisted', 'deferred 451 4.7.1 Greylisted'],
  ]) {
    for (const hidePIPELINING of [false, true]) {
      const { server, relay } = await pair(t, { from: () => answer }, { server: { hidePIPELINING } });
      assert.deepEqual(await attempt(relay), Array(3).fill(expected));
      assert.equal(server.mails.length, 0);
    }
  }
});

test('a message that is refused after it was sent is refused or deferred for everybody', async (t) => {
  for (const [answer, expected] of [
    ['554 5.7.1 Spam', 'refused 554 5.7.1 Spam'], ['452 4.3.1 No space', 'deferred 452 4.3.1 No space'],
  ]) {
    const { server, relay } = await pair(t, { data: () => answer });
    assert.deepEqual(await attempt(relay), Array(3).fill(expected));
    assert.equal(server.mails.length, 0);
  }
});

test('a connection that ends at any step delivers to nobody and refuses nobody', async (t) => {
  for (const step of ['connect', 'from', 'to', 'begin', 'data']) {
    const { server, relay } = await pair(t, { [step]: () => 'close' });
    for (const said of await attempt(relay)) assert.match(said, /^deferred 450 4\.4\.2 /, step);
    assert.equal(server.mails.length, 0, step);
  }
});

test('a server that says nothing any more is left when the time is over', async (t) => {
  for (const step of ['connect', 'from', 'to', 'data']) {
    const { server, relay } = await pair(t, { [step]: () => 'hang' }, { relay: { timeout: 300 } });
    const outcomes = await attempt(relay);
    await server.left();
    assert.deepEqual(outcomes, Array(3).fill('deferred 450 4.4.2 There was no answer within 300 ms'), step);
  }
});

test('where nobody listens the message is deferred', async () => {
  const relay = smtpRelay(nodemailer.createTransport({ host: '127.0.0.1', port: 1 }));
  for (const said of await attempt(relay)) assert.match(said, /^deferred 450 4\.4\.2 .*ECONNREFUSED/);
});

test('a server that refuses the connection or the credentials refuses no message', async (t) => {
  const closed = await pair(t, { connect: () => '554 5.3.2 Not here' });
  for (const said of await attempt(closed.relay)) assert.match(said, /^deferred 450 4\.3\.0 .*554/);

  const onAuth = (/** @type {any[]} */ ...[, , callback]) => callback(new Error());
  const server = { disabledCommands: ['STARTTLS'], onAuth };
  const login = await pair(t, {}, { server, transport: { auth: { user: 'me', pass: 'wrong' } } });
  for (const said of await attempt(login.relay)) assert.match(said, /^deferred 450 4\.3\.0 .*535/);

  const anonymous = await pair(t, {}, { server });
  for (const said of await attempt(anonymous.relay)) assert.match(said, /^deferred 450 4\.3\.0 .*530/);
});

test('a message longer than the server takes is refused', async (t) => {
  const { server, relay } = await pair(t, {}, { server: { size: 1000 } });
  const outcomes = await attempt(relay, { ...envelope, message: 'x'.repeat(2000) });
  for (const said of outcomes) assert.match(said, /^refused 552 5\.3\.4 /);
  assert.equal(server.asked.length, 0);
});

test('addresses beyond ASCII are announced and arrive as they are', async (t) => {
  const { server, relay } = await pair(t);
  const recipients = ['\u7528\u6237@\u4f8b\u5b50.example', 'a@b\u00fccher.example', 'j\u00fcrgen@example.com'];
  const outcomes = await attempt(relay, { ...envelope, sender: 'j\u00fcrgen@b\u00fccher.example', recipients });
  assert.deepEqual(outcomes, Array(3).fill('delivered 250 2.6.0 Taken'));
  const [{ from, to }] = server.mails;
  assert.equal(from.args.SMTPUTF8, true);
  assert.equal(from.address, 'j\u00fcrgen@b\u00fccher.example');
  assert.deepEqual(names(to), recipients);
});

test('an address that needs SMTPUTF8 is refused and not sent where the server has none, and the others go', async (t) => {
  for (const lmtp of [false, true]) {
    const { server, relay } = await pair(t, {}, { server: { hideSMTPUTF8: true, lmtp }, transport: { lmtp } });
    const recipients = ['j\u00fcrgen@example.com', 'a@b\u00fccher.example', '\u7528\u6237@\u4f8b\u5b50.example', 'b@example.com'];
    const outcomes = await attempt(relay, { ...envelope, recipients });
    const refused = 'refused 553 5.6.7 The address needs SMTPUTF8, which the server does not offer';
    assert.deepEqual([outcomes[0], outcomes[2]], [refused, refused]);
    for (const said of [outcomes[1], outcomes[3]]) assert.match(said, /^delivered/);
    assert.equal(server.asked.length, 2);
    assert.equal(server.mails.length, 1);
    // It is known from now on.
    assert.deepEqual(await attempt(relay, { ...envelope, recipients: [recipients[0]] }), [refused]);
    const mine = { ...envelope, sender: 'j\u00fcrgen@example.com' };
    const expected = 'refused 550 5.6.7 The address of the sender needs SMTPUTF8, which the server does not offer';
    assert.deepEqual(await attempt(relay, mine), Array(3).fill(expected));
    assert.equal(server.asked.length, 2);
  }
});

test('only the recipients who need SMTPUTF8 are asked for with it', async (t) => {
  const { server, relay } = await pair(t);
  const recipients = ['j\u00fcrgen@example.com', 'a@b\u00fccher.example', 'b@example.com'];
  assert.deepEqual(await attempt(relay, { ...envelope, recipients }), Array(3).fill('delivered 250 2.6.0 Taken'));
  assert.deepEqual(server.mails.map(({ from, to }) => [from.args.SMTPUTF8 === true, names(to)]), [
    [false, ['a@b\u00fccher.example', 'b@example.com']], [true, ['j\u00fcrgen@example.com']],
  ]);
});

test('the null sender stays the null sender', async (t) => {
  for (const sender of ['', null]) {
    const { server, relay } = await pair(t);
    await attempt(relay, { ...envelope, sender });
    assert.equal(server.mails[0].from.address, '');
  }
});

test('no address adds a recipient, a command or a parameter', async (t) => {
  const bad = [
    'a@example.com\r\nRCPT TO:<evil@example.com>', 'a@example.com> SIZE=1', '<a@example.com>',
    'Name <evil@example.com>', 'a@example.com\n', '\0a@example.com', ' a@example.com', '', 'a\ud800@example.com',
    'a@example.com\u2028',
  ];
  const odd = [
    'evil@example.com, other@example.com', 'group: evil@example.com;', 'evil@example.com@example.org',
    'a b@example.com',
  ];
  const { server, relay } = await pair(t);
  const outcomes = await attempt(relay, { ...envelope, recipients: [...bad, 'good@example.com', ...odd] });
  bad.forEach((address, i) => assert.match(outcomes[i], /^refused 553 5\.1\.3 /, JSON.stringify(address)));
  assert.match(outcomes[bad.length], /^delivered/);
  const expected = [
    'good@example.com', '"evil@example.com, other"@example.com', '"group: evil"@example.com;',
    '"evil@example.com"@example.org', '"a b"@example.com',
  ];
  for (const address of server.asked) assert.ok(expected.includes(address), address);
  const before = server.mails.length;
  for (const sender of bad.filter(Boolean)) {
    assert.match(String(await attempt(relay, { ...envelope, sender })), /^refused 553 5\.1\.7 /);
  }
  assert.equal(server.mails.length, before);
});

test('a header that would not be one header is no message', async (t) => {
  const { server, relay } = await pair(t);
  for (const header of [['Subject', 'x\r\nBcc: evil@example.com'], ['X\r\nY', 'x'], ['X', 'a\0'], ['X', 'a\r'], ['X:Y', 'x']]) {
    const headers = /** @type {[string, string][]} */ ([header]);
    await assert.rejects(async () => relay.attempt({ ...envelope, headers }, 0), /^TypeError: headers\[0\]\[[01]\]: expected a header/);
  }
  assert.equal(server.mails.length, 0);
});

test('over LMTP the answer after the data counts for each recipient', async (t) => {
  const { server, relay } = await pair(t, {
    to: (address) => (address.startsWith('d') ? '550 5.1.1 No such user' : undefined),
    data: () => [undefined, '552 5.2.2 Over quota', '451 4.2.0 Locked'],
  }, { server: { lmtp: true }, transport: { lmtp: true } });
  const recipients = [...envelope.recipients, 'd@example.com'];
  const [a, b, c, d] = await attempt(relay, { ...envelope, recipients });
  assert.match(a, /^delivered 250/);
  assert.match(b, /^refused 552 5\.2\.2 Over quota/);
  assert.match(c, /^deferred 451 4\.2\.0 Locked/);
  assert.match(d, /^refused 550 5\.1\.1 No such user/);
  assert.deepEqual(names(server.mails[0].to), ['a@example.com']);
});

test('the answers that came before a connection was lost count where the transport hands them over', async () => {
  const refused = (/** @type {string} */ recipient, /** @type {string} */ response) => (
    Object.assign(new Error('no'), { recipient, response, command: 'DATA' }));
  const relay = failingWith({
    code: 'ECONNECTION', command: 'CONN',
    rejectedErrors: [refused('a@example.com', '552 5.2.2 Over quota'), refused('b@example.com', '451 4.2.0 Locked')],
  });
  assert.deepEqual(await attempt(relay), [
    'refused 552 5.2.2 Over quota', 'deferred 451 4.2.0 Locked', 'deferred 450 4.4.2 lost',
  ]);
});

test('a recipient whom the refusals of all do not name is not refused with them', async () => {
  const response = '550 5.1.1 No such user';
  const rejectedErrors = [Object.assign(new Error('no'), { recipient: 'a@example.com', response, command: 'RCPT TO' })];
  const [a, b] = await attempt(failingWith({ response, command: 'RCPT TO', rejectedErrors }));
  assert.equal(a, 'refused 550 5.1.1 No such user');
  assert.match(b, /^deferred 450 4\.5\.0 /);
});

test('a transaction ends with its attempt, and none is begun after that', async (t) => {
  const ends = new AbortController();
  const { server, relay } = await pair(t, {
    data() {
      ends.abort();
      return 'hang';
    },
  }, { relay: { maxRecipients: 1 } });
  for (let i = 0; i < 2; i++) {
    const outcomes = /** @type {any[]} */ (await relay.attempt(envelope, 0, { id: 'x', signal: ends.signal }));
    for (const said of outcomes.map(say)) assert.equal(said, 'deferred 450 4.4.7 The attempt was ended before there was an answer');
  }
  await server.left();
  assert.deepEqual(server.asked, ['a@example.com']);
});

test('many recipients go in transactions of a hundred', async (t) => {
  const { server, relay } = await pair(t, {
    to: (address) => (address.startsWith('r205@') ? '450 4.2.1 Later' : undefined),
  });
  const recipients = Array.from({ length: 250 }, (_, i) => `r${i}@example.com`);
  const outcomes = await attempt(relay, { ...envelope, recipients });
  assert.deepEqual(server.mails.map(({ to }) => to.length), [100, 100, 49]);
  outcomes.forEach((/** @type {string} */ said, /** @type {number} */ i) =>
    assert.match(said, i === 205 ? /^deferred 450 4\.2\.1/ : /^delivered/));
});

test('a pool of connections serves as well', async (t) => {
  const { server, relay } = await pair(t, {}, { transport: { pool: true, maxConnections: 2 } });
  const outcomes = await Promise.all(Array.from({ length: 5 }, () => attempt(relay)));
  assert.equal(outcomes.flat().filter((said) => said.startsWith('delivered')).length, 15);
  assert.equal(server.mails.length, 5);
});

test('an answer of the transport that is not understood is never a delivery', async () => {
  const all = envelope.recipients;
  for (const info of [
    undefined, null, {}, 'Ok', true, [], { accepted: 3 }, { accepted: [] }, { accepted: [null, {}] },
    { response: '250 Ok' }, { accepted: all, rejected: all }, { accepted: all, response: '451 Later' },
    { accepted: all, response: '550 No' },
    { accepted: all, rejectedErrors: all.map((recipient) => ({ recipient })) },
  ]) {
    const relay = smtpRelay({ sendMail: async () => info });
    for (const said of await attempt(relay)) assert.doesNotMatch(said, /^delivered/, JSON.stringify(info));
  }
  for (const thrown of [
    undefined, null, 'no', {}, new Error(), { response: '250 Ok', command: 'DATA' }, { response: 550 },
  ]) {
    const relay = smtpRelay({ sendMail: async () => Promise.reject(thrown) });
    for (const said of await attempt(relay)) assert.match(said, /^deferred/, JSON.stringify(thrown));
  }
});

test('a reply of several lines becomes one, without control characters', async () => {
  const response = '550-5.7.1 First\r\n550-5.7.1 second\x07\x1b[31m\r\n550 5.7.1 third';
  const error = Object.assign(new Error('no'), { response, command: 'DATA' });
  const relay = smtpRelay({ sendMail: () => Promise.reject(error) });
  assert.deepEqual(await attempt(relay), Array(3).fill('refused 550 5.7.1 First second [31m third'));
});

test('a transport that does not answer for each recipient is refused from the start, and so is none', () => {
  for (const [transport, expected] of [
    [undefined, /^TypeError: transport: expected a transport of nodemailer, got undefined/],
    [{}, /^TypeError: transport: expected a transport of nodemailer/],
    [nodemailer.createTransport({ jsonTransport: true }), /^TypeError: transport: expected one over SMTP.*JSON/],
    [nodemailer.createTransport({ sendmail: true }), /^TypeError: transport: expected one over SMTP.*Sendmail/],
  ]) {
    assert.throws(() => smtpRelay(/** @type {any} */ (transport)), /** @type {RegExp} */ (expected));
  }
  const fake = { sendMail: async () => {} };
  assert.throws(() => smtpRelay(fake, { timeout: 0 }), /^RangeError: timeout: expected more than 0/);
  assert.throws(() => smtpRelay(fake, { maxRecipients: 1.5 }), /^RangeError: maxRecipients: expected a whole number/);
  assert.throws(() => smtpRelay(fake, /** @type {any} */ (7)), /^TypeError: options: expected an object/);
});
