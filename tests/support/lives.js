/** Messages that live through the same steps one after another, for tests that end a program in the middle. */

export const idOf = (number) => number.toString(16).padStart(32, '0');

/** A body that says whose it is in every byte. */
export function bodyOf(number) {
  const body = new Uint8Array(200 + (number % 7) * 700);
  for (let i = 0; i < body.length; i++) body[i] = (number * 31 + i) & 255;
  return body;
}

const envelopeOf = (number) => ({
  sender: null, recipients: ['a@example.com', 'b@example.com', 'c@example.com'], message: bodyOf(number), number,
});

/** What is done with a message, and what a storage then shows of it. */
const STEPS = [
  [(storage, n) => storage.write(envelopeOf(n), n, { id: idOf(n) }), { attempts: 0, left: [0, 1, 2] }],
  [(storage, n) => storage.incrementAttempts(idOf(n)), { attempts: 1, left: [0, 1, 2] }],
  [(storage, n) => storage.setRecipientsDelivered(idOf(n), [1]), { attempts: 1, left: [0, 2] }],
  [
    (storage, n) => storage.change(idOf(n), { attempts: 1 }, { attempts: 2, delivered: [0] }),
    { attempts: 2, left: [2] },
  ],
  [(storage, n) => storage.remove(idOf(n)), undefined],
];

/**
 * Lets message after message live, some at a time, for ever. Two of three are left before they are removed.
 *
 * @param {any} storage
 * @param {number} first the number of the first one
 * @param {(number: number, step: number) => void} acknowledged
 */
export async function liveOn(storage, first, acknowledged) {
  for (let n = first; ; n += ROUND) await live(storage, n, acknowledged);
}

/** How many messages live together. */
export const ROUND = 20;

/**
 * The same for those of one round alone.
 *
 * @param {any} storage
 * @param {number} first
 * @param {(number: number, step: number) => void} acknowledged
 */
export async function live(storage, first, acknowledged) {
  await Promise.all(Array.from({ length: ROUND }, async (_, i) => {
    const number = first + i;
    const last = number % 3 ? STEPS.length - 1 : STEPS.length;
    for (let step = 0; step < last; step++) {
      await STEPS[step][0](storage, number);
      acknowledged(number, step);
    }
  }));
}

/**
 * Holds what a storage shows against what was acknowledged: each message must be as it was after its last step that
 * was, or after the one that came next.
 *
 * @param {any} storage
 * @param {Map<number, number>} acknowledged the last step of each message
 * @returns {Promise<{ lost: string[], torn: string[] }>}
 */
export async function judge(storage, acknowledged, { mayLeaveOrphans = false } = {}) {
  const [lost, torn] = [[], []];
  for (const [n, step] of acknowledged) {
    const found = await stateOf(storage, n, torn);
    const text = JSON.stringify(found);
    const good = STEPS.slice(step, step + 2).some(([, state]) => JSON.stringify(state) === text);
    if (!good) lost.push(`message ${n} after step ${step}: ${text}`);
  }
  const { orphanEnvelopes, orphanMeta, corrupt } = await storage.check();
  torn.push(...(mayLeaveOrphans ? [] : orphanEnvelopes), ...orphanMeta, ...corrupt);
  for await (const [, id] of storage.load()) await stateOf(storage, parseInt(id, 16), torn);
  return { lost, torn };
}

async function stateOf(storage, n, torn) {
  try {
    const [{ message, number }, attempts, left] = await storage.get(idOf(n));
    const body = bodyOf(n);
    const whole = number === n && message.length === body.length && message.every((byte, i) => byte === body[i]);
    if (!whole) torn.push(idOf(n));
    return { attempts, left };
  } catch (error) {
    if (error.name !== 'KeyError') torn.push(`${idOf(n)}: ${error}`);
    return undefined;
  }
}
