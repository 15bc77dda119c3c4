/** @import { Reply } from '../types.js' */
/** @import { Glue } from '../wasm/glue.js' */
import { Ask, Told } from '../seam/names.js';

/** Recipients of one fate, each with its position in the original list and the reply of the relay. */
/** @typedef {{ recipients: string[], indexes: number[], replies: (Reply | undefined)[] }} Group */

/**
 * Those of one fate.
 *
 * @param {Glue.Decisions} decisions
 * @param {number} attempt
 * @param {number} fate
 * @param {string[]} recipients that the relay was given
 * @param {number[]} indexes their positions
 * @param {number} [only] the number of a reply
 * @returns {Group}
 */
export function groupOf(decisions, attempt, fate, recipients, indexes, only) {
  decisions.ask(Ask.Places, attempt, fate, 0);
  const numbers = decisions.numbers();
  /** @type {Group} */
  const group = { recipients: [], indexes: [], replies: [] };
  /** @type {Reply[]} */
  const replies = [];
  for (let i = 0; i < numbers.length; i += 2) {
    const place = numbers[i];
    const number = numbers[i + 1];
    if (only !== undefined && number !== only) continue;
    group.recipients.push(recipients[place]);
    group.indexes.push(indexes[place]);
    group.replies.push(number < 0 ? undefined : (replies[number] ??= replyOf(decisions, attempt, number)));
  }
  return group;
}

/**
 * @param {Glue.Decisions} decisions
 * @param {number} attempt
 * @param {number} number
 * @returns {Reply}
 */
export function replyOf(decisions, attempt, number) {
  const code = decisions.ask(Ask.Code, attempt, number, 0);
  return { code, message: decisions.text(Told.Reply, attempt, number) };
}
