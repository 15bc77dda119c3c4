/** @import { Answer, Outcome, Reply } from '../types.js' */
import { PermanentRelayError, TransientRelayError } from '../replies.js';
import { line, parseReply, spread, toOutcome } from './answers.js';

const PAGE = /^(text\/html|application\/xhtml\+xml)\b/i;
/** How many characters of an answer are read at most. */
const LARGEST = 2 ** 20;
/** Of 4xx: what is about who asks, when or where rather than about the message. */
const DEFERRED = new Set([401, 404, 407, 408, 409, 421, 423, 424, 425, 426, 429]);

/**
 * What a response of a mail service means, as {@link httpRelay} says.
 *
 * @param {Response} response
 * @param {string[]} recipients
 * @param {AbortSignal} [signal] ends the reading
 * @returns {Promise<Answer>}
 * @throws {TransientRelayError} where it cannot be read
 */
export async function answerOfResponse(response, recipients, signal) {
  try {
    return await read(response, recipients, signal);
  } catch (error) {
    if (error instanceof TransientRelayError) throw error;
    throw new TransientRelayError(`4.5.0 The answer is no response: ${line(error)}`);
  }
}

/**
 * @param {Response} response
 * @param {string[]} recipients
 * @param {AbortSignal} [signal]
 * @returns {Promise<Answer>}
 */
async function read(response, recipients, signal) {
  const { status } = response;
  const type = response.headers.get('Content-Type') ?? '';
  const sent = status >= 200 && status <= 205 || status === 207;
  const json = /^application\/([\w.+-]+\+)?json\b/i.test(type) ? await jsonOf(response, sent, signal) : undefined;
  if (json === undefined && !response.bodyUsed) response.body?.cancel().catch(() => {});
  const reply = smtpReply(response.headers.get('X-Smtp-Reply'));
  if (reply && (sent || reply.code >= 400)) return toOutcome(reply);
  const what = `HTTP ${status} ${line(response.statusText)}`.trim();
  const retryAfter = waitOf(response.headers.get('Retry-After'));
  const deferred = (/** @type {string} */ message) => (
    new TransientRelayError({ code: 450, message, ...(retryAfter === undefined ? {} : { retryAfter }) }));
  if (PAGE.test(type)) return deferred(`4.5.0 ${what}, with a page of HTML, which is no answer of a mail service`);
  if (sent) {
    if (json instanceof Object && Object.hasOwn(json, 'replies')) return repliesOf(json.replies, recipients);
    if (status === 207) return new TransientRelayError(`4.5.0 ${what}, without replies`);
    return { code: 250, message: `2.0.0 ${what}` };
  }
  const reason = line(reasonOf(json));
  const text = reason ? `${what}: ${reason}` : what;
  if (status >= 400 && status < 500 && !DEFERRED.has(status)) return new PermanentRelayError(`5.0.0 ${text}`);
  return deferred(status === 0 ? '4.5.0 The answer cannot be read (a redirect, or an opaque one)' : `4.0.0 ${text}`);
}

/**
 * @param {unknown} replies
 * @param {string[]} recipients
 * @returns {Outcome[]}
 */
function repliesOf(replies, recipients) {
  const answers = replies instanceof Object ? replies : {};
  return spread(/** @type {Answer} */ (Array.isArray(answers) ? answers : new Map(Object.entries(answers))), recipients)
    .map((each) => {
      if (each instanceof TransientRelayError) return each;
      const { code, message } = /** @type {Partial<Reply>} */ (each ?? {});
      if (typeof code !== 'number' || !Number.isInteger(code) || code < 200 || code > 599) {
        return new TransientRelayError('4.5.0 The answer for this recipient is no reply');
      }
      return toOutcome({ code, message: line(message) });
    });
}

/**
 * @param {Response} response
 * @param {boolean} needed whether it decides
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>} nothing for an empty body
 */
async function jsonOf(response, needed, signal) {
  try {
    const text = await textOf(response, signal);
    return text.trim() ? JSON.parse(text) : undefined;
  } catch {
    if (!needed) return undefined;
    throw new TransientRelayError(`4.5.0 HTTP ${response.status}, with an answer that cannot be read`);
  }
}

/**
 * The body as text. One that is too long for an answer, or out of time, is not read to its end.
 *
 * @param {Response} response
 * @param {AbortSignal} [signal]
 * @returns {Promise<string>}
 */
async function textOf(response, signal) {
  const reader = response.body?.getReader?.();
  if (!reader) return response.text();
  const decoder = new TextDecoder();
  const end = () => void reader.cancel().catch(() => {});
  signal?.addEventListener('abort', end);
  try {
    let text = '';
    for (let next; !(next = await reader.read()).done;) {
      text += decoder.decode(next.value, { stream: true });
      if (text.length > LARGEST) throw new RangeError('the answer is too long');
    }
    return text + decoder.decode();
  } finally {
    signal?.removeEventListener('abort', end);
    end();
  }
}

/** @param {any} json what is wrong, as in RFC 9457 or as is common */
function reasonOf(json) {
  const { detail, message, error, title } = json instanceof Object ? json : {};
  return [detail, message, error?.message, error, title].find((each) => typeof each === 'string');
}

/** @param {string | null} header `550; message="5.1.1 No such user"` */
function smtpReply(header) {
  const [, code] = /^\s*([2-5]\d\d)\s*(;|$)/.exec(header ?? '') ?? [];
  const [, message] = /;\s*message="((?:[^"\\]|\\.)*)"/i.exec(header ?? '') ?? [];
  return code === undefined ? undefined : parseReply(`${code} ${line((message ?? '').replace(/\\(.)/g, '$1'))}`);
}

/** @param {string | null} header in seconds, or a date */
function waitOf(header) {
  if (header === null || !header.trim()) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const wait = / GMT\s*$/.test(header) ? Date.parse(header) - Date.now() : NaN;
  return wait >= 0 ? wait : undefined;
}
