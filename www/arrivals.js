/** @import { Arrival, Dials, Inbox } from './relay.js' */
import { KEY_HEADER, authorOf, subjectOf } from './mail.js';
import { headerValue } from './eml.js';

/** How many arrivals are kept; all of them are counted. */
const KEPT = 5_000;
/** @type {Dials} */
const USUAL = { slow: 0, defer: 0, refuse: 0, away: false };
const MOST = { slow: 10_000, defer: 100, refuse: 100 };

/** What the other side of the demo has got, and how it is told to behave. */
export class Arrivals {
  /** @type {Dials} */
  dials = USUAL;
  version = 0;
  #total = 0;
  #twice = 0;
  /** @type {Map<string, Arrival>} */
  #arrivals = new Map();
  /** @type {Set<() => void>} */
  #slowed = new Set();
  /** @type {Map<string, number>} how often each address was asked for */
  #asked = new Map();

  /** @param {Arrivals['kept']} [kept] */
  constructor(kept) {
    if (!kept) return;
    ({ dials: this.dials, version: this.version, total: this.#total, twice: this.#twice } = kept);
    this.#arrivals = new Map(kept.arrivals);
    this.#asked = new Map(kept.asked);
  }

  /** All that is to be kept where a program may end. */
  get kept() {
    const { dials, version } = this;
    return { dials, version, total: this.#total, twice: this.#twice, arrivals: [...this.#arrivals], asked: [...this.#asked] };
  }

  /**
   * @param {[string, string][]} headers
   * @param {string} from
   * @param {string[]} recipients
   */
  add(headers, from, recipients) {
    const key = headerValue(headers, KEY_HEADER) ?? headerValue(headers, 'Message-ID') ?? crypto.randomUUID();
    for (const to of recipients) {
      const place = JSON.stringify([key, to.toLowerCase()]);
      const copies = (this.#arrivals.get(place)?.copies ?? 0) + 1;
      if (copies === 1) this.#total++;
      if (copies === 2) this.#twice++;
      this.#arrivals.set(place, {
        key, to, from: authorOf(headers)?.name || from, subject: subjectOf(headers), time: Date.now(), copies,
      });
    }
    for (const [place] of this.#arrivals) {
      if (this.#arrivals.size <= KEPT) break;
      this.#arrivals.delete(place);
    }
    this.version++;
  }

  /**
   * Counts how often somebody was asked for before.
   *
   * @param {string} address
   */
  asked(address) {
    const before = this.#asked.get(address) ?? 0;
    this.#asked.set(address, before + 1);
    return before;
  }

  /** Takes as long as it is told to; those who wait wait no longer once that is another time. */
  async takeTime() {
    if (this.dials.slow === 0) return;
    await new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#slowed.delete(end);
        resolve(undefined);
      };
      const timer = setTimeout(end, this.dials.slow);
      this.#slowed.add(end);
    });
  }

  /**
   * @param {number} known
   * @param {string} server
   * @returns {Inbox}
   */
  tell(known, server) {
    const { version, dials } = this;
    const told = { version, dials, server, total: this.#total, twice: this.#twice };
    return known === version ? told : { ...told, arrivals: [...this.#arrivals.values()] };
  }

  /**
   * @param {unknown} given
   * @throws {TypeError} for what is no dial, or out of its range
   */
  turn(given) {
    if (typeof given !== 'object' || given === null) throw new TypeError('expected an object of dials');
    for (const [name, value] of Object.entries(given)) {
      const most = MOST[/** @type {keyof MOST} */ (name)];
      const good = name === 'away' ? typeof value === 'boolean' : Number.isFinite(value) && value >= 0 && value <= most;
      if (!good) throw new TypeError(`${name}: expected ${name === 'away' ? 'true or false' : `a number up to ${most}`}`);
    }
    if ('slow' in given && given.slow !== this.dials.slow) for (const end of this.#slowed) end();
    this.dials = { ...this.dials, ...given };
    this.version++;
  }

  clear() {
    this.#arrivals.clear();
    this.#asked.clear();
    this.#total = this.#twice = 0;
    this.dials = USUAL;
    this.version++;
  }
}

/**
 * What a recipient is answered. Whoever is called `nobody` does not exist, and `busy` asks to be tried again, once.
 *
 * @param {string} address
 * @param {Dials} dials
 * @param {number} before how often it was asked for before
 * @returns {string}
 */
export function judge(address, { defer, refuse }, before) {
  const local = address.slice(0, address.lastIndexOf('@')).toLowerCase();
  if (local === 'nobody') return `550 5.1.1 No mailbox ${address} here`;
  if (local === 'busy' && before === 0) return '451 4.2.1 Mailbox busy, try again later';
  const drawn = Math.random() * 100;
  if (drawn < refuse) return `550 5.7.1 ${address} refuses this message`;
  if (drawn < refuse + defer) return '451 4.3.2 Not now, try again later';
  return '250 2.0.0 Delivered to the inbox';
}
