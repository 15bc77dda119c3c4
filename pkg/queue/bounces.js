/** @import { Envelope, Reply } from '../types.js' */
/** @import { Context } from './context.js' */
import { Ask, Told } from '../seam/names.js';

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
   * @param {number} ask
   * @param {string} text
   */
  const tell = (ask, text) => decisions.tell(ask, attempt, number, 0, text);
  tell(Ask.Bounce, to);
  tell(Ask.Date, new Date().toUTCString().replace('GMT', '+0000'));
  for (const recipient of recipients) tell(Ask.Recipient, recipient);
  for (const [name, value] of headers) {
    tell(Ask.Name, name);
    tell(Ask.Value, value);
  }
  tell(Ask.Make, receiver ?? '');
  /** @type {[string, string][]} */
  const made = [];
  for (const line of decisions.text(Told.Header, attempt, 0).split('\r\n')) {
    const end = line.indexOf(': ');
    if (end > 0) made.push([line.slice(0, end), line.slice(end + 2)]);
  }
  return { sender: '', recipients: [to], headers: made, message: decisions.text(Told.Body, attempt, 0) };
}
