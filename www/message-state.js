/** @import { Recipient, Who } from './record.js' */

/**
 * What became of a message as a whole; `elsewhere` is one that another tab or worker sends.
 *
 * @typedef {'waiting' | 'sending' | 'elsewhere' | 'deferred' | 'failed' | 'delivered' | 'cancelled' | 'unseen'} MessageState
 */

/**
 * @param {Recipient[]} recipients
 * @param {Who | undefined} sending who tries to deliver it
 * @param {Who} me this tab
 * @returns {MessageState}
 */
export function stateOf(recipients, sending, me) {
  const states = new Set(recipients.map(({ state }) => state));
  if (states.has('trying')) return sending?.name === me.name ? 'sending' : 'elsewhere';
  if (states.has('failed')) return 'failed';
  for (const state of /** @type {const} */ (['deferred', 'waiting', 'unseen', 'cancelled'])) if (states.has(state)) return state;
  return 'delivered';
}

/** Under which tab a message is. @param {MessageState} state */
export function tabOf(state) {
  switch (state) {
    case 'elsewhere': return 'sending';
    case 'unseen': case 'cancelled': return 'all';
    default: return state;
  }
}
