/** @import { Batch } from '../../types.js' */
/** @import { Argument } from './clients.js' */
import { COMMIT } from '../../wasm/redis-commit.js';
import { encodeEnvelope, encodeMeta, encodeVersion } from '../shared/codec.js';
import { placeOf } from './buckets.js';

export { COMMIT };

/**
 * Runs the script for some batches. The server may have to be told first what the script is.
 *
 * @param {(command: Argument[]) => Promise<any>} ask
 * @param {string} prefix
 * @param {{ id: string, args: Argument[] }[]} commits
 * @returns {Promise<unknown[]>} its answers
 */
export async function runCommits(ask, prefix, commits) {
  const keys = commits.flatMap(({ id }) => ['envelopes', 'metas', 'records'].map((name) => placeOf(prefix, id) + name));
  const rest = [String(keys.length), ...keys, prefix, ...commits.flatMap(({ args }) => args)];
  return ask(['EVALSHA', COMMIT.digest, ...rest]).catch((error) => {
    if (!/^NOSCRIPT/.test(error?.message)) throw error;
    return ask(['EVAL', COMMIT.text, ...rest]);
  });
}

/**
 * What the script takes for a batch.
 *
 * @param {Batch} batch
 * @returns {Argument[]}
 */
export function argumentsOf({ checks, writes }) {
  /** @type {Argument[]} */
  const args = [writes[0].id, '.', '.', '.', '.', ''];
  for (const { dict, version } of checks) {
    args[dict === 'meta' ? 2 : 1] = version === null ? '-' : encodeVersion(version);
  }
  for (const { dict, value } of writes) {
    const place = dict === 'meta' ? 4 : 3;
    if (value === undefined) args[place] = '-';
    else if (dict === 'meta') args[place] = encodeMeta(value);
    else ({ record: args[place], message: args[5] = '' } = encodeEnvelope(value));
  }
  return args;
}
