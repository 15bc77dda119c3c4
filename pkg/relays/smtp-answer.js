/** @import { Outcome } from '../types.js' */
import { PermanentRelayError, TransientRelayError } from '../replies.js';
import { canonical } from './addresses.js';
import { line, parseReply, toDeferral, toOutcome, toOutcomeOfRecipient } from './answers.js';

/** Commands whose refusal is one of the message; that of any other is one of the connection or its credentials. */
const MEANINGS = new Map([['MAIL FROM', toOutcome], ['RCPT TO', toOutcomeOfRecipient], ['DATA', toOutcome]]);

/**
 * @param {any} info what nodemailer says of a message that at least one recipient was accepted for
 * @param {number} asked how many recipients it was to go to
 * @returns {{ get(key: string): Outcome }}
 */
export function answered(info, asked) {
  const refused = refusals(info?.rejectedErrors);
  // A transport that is none of SMTP names whom it was handed the message for.
  const [accepted, rejected] = [addresses(info?.accepted ?? info?.envelope?.to), addresses(info?.rejected)];
  const everybody = rejected.size === 0 && refused.size === 0 && accepted.size === asked;
  // Over LMTP the last answer may be the refusal of one recipient.
  const isOfOne = Array.isArray(info?.rejectedErrors) &&
    info.rejectedErrors.some((/** @type {any} */ error) => error?.response === info.response);
  const reply = (isOfOne ? undefined : parseReply(info?.response)) ?? { code: 250, message: '2.0.0 Ok' };
  const missing = new TransientRelayError('4.5.0 The transport does not say what became of this recipient');
  return {
    get(key) {
      const refusal = refused.get(key);
      if (refusal) return refusal;
      const isAccepted = everybody || accepted.has(key) && !rejected.has(key);
      return isAccepted && reply.code < 300 ? reply : missing;
    },
  };
}

/**
 * @param {any} error what nodemailer throws when nobody got the message, or nobody knows who did
 * @returns {{ get(key: string): Outcome }}
 */
export function failed(error) {
  const refused = refusals(error?.rejectedErrors);
  // The refusal that stands for those of all recipients is none of a recipient whom they do not name.
  const rest = refused.size > 0 && error.command === 'RCPT TO'
    ? new TransientRelayError('4.5.0 The transport does not say what became of this recipient')
    : refusal(error);
  return { get: (key) => refused.get(key) ?? rest };
}

/**
 * @param {any} errors
 * @returns {Map<string, Outcome>} by canonical address
 */
function refusals(errors) {
  /** @type {any[]} */
  const all = Array.isArray(errors) ? errors : [];
  return new Map(all.filter((error) => typeof error?.recipient === 'string')
    .map((error) => [canonical(error.recipient), refusal(error)]));
}

/**
 * @param {any} error
 * @returns {TransientRelayError | PermanentRelayError}
 */
function refusal(error) {
  if (error instanceof TransientRelayError) return error;
  const reply = parseReply(error?.response);
  if (!reply) {
    // The one answer that a transport foresees: the message is longer than the server said it takes.
    return error?.code === 'EMESSAGE' && error.command === 'MAIL FROM'
      ? new PermanentRelayError(`552 5.3.4 ${line(error.message)}`)
      : new TransientRelayError(`4.4.2 ${line(error?.message ?? error)}`);
  }
  const toMeaning = MEANINGS.get(error.command) ?? toDeferral;
  const outcome = toMeaning(reply);
  return outcome instanceof Error ? outcome : toDeferral(reply);
}

/** @param {unknown} list */
function addresses(list) {
  return new Set(Array.isArray(list) ? list.map((each) => canonical(String(each?.address ?? each))) : []);
}
