/** The other side where no server has one: the service worker stands in for it. */
import { openDB } from 'idb';
import { Arrivals, judge } from './arrivals.js';
import { splitEml } from './eml.js';
import { Answers, readPosted } from './posted.js';

const PATHS = new Set(['relay', 'inbox', 'dials', 'clear']);

/** Keeps what arrives in a database: a service worker may end at any time. */
export class Simulation {
  #db = openDB('outbox-simulation', 1, { upgrade: (db) => void db.createObjectStore('state') });
  /** @type {Promise<{ arrivals: Arrivals, answers: Answers }> | undefined} */
  #state;
  #saved = Promise.resolve();
  /** @type {Promise<void> | undefined} */
  #next;

  /** What is kept, read at the first request: a worker that waits for another one to end knows nothing yet. */
  get #ready() {
    return (this.#state ??= this.#load());
  }

  async #load() {
    const { arrivals, answers } = (await (await this.#db).get('state', 'state')) ?? {};
    return { arrivals: new Arrivals(arrivals), answers: new Answers(answers) };
  }

  /**
   * Answers what a page asks of the other side; nothing for any other request.
   *
   * @param {Request} request
   * @returns {Promise<Response> | undefined}
   */
  answer(request) {
    const { origin, pathname, searchParams } = new URL(request.url);
    const name = pathname.slice(new URL('./', location.href).pathname.length);
    return origin === location.origin && PATHS.has(name) ? this.#answer(name, request, searchParams) : undefined;
  }

  /**
   * @param {string} name
   * @param {Request} request
   * @param {URLSearchParams} params
   */
  async #answer(name, request, params) {
    const { arrivals, answers } = await this.#ready;
    if (name === 'inbox') return json(200, arrivals.tell(Number(params.get('known') ?? -1), ''));
    if (name === 'relay') {
      if (arrivals.dials.away) return Response.error();
      const posted = readPosted((header) => request.headers.get(header) ?? '');
      if ('status' in posted) return json(posted.status, posted.body);
      const { headers } = splitEml(new Uint8Array(await request.arrayBuffer()));
      const { status, body } = await answers.take(request.headers.get('idempotency-key') ?? '', async () => {
        const replies = posted.recipients.map((address) => judge(address, arrivals.dials, arrivals.asked(address)));
        await arrivals.takeTime();
        const accepted = posted.recipients.filter((_, place) => replies[place].startsWith('2'));
        if (accepted.length > 0) arrivals.add(headers, posted.sender, accepted);
        return { status: 200, body: { replies: replies.map((text) => ({ code: Number(text.slice(0, 3)), message: text.slice(4) })) } };
      });
      await this.#save();
      return json(status, body);
    }
    try {
      if (name === 'dials') arrivals.turn(await request.json());
      else arrivals.clear();
    } catch (error) {
      return json(400, { detail: String(error) });
    }
    await this.#save();
    return json(200, {});
  }

  /** Those who ask while it is saved share the next time. Whoever comes after a save that has failed saves again. */
  async #save() {
    this.#next ??= this.#saved.then(() => {
      this.#next = undefined;
      const put = this.#put();
      this.#saved = put.catch(() => {}); // those who wait for this one hear of it
      return put;
    });
    return this.#next;
  }

  async #put() {
    const { arrivals, answers } = await this.#ready;
    await (await this.#db).put('state', { arrivals: arrivals.kept, answers: answers.kept }, 'state');
  }
}

/**
 * @param {number} status
 * @param {object} body
 */
function json(status, body) {
  return Response.json(body, { status });
}
