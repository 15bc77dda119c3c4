/** @import { Answer, Attempt, Envelope, MaybePromise, Outcome, Relay } from '../types.js' */
import { milliseconds, onlyKnown } from '../options.js';
import { describe } from '../errors.js';
import { toBytes } from './message.js';
import { TransientRelayError } from '../replies.js';
import { line, spread, within } from './answers.js';
import { answerOfResponse } from './http-answer.js';

/**
 * What {@link httpRelay} can be told.
 *
 * @typedef {object} HttpRelayOptions
 * @property {string | URL} url where to post to, without user name and password; redirects are not followed
 * @property {(url: string, init: RequestInit) => Promise<Response>} [fetch] what sends the request (`fetch`); the place
 *   for credentials and other settings of a request
 * @property {string} [method] of the request (`POST`)
 * @property {Record<string, string> | ((envelope: Envelope) => MaybePromise<Record<string, string>>)} [headers] of the
 *   request besides those described below, such as `Authorization`
 * @property {number} [timeout] how many milliseconds one request may take, its answer included (60,000)
 * @property {number} [maxRecipients] how many recipients one request names at most (100); more are sent as several
 * @property {(envelope: Envelope, attempt: { attempts: number, id?: string }) =>
 *   MaybePromise<{ body: NonNullable<RequestInit['body']>, headers?: Record<string, string> }>} [body] makes the request
 *   for a service with an interface of its own; it takes the place of message, type and envelope headers, one request
 *   for all recipients
 * @property {(response: Response, envelope: Envelope) => MaybePromise<Answer>} [outcome] reads the answer of such a
 *   service; what it returns counts, `null` is delivered, and `undefined` leaves the answer to the rules below
 * @property {string | null} [idempotencyHeader] carries the key against sending twice (`Idempotency-Key`), `null`: none
 */

const TIMEOUT = 60_000;
const RECIPIENTS = 100;
const OPTIONS = [
  'url', 'fetch', 'method', 'headers', 'timeout', 'maxRecipients', 'body', 'outcome', 'idempotencyHeader',
];
/** Servers refuse a request whose headers are much longer than 8 KiB in all. */
const LETTERS = 6_000;

/**
 * A relay that posts each message to a URL, in the format of python-slimta's `HttpRelay` and `WsgiEdge`:
 *
 * - the body is the message with its headers, `Content-Type: message/rfc822`;
 * - `X-Envelope-Sender` is the sender and `X-Envelope-Recipient` the recipients with commas between, each in base64 of
 *   its UTF-8; the null sender is empty;
 * - `Idempotency-Key` follows from the id of the message and the recipients of the request, so it is the same whenever
 *   these recipients are asked for again (only if the queue tells the id).
 *
 * From a page these headers take the server's leave (CORS), and so does reading `X-Smtp-Reply` and `Retry-After`.
 *
 * What an answer means:
 *
 * - `X-Smtp-Reply: 550; message="5.1.1 No such user"` says it itself: 4xx deferred, 5xx given up (but
 *   503, 530, 534, 535 and 538, which are about the session or a login, and 552 with 5.5.3, which says that there are
 *   too many recipients, deferred), and 2xx delivered if the status is 2xx too.
 * - Without that, a page of HTML comes from a proxy, a firewall or a login rather than from a mail service: deferred,
 *   whatever the status.
 * - 200 to 205: delivered. But in JSON `{"replies": …}` answers for each recipient, by an array in the order of the
 *   request or an object by address, with `{"code": 250, "message": "2.0.0 Ok"}` each; who is missing is deferred.
 *   207 must have it. What says that it is JSON and is none, or is longer than 2^20 characters, may be a part of that: deferred.
 * - 4xx: given up, except 401, 404, 407, 408, 409, 421, 423, 424, 425, 426 and 429, which say nothing of the message and
 *   are deferred. The reason in JSON (`detail`, `message`, `error` or `title`) goes into the reply.
 * - All else is deferred: 5xx, redirects, an opaque answer, other statuses, no answer in time, no connection.
 *
 * `Retry-After` becomes `retryAfter` of a deferring reply, in milliseconds, where neither `X-Smtp-Reply` nor `replies` answers.
 *
 * @param {string | URL | HttpRelayOptions} options or only the URL
 * @returns {Relay} whose `attempt` returns an outcome for each recipient, by position
 * @throws {TypeError} for options that are none, a RangeError for a `timeout` or `maxRecipients` that is not above 0
 */
export function httpRelay(options) {
  const given = typeof options === 'string' || options instanceof URL ? { url: options } : options;
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`options: expected a URL or an object, got ${describe(options)}`);
  }
  return new HttpRelay(onlyKnown('options', given, OPTIONS));
}

/** @implements {Relay} */
class HttpRelay {
  #options;
  #url;
  #timeout;
  #maxRecipients;

