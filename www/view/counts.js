/** @import { Outbox } from '../outbox.js' */
import { byId, setText } from './dom.js';

/**
 * Shows how much is stored and how much of it is due.
 *
 * @param {Outbox} outbox
 */
export function showCounts(outbox) {
  const { size, metaSize } = outbox.info;
  setText(byId('count-messages'), metaSize.toLocaleString('en'));
  setText(byId('count-due'), outbox.due(Date.now()).toLocaleString('en'));
  setText(byId('count-envelopes'), size.toLocaleString('en'));
  // An envelope more than there are messages is one that no list shows.
  byId('count-envelopes').classList.toggle('is-due', size !== metaSize);
}
