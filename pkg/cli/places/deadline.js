/** @import { DictHost, MaybePromise } from '../../types.js' */
import { Failure, Unanswered } from '../failures.js';

/** How many milliseconds a server has for an answer; and when the command is to end. */
const PATIENCE = 30_000;
const PATIENCE_AT_END = 5_000;

/**
 * What a server answers.
 *
 * @template T
 * @param {MaybePromise<T>} answer
 * @param {AbortSignal} [signal] ends the wait
 * @param {number} [patience]
 * @returns {Promise<T>}
 * @throws {Unanswered} when the time is over
 * @throws {Failure} when the signal is aborted
 */
export async function answered(answer, signal, patience = PATIENCE) {
  let end = () => {};
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(() => {
      // An answer that came while this program was busy still counts.
      timer = setTimeout(() => reject(new Unanswered(`no answer within ${patience / 1_000}s`)), 100);
    }, patience);
    end = () => reject(new Failure('interrupted'));
    if (signal?.aborted) end();
    signal?.addEventListener('abort', end);
  });
  try {
    return /** @type {T} */ (await Promise.race([answer, over]));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  }
}

/**
 * Looks whether a server still answers when a command is to end.
 *
 * @param {DictHost} host
 */
export async function probe(host) {
  await answered(host.read('meta', '0'.repeat(32)), undefined, PATIENCE_AT_END);
}

/**
 * The calls of a host that a command makes itself: each has a deadline, as those of a storage have.
 *
 * @param {DictHost} host
 * @returns {DictHost}
 */
export function patient(host) {
  return {
    supports: host.supports,
    read: (dict, id) => answered(host.read(dict, id)),
    commit: (batch) => answered(host.commit(batch)),
    page: (dict, cursor, limit) => answered(host.page(dict, cursor, limit)),
    sizes: () => answered(host.sizes()),
    subscribe: (notify) => host.subscribe?.(notify) ?? (() => {}),
  };
}
