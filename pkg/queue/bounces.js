/** @import { Envelope, Reply } from '../types.js' */
/** @import { Context } from './context.js' */
import { Ask, Text } from '../wasm/queue.js';

/**
 * What tells the sender that these recipients were given up with this reply; nothing if the caller wants none.
 *
 * @param {Context} context
 * @param {number} attempt
 * @param {number} number of the reply
 * @param {Envelope} envelope with these recipients
 * @param {Reply} reply
 * @returns {Envelope | null | undefined}
 */
export function bounceOf(context, attempt, number, envelope, reply) {
  const { bounceFactory } = context;
  if (bounceFactory) {
    try {
      return bounceFactory(envelope, reply);
    } catch (error) {
      context.complain(error, { envelope });
    }
  }
  return usual(context, attempt, number, envelope);
}

/**
 * @param {Context} context
 * @param {number} attempt
 * @param {number} number
 * @param {Envelope} envelope
 * @returns {Envelope}
 */
function usual({ decisions }, attempt, number, { sender, recipients, headers = [], receiver }) {
  const to = /** @type {string} */ (sender);
  /**
   * @param {Ask} ask
   * @param {string} text
   */
  const tell = (ask, text) => decisions.tell(ask, attempt, number, Date.now(), text);
  tell(Ask.Bounce, to);
  for (const recipient of recipients) tell(Ask.Recipient, recipient);
  for (const [name, value] of headers) {
    tell(Ask.Name, name);
    tell(Ask.Value, value);
  }
  const count = tell(Ask.Make, receiver ?? '');
  /** @param {number} place */
  const text = (place) => decisions.text(Text.Header, attempt, place);
  return {
    sender: '',
    recipients: [to],
    headers: Array.from({ length: count }, (_, i) => [text(2 * i), text(2 * i + 1)]),
    message: decisions.text(Text.Body, attempt, 0),
  };
}
