import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PermanentRelayError, TransientRelayError } from '../pkg/load/inline.js';

/** @param {string} text */
const transient = (text) => new TransientRelayError(text).reply;
/** @param {string} text */
const permanent = (text) => new PermanentRelayError(text).reply;

test('an answer of SMTP is taken apart into its code and its text', () => {
  assert.deepEqual(transient('451 4.3.0 Busy'), { code: 451, message: '4.3.0 Busy' });
  assert.deepEqual(permanent('553 5.1.3 Bad address'), { code: 553, message: '5.1.3 Bad address' });
  assert.deepEqual(permanent('550-5.7.1 Two\n550 lines'), { code: 550, message: '5.7.1 Two\n550 lines' });
});

test('a text without a code gets the code of its class, and an enhanced one', () => {
  assert.deepEqual(transient('Busy'), { code: 450, message: '4.0.0 Busy' });
  assert.deepEqual(permanent('Gone'), { code: 550, message: '5.0.0 Gone' });
  assert.deepEqual(transient('4.3.2 Closing'), { code: 450, message: '4.3.2 Closing' });
  assert.deepEqual(permanent('552'), { code: 552, message: '5.0.0' });
  assert.deepEqual(transient(''), { code: 450, message: '4.0.0' });
});

test('a number that is no code of the class belongs to the text', () => {
  assert.deepEqual(permanent('404 Not Found'), { code: 550, message: '5.0.0 404 Not Found' });
  assert.deepEqual(transient('550 5.1.1 No such user'), { code: 450, message: '4.0.0 550 5.1.1 No such user' });
  assert.deepEqual(transient('4512 waiting'), { code: 450, message: '4.0.0 4512 waiting' });
});

test('a reply is taken as it is, whatever its code, and copied', () => {
  const reply = { code: 450, message: '4.2.1 Full', retryAfter: 5000 };
  const error = new PermanentRelayError(reply);
  reply.code = 250;
  assert.deepEqual(error.reply, { code: 450, message: '4.2.1 Full', retryAfter: 5000 });
});

test('the errors are told apart by class and by name, and say the reply', () => {
  const [later, never] = [new TransientRelayError('Busy'), new PermanentRelayError('Gone')];
  assert.ok(later instanceof Error && !(later instanceof PermanentRelayError));
  assert.ok(never instanceof Error && !(never instanceof TransientRelayError));
  assert.equal(String(later), 'TransientRelayError: 450 4.0.0 Busy');
  assert.equal(String(never), 'PermanentRelayError: 550 5.0.0 Gone');
});

test('what is neither a text nor a reply is refused, and named', () => {
  const make = (/** @type {any} */ value) => () => new TransientRelayError(value);
  for (const value of [undefined, null, 451, true, () => 'Busy']) {
    assert.throws(make(value), /^TypeError: reply: expected/);
  }
  assert.throws(make({ code: '451', message: '' }), /^TypeError: reply\.code: expected a number, got the string "451"/);
  for (const code of [NaN, 0, 199, 600, 450.5]) {
    assert.throws(make({ code, message: '' }), /^RangeError: reply\.code: expected a code of SMTP/);
  }
  assert.throws(make({ code: 451 }), /^TypeError: reply\.message: expected a string, got undefined/);
});
