/**
 * What the other side does with what pages post, wherever it runs: it reads the envelope, and answers a repeat of a request
 * as it did the first time.
 *
 * @typedef {{ status: number, body: { detail?: string, replies?: { code: number, message: string }[] } }} Answer
 */

/** The largest message that is taken, in bytes. */
export const LARGEST = 30_000_000;
/** How many recipients one request may name. */
const RECIPIENTS = 100;
/** How many answers are remembered for requests that are repeated. */
const REMEMBERED = 10_000;

/**
 * Reads the envelope of a request.
 *
 * @param {(name: string) => string} header
 * @returns {{ sender: string, recipients: string[] } | Answer} an answer for what is none
 */
export function readPosted(header) {
  const sender = decode(header('x-envelope-sender'));
  const recipients = header('x-envelope-recipient').split(',').map((each) => decode(each.trim()));
  if (recipients.length > RECIPIENTS) return refused(400, `more than ${RECIPIENTS} recipients`);
  if (sender === undefined || (sender !== '' && !isAddress(sender))) return refused(400, 'X-Envelope-Sender is no address');
  if (!recipients.every(isAddress)) return refused(400, 'X-Envelope-Recipient names no address');
  return { sender, recipients };
}

/**
 * @param {number} status
 * @param {string} detail
 * @returns {Answer}
 */
export function refused(status, detail) {
  return { status, body: { detail } };
}

/** Answers to requests, by their keys. */
export class Answers {
  /** @type {Map<string, Answer | Promise<Answer>>} */
  #answers;

  /** @param {[key: string, Answer][]} [kept] */
  constructor(kept = []) {
    this.#answers = new Map(kept);
  }

  /**
   * Whoever repeats a request gets the answer that it had, or will have: so a sender that ends before it hears an answer
   * sends nothing twice.
   *
   * @param {string} key
   * @param {() => Promise<Answer>} send
   * @returns {Promise<Answer>}
   */
  async take(key, send) {
    const known = this.#answers.get(key);
    if (known) return known;
    const pending = send();
    if (!key) return pending;
    this.#answers.set(key, pending);
    for (const [oldest] of this.#answers) {
      if (this.#answers.size <= REMEMBERED) break;
      this.#answers.delete(oldest);
    }
    try {
      const answer = await pending;
      // Whom nothing was sent to may be asked for again.
      const sent = answer.body.replies?.some(({ code }) => code >= 200 && code < 300);
      if (sent) this.#answers.set(key, answer);
      else this.#answers.delete(key);
      return answer;
    } catch (error) {
      this.#answers.delete(key);
      throw error;
    }
  }

  /** What can be kept. @returns {[key: string, Answer][]} */
  get kept() {
    return /** @type {[string, Answer][]} */ ([...this.#answers].filter(([, answer]) => !(answer instanceof Promise)));
  }
}

/**
 * @param {string | undefined} text
 * @returns {text is string}
 */
function isAddress(text) {
  return text !== undefined && text.length <= 320 && /^[^\p{Cc}<>]+@[^\p{Cc}\s<>]+$/u.test(text);
}

/** @param {string} base64 of UTF-8 */
function decode(base64) {
  if (!/^[a-z0-9+/]*={0,2}$/i.test(base64)) return undefined;
  try {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
