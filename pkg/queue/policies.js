/** @import { Envelope, Policy } from '../types.js' */
import { describe, QueueError } from '../errors.js';

/**
 * What a policy makes of envelopes.
 *
 * @param {Envelope[]} envelopes
 * @param {Policy} policy
 * @returns {Envelope[]}
 */
export function applied(envelopes, policy) {
  return envelopes.flatMap((envelope) => {
    const { headers, recipients } = envelope;
    const copy = {
      ...envelope,
      ...(Array.isArray(recipients) && { recipients: [...recipients] }),
      ...(Array.isArray(headers) && { headers: headers.map(/** @returns {any} */ (header) => [...header]) }),
    };
    const made = policy.apply(copy);
    return made === undefined || made === null ? [copy] : [...made];
  });
}

/**
 * Why a message was not stored.
 *
 * @param {any} error
 * @returns {QueueError}
 */
export function queueError(error) {
  if (error instanceof QueueError) return error;
  return new QueueError('host', `host: the message was not stored: ${describe(error)}`, { cause: error });
}
