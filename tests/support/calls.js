import assert from 'node:assert/strict';

/** An id that no message has. */
export const NOBODY = '0123456789abcdef0123456789abcdef';

/** An ordinary message to three people. */
export function anEnvelope(more = {}) {
  return {
    sender: 'from@example.com',
    recipients: ['a@example.com', 'b@example.com', 'c@example.com'],
    headers: [['From', 'from@example.com'], ['Subject', 'Hello']],
    message: new TextEncoder().encode('Hello there.\r\n'),
    ...more,
  };
}

/** An id for a number. */
export function idOf(number) {
  return number.toString(16).padStart(32, '0');
}

/** Everything that an iterator yields, sync or not. */
export async function all(iterable) {
  const list = [];
  for await (const item of iterable) list.push(item);
  return list;
}

/** The ids that a storage lists, sorted. */
export async function ids(storage) {
  return (await all(storage.load())).map(([, id]) => id).sort();
}

/**
 * What comes of a call, be it sync or not. A call that never settles is a failure of its own after a while that no
 * call here may take.
 *
 * @param {() => unknown} call
 * @returns {Promise<{ value?: any, error?: any, failed: boolean, threw: boolean }>} `threw`: at once, as no call that
 *   returns promises may
 */
export async function outcome(call, patience = 20_000) {
  let result;
  try {
    result = call();
  } catch (error) {
    return { error, failed: true, threw: true };
  }
  let timer;
  const hang = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the call does not settle: ${call}`)), patience);
  });
  const settled = Promise.resolve(result).then(
    (value) => ({ value, failed: false, threw: false }),
    (error) => ({ error, failed: true, threw: false }),
  );
  try {
    return await Promise.race([settled, hang]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The error of a call that must fail, with what it must have.
 *
 * @param {() => unknown} call
 * @param {Record<string, unknown>} expected properties; `name` is the class
 */
export async function failure(call, expected = {}) {
  const { error, failed, value } = await outcome(call);
  assert.ok(failed, `the call succeeded with ${String(value)}: ${call}`);
  for (const [key, wanted] of Object.entries(expected)) {
    assert.deepEqual(error?.[key], wanted, `${key} of ${error?.stack ?? String(error)}`);
  }
  return error;
}

/** The `KeyError` of a call on a message that is not there. */
export function keyError(call, id) {
  return failure(call, { name: 'KeyError', code: 'no-such-message', id });
}

/** The `QueueError` of a call. */
export function queueError(call, code, more = {}) {
  return failure(call, { name: 'QueueError', code, ...more });
}
