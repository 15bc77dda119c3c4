/** @import { DictName } from '../../types.js' */
/** @import { Argument } from './clients.js' */
import { decodeMeta } from '../shared/codec.js';

const BUCKETS = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/**
 * Where the keys of a message begin, and those of every other message in its bucket.
 *
 * @param {string} prefix
 * @param {string} id of a message in it, or its first two digits
 */
export function placeOf(prefix, id) {
  return `{${prefix}:${id.slice(0, 2)}}:`;
}

/** The messages of a queue, in buckets by the first two digits of their ids. */
export class Buckets {
  #prefix;
  #ask;

  /**
   * @param {string} prefix
   * @param {(place: string, command: Argument[]) => Promise<any>} ask
   */
  constructor(prefix, ask) {
    this.#prefix = prefix;
    this.#ask = ask;
  }

  /**
   * @param {DictName} dict
   * @param {any} cursor
   * @param {number} limit
   */
  async page(dict, cursor, limit) {
    /** @type {[string, unknown?][]} */
    const entries = [];
    let { cards = await this.#cards(dict), bucket = 0, after = '' } = cursor ?? {};
    while (entries.length === 0 && bucket < BUCKETS.length) {
      // As many buckets together as fit. What has more than it had, because others write, is looked at again.
      const parts = [];
      for (let left = limit, i = bucket; i < BUCKETS.length && left > 0; i++) {
        const quota = Math.min(cards[i] + 1, left);
        parts.push({ i, quota, ask: cards[i] > 0 ? this.#part(dict, i, i === bucket ? after : '', quota) : [] });
        if (cards[i] > 0) left -= quota;
      }
      const found = await Promise.all(parts.map(({ ask }) => ask));
      for (const [n, { i, quota }] of parts.entries()) {
        entries.push(...found[n].filter(([, value]) => dict === 'envelope' || value !== undefined));
        [bucket, after] = [i + 1, ''];
        if (found[n].length < quota) continue;
        [bucket, after] = [i, found[n][quota - 1][0]];
        break;
      }
    }
    return { entries, next: bucket < BUCKETS.length ? { cards, bucket, after } : undefined };
  }

  /** @param {string} id */
  cursorAfter(id) {
    return { bucket: BUCKETS.indexOf(id.slice(0, 2)), after: id };
  }

  async sizes() {
    const count = async (/** @type {DictName} */ dict) => (await this.#cards(dict)).reduce((sum, card) => sum + card);
    return { size: await count('envelope'), metaSize: await count('meta') };
  }

  /**
   * How many ids each bucket has.
   *
   * @param {DictName} dict
   * @returns {Promise<number[]>}
   */
  #cards(dict) {
    return Promise.all(BUCKETS.map((bucket) => {
      const place = placeOf(this.#prefix, bucket);
      return this.#ask(place, ['ZCARD', `${place}${dict}s`]);
    }));
  }

  /**
   * @param {DictName} dict
   * @param {number} bucket
   * @param {string} after
   * @param {number} limit
   * @returns {Promise<[string, unknown?][]>}
   */
  async #part(dict, bucket, after, limit) {
    const place = placeOf(this.#prefix, BUCKETS[bucket]);
    const [from, most] = [after ? `(${after}` : '-', String(limit)];
    /** @type {string[]} */
    const ids = (await this.#ask(place, ['ZRANGEBYLEX', `${place}${dict}s`, from, '+', 'LIMIT', '0', most]))
      .map(String);
    if (dict === 'envelope' || ids.length === 0) return ids.map((id) => [id]);
    // A record that is gone by now is that of a message which was removed.
    const records = await this.#ask(place, ['HMGET', `${place}records`, ...ids.map((id) => `meta:${id}`)]);
    return ids.map((id, i) => [id, records[i] ? decodeMeta(records[i]) : undefined]);
  }
}