  /** @param {HttpRelayOptions} options */
  constructor(options) {
    const { url, maxRecipients = RECIPIENTS } = options;
    this.#url = resolved(url);
    for (const name of /** @type {const} */ (['fetch', 'body', 'outcome'])) {
      if (options[name] !== undefined && typeof options[name] !== 'function') {
        throw new TypeError(`${name}: expected a function, got ${describe(options[name])}`);
      }
    }
    if (!Number.isInteger(maxRecipients) || maxRecipients < 1) {
      throw new RangeError(`maxRecipients: expected a whole number of at least 1, got ${describe(maxRecipients)}`);
    }
    this.#options = options;
    this.#timeout = milliseconds('timeout', options.timeout, TIMEOUT);
    this.#maxRecipients = maxRecipients;
  }

  /**
   * @param {Envelope} envelope
   * @param {number} attempts
   * @param {Attempt} [attempt]
   * @returns {Promise<Outcome[]>}
   */
  async attempt(envelope, attempts, attempt) {
    const { body } = this.#options;
    const { recipients } = envelope;
    const { id, signal } = /** @type {Partial<Attempt>} */ (attempt ?? {});
    if (body) return this.#send(envelope, () => body(envelope, { attempts, id }), id, signal);
    const message = toBytes(envelope);
    /** @type {Outcome[]} */
    const outcomes = [];
    for (const some of portions(recipients, this.#maxRecipients)) {
      const headers = {
        'Content-Type': 'message/rfc822',
        'X-Envelope-Sender': base64(envelope.sender ?? ''),
        'X-Envelope-Recipient': some.map(base64).join(', '),
      };
      try {
        const part = { ...envelope, recipients: some };
        outcomes.push(...await this.#send(part, () => ({ body: message, headers }), id, signal));
      } catch (error) {
        if (outcomes.length === 0) throw error;
        // Without an answer now there would be none for the others either.
        while (outcomes.length < recipients.length) outcomes.push(/** @type {TransientRelayError} */ (error));
        break;
      }
    }
    return outcomes;
  }

  /**
   * @param {Envelope} envelope
   * @param {() => ReturnType<NonNullable<HttpRelayOptions['body']>>} make
   * @param {string | undefined} id
   * @param {AbortSignal | undefined} ended
   */
  async #send(envelope, make, id, ended) {
    const { fetch = globalThis.fetch, headers: extra, idempotencyHeader = 'Idempotency-Key', method = 'POST' } =
      this.#options;
    return within(this.#timeout, ended, async (signal) => {
      const request = await make();
      const headers = new Headers(request.headers);
      if (id !== undefined && idempotencyHeader !== null) {
        headers.set(idempotencyHeader, keyOf(id, envelope.recipients));
      }
      const more = typeof extra === 'function' ? await extra(envelope) : extra;
      for (const [name, value] of Object.entries(more ?? {})) headers.set(name, value);
      /** @type {RequestInit & { duplex: 'half' }} a body that is a stream needs `duplex` */
      const init = { method, headers, body: request.body, duplex: 'half', redirect: 'manual', signal };
      let response;
      try {
        // To follow a redirect would turn the request into one without a message, or show it to another server.
        response = await fetch(this.#url, init);
      } catch (error) {
        const { cause = error } = /** @type {any} */ (error ?? {}); // Node tells the reason there
        throw new TransientRelayError(`4.4.1 The request failed: ${line(cause)}`);
      }
      try {
        const own = await this.#options.outcome?.(response, envelope);
        return spread(own === undefined ? await answerOfResponse(response, envelope.recipients) : own, envelope.recipients);
      } finally {
        drop(response);
      }
    });
  }
}

/**
 * Lets go of a body that nobody reads: it keeps its connection.
 *
 * @param {any} response
 */
function drop(response) {
  try {
    if (response?.bodyUsed === false) response.body?.cancel()?.catch(() => {});
  } catch {
    // It is no response.
  }
}

/**
 * @param {unknown} url absolute, or relative to the page
 * @returns {string}
 */
function resolved(url) {
  if (typeof url !== 'string' && !(url instanceof URL)) {
    throw new TypeError(`url: expected a string or a URL, got ${describe(url)}`);
  }
  try {
    const { href, username, password } = new URL(url, globalThis.location?.href);
    if (!(username + password)) return href; // with them `fetch` refuses it, and shows it in its error
  } catch {
    // It is none.
  }
  throw new TypeError(`url: expected where to post to, without credentials, got ${describe(`${url}`.replace(/^.*@/s, ''))}`);
}

/**
 * The id and a hash of the recipients (FNV-1a of 64 bits, which needs no secure context). It only has to tell apart the
 * requests for one message.
 *
 * @param {string} id
 * @param {string[]} recipients
 */
function keyOf(id, recipients) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(recipients.join('\n'))) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return `${id}-${hash.toString(16).padStart(16, '0')}`;
}

/**
 * @param {string[]} recipients
 * @param {number} most
 */
function* portions(recipients, most) {
  /** @type {string[]} */
  let some = [];
  let letters = 0;
  for (const recipient of recipients) {
    const length = base64(recipient).length + 2;
    if (some.length === most || some.length > 0 && letters + length > LETTERS) {
      yield some;
      some = [];
      letters = 0;
    }
    some.push(recipient);
    letters += length;
  }
  if (some.length > 0) yield some;
}

/** @param {string} text */
function base64(text) {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(''));
}
