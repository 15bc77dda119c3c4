import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { Ledger } from './ledger.js';
import { openSite } from './site.js';

const PAGE = '<!doctype html><title>crash</title><script type="module" src="/support/crash-page.js"></script>';
/**
 * One in so many kills comes while the browser still opens what the kill before has left, or before that where the
 * engine loses everything by such a kill.
 */
const RECOVERY = 5;

/**
 * Kills a browser that writes, again and again at random moments, and compares each time what the next one finds on the
 * same profile with what was acknowledged. What is not to be strictly durable is only to lose something: then it ends.
 *
 * @param {object} plan
 * @param {import('./bare-browser.js').Engine} plan.engine
 * @param {import('./random.js').Random} plan.random
 * @param {number} plan.times
 * @param {number} [plan.most] acknowledged changes between two kills, at most
 * @param {number} [plan.delay] milliseconds from then to the kill, at most
 * @param {'page' | 'service'} [plan.context] what writes: the page, or a service worker
 * @param {(number: number) => boolean} [plan.reads] whether the browser only reads before that kill, and `disk.rest`
 *   says when it comes
 * @param {'strict' | 'relaxed'} [plan.durability]
 * @param {Pick<import('./powercut.js').Disk, 'live' | 'env' | 'cut' | 'close'> & { rest?: () => Promise<void> }}
 *   [plan.disk] where the profile is, and what a kill does to it besides
 * @returns {Promise<Ledger>}
 */
export async function crash({
  engine, random, times, most = 400, delay = 20, context = 'page', reads = () => false, durability = 'strict',
  disk = new Folder(),
}) {
  const ledger = new Ledger(random);
  /** @type {Round} */
  let round;
  const site = await openSite((request, response) => {
    const [, number, what, lane] = /^\/round\/(\d+)(?:\/([a-z]+)(?:\/(\d+))?)?$/.exec(request.url ?? '') ?? [];
    if (number === undefined) return false;
    // A browser may open the pages of its last life again.
    if (Number(number) !== round.number) response.writeHead(404).end();
    else if (what === undefined) response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    else round.hear(what, Number(lane), request).then((body) => response.end(JSON.stringify(body)), round.fail);
    return true;
  });
  /** After what a round is over: that many acknowledgements, or the page's start, or its showing what is there. */
  const wanted = (number) => {
    if (number === times || reads(number)) return 'found';
    return number % RECOVERY === RECOVERY - 1 ? 'started' : 1 + random.below(most);
  };
  try {
    for (let number = 0; number <= times; number++) {
      round = new Round(number, ledger, { name: 'queue', durability, context }, wanted(number), engine.writesToTornLog);
      const browser = engine.start(disk.live, `${site.url}round/${number}`, disk.env(random));
      try {
        await Promise.race([round.over, browser.ended.then((code) => {
          throw new Error(`round ${number}: ${engine.name} has ended by itself: ${code}`);
        })]);
        if (reads(number)) await disk.rest?.();
        await pause(number < times ? random.below(delay) : 0); // at any point of what is under way
      } finally {
        await browser.kill();
      }
      disk.cut(random);
      if (durability === 'relaxed' && ledger.lost > 0) break;
      if (times > 20 && number % 10 === 9) console.log(`${number + 1} of ${times}: ${ledger}`);
    }
  } finally {
    await site.close();
    disk.close();
  }
  return ledger;
}

/** What is left of it after a kill is all that was written. */
export class Folder {
  live = mkdtempSync(join(tmpdir(), 'crash-'));
  env = () => ({});
  cut() {}
  close() {
    rmSync(this.live, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** One life of the browser. */
class Round {
  number;
  #ledger;
  #job;
  #wanted;
  #opensNothing;
  #acknowledged = 0;
  /** @type {Promise<void>} */
  over;
  #end = () => {};
  /** @type {(error: unknown) => void} */
  fail = () => {};

  /**
   * @param {number} number
   * @param {Ledger} ledger
   * @param {{ name: string, durability: 'strict' | 'relaxed', context: string }} job
   * @param {number | 'started' | 'found'} wanted
   * @param {boolean} writesToTornLog
   */
  constructor(number, ledger, job, wanted, writesToTornLog) {
    this.number = number;
    this.#ledger = ledger;
    this.#job = job;
    this.#wanted = wanted;
    this.#opensNothing = wanted === 'started' && writesToTornLog;
    this.over = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.fail = (error) => reject(new Error(`round ${number}: ${error}`));
    });
    this.over.catch(() => {});
  }

  /** What the page is answered that says `what`. */
  async hear(what, lane, request) {
    if (what === 'acknowledged' || what === 'unchanged') {
      this.#ledger.acknowledge(lane);
      // Where nothing was to be written the browser may still recover, and be killed as one that only reads.
      if (what === 'acknowledged' && ++this.#acknowledged === this.#wanted) this.#end();
      return null;
    }
    const said = await text(request);
    if (what === 'failed') throw said;
    if (what === 'refused') return this.#ledger.refuse(said);
    if (what === 'started') {
      if (this.#wanted === what) this.#end();
      return this.#opensNothing ? new Promise(() => {}) : this.#job;
    }
    if (what === 'unreadable') {
      if (this.#job.durability === 'strict') throw said;
      this.#ledger.loseAll();
      this.#end();
      return [];
    }
    const lanes = await this.#ledger.settle(JSON.parse(said));
    if (this.#wanted === what) this.#end();
    // Who recovers reads: an engine that is killed twice while it begins to write is beyond what a page can mend.
    return typeof this.#wanted === 'number' ? lanes : [];
  }
}
