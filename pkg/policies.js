/** @import { Envelope, Policy } from './types.js' */
/** @import { Glue } from './wasm/glue.js' */
import { copyEnvelope } from './binding/envelope.js';
import { callFunction } from './binding/functions.js';

// Policies after slimta's slimta.policy.headers and slimta.policy.split, for `addPolicy`. Those that add a header do so
// before those that split. The core makes the values of headers. Recipients are grouped here: the core would make every
// program longer by it, and those that split nothing have nothing of this module.

/**
 * Adds `Date` where it is missing: the `timestamp` of the envelope, or else now.
 *
 * @returns {Policy}
 */
export function addDateHeader() {
  return adding('Date', (wasm, { timestamp }) => wasm.dateHeader(timestamp ?? Date.now()));
}

/**
 * Adds `Message-ID` where it is missing: generated, at the `receiver` of the envelope, or else at the domain of the sender.
 *
 * @returns {Policy}
 */
export function addMessageIdHeader() {
  return adding('Message-ID', (wasm, { receiver, sender }) => wasm.messageIdHeader(receiver ?? '', sender ?? ''));
}

/**
 * Puts `Received` before all other headers, as RFC 5321, section 4.4, says: who handed the message in, as far as the
 * `client` of the envelope tells, its `receiver`, for whom if that is one, and the `timestamp`, or else now.
 *
 * @returns {Policy}
 */
export function addReceivedHeader() {
  return {
    apply(envelope) {
      const { headers = [], client = {}, receiver, recipients, timestamp } = copyHead(envelope);
      const { name = '', host = '', ip = '', protocol = '' } = client;
      const recipient = recipients.length === 1 ? recipients[0] : '';
      const texts = [name, host, ip, protocol, receiver ?? '', recipient];
      const value = callFunction((wasm) => wasm.receivedHeader(texts, timestamp ?? Date.now()));
      envelope.headers = [['Received', value], ...headers];
    },
  };
}

/**
 * Makes an envelope for each recipient.
 *
 * @returns {Policy}
 */
export function splitByRecipient() {
  return splitting((recipients) => recipients.map((recipient) => [recipient]));
}

/**
 * Makes an envelope for the recipients of each domain, in any case of letters. Each recipient without a domain has an
 * envelope of their own, after the others.
 *
 * @returns {Policy}
 */
export function splitByDomain() {
  return splitting((recipients) => {
    /** @type {Map<string, string[]>} */
    const groups = new Map();
    const alone = [];
    for (const recipient of recipients) {
      const domain = recipient.slice(recipient.lastIndexOf('@')).toLowerCase();
      if (!/^@./s.test(domain)) alone.push([recipient]);
      else if (groups.get(domain)?.push(recipient) === undefined) groups.set(domain, [recipient]);
    }
    return [...groups.values(), ...alone];
  });
}

/**
 * @param {string} name of a header
 * @param {(wasm: typeof Glue, envelope: Envelope) => string} value
 * @returns {Policy}
 */
function adding(name, value) {
  return {
    apply(envelope) {
      const copy = copyHead(envelope);
      const { headers = [] } = copy;
      if (headers.some(([other]) => other.toLowerCase() === name.toLowerCase())) return;
      envelope.headers = [...headers, [name, callFunction((wasm) => value(wasm, copy))]];
    },
  };
}

/**
 * @param {(recipients: string[]) => string[][]} group
 * @returns {Policy}
 */
function splitting(group) {
  return {
    apply(envelope) {
      const groups = group(copyHead(envelope).recipients);
      if (groups.length > 1) return groups.map((recipients) => ({ ...envelope, recipients }));
    },
  };
}

/**
 * A copy of the fields that policies read.
 *
 * @param {Envelope} envelope
 */
function copyHead({ sender, recipients, headers, client, receiver, timestamp }) {
  return copyEnvelope({ sender, recipients, headers, client, receiver, timestamp });
}
