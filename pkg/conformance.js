/** @import { DictHost, MaybePromise } from './types.js' */
import { contract } from './conformance/contract.js';
import { failures } from './conformance/failures.js';
import { listing } from './conformance/listing.js';
import { messages } from './conformance/messages.js';
import { Place } from './conformance/place.js';
import { values } from './conformance/values.js';
import { writers } from './conformance/writers.js';

const SUITE = { ...contract, ...messages, ...values, ...writers, ...listing, ...failures };

/**
 * What the suite needs of whoever has written a host.
 *
 * @typedef {object} Subject
 * @property {(name: string, run: () => Promise<void>) => unknown} test registers one test: the `test` of any framework,
 *   or a function that keeps both to run them later, one after the other
 * @property {() => MaybePromise<DictHost>} open a host on a place of its own, where nothing is yet
 * @property {(host: DictHost) => MaybePromise<DictHost>} reopen another host on the place of this one, which may be in
 *   use or closed: as another program would open it where `supports.writers` is 'many', else as the same program would
 */

/**
 * Registers the tests that every host of a queue must pass: what a host promises by itself, and what a storage over it
 * does: messages and their changes, odd and large values, many writers at once, lists while others write, and whatever
 * goes wrong. Needs no test framework, and runs wherever the package does. What a host does not promise in its
 * `supports` is not asked of it; nothing else is left out.
 *
 * ```js
 * import { test } from 'node:test';
 * import { conformance } from 'slimta-queue-dict/conformance';
 *
 * let number = 0;
 * const folders = new WeakMap();
 * const hostOn = (folder) => {
 *   const host = myHost(folder);
 *   folders.set(host, folder);
 *   return host;
 * };
 * conformance({ test, open: () => hostOn(`/tmp/place-${number++}`), reopen: (host) => hostOn(folders.get(host)) });
 * ```
 *
 * @param {Subject} subject
 */
export function conformance({ test, open, reopen }) {
  for (const [name, value] of Object.entries({ test, open, reopen })) {
    if (typeof value !== 'function') throw new TypeError(`${name}: expected a function, got ${typeof value}`);
  }
  for (const [name, run] of Object.entries(SUITE)) {
    test(name, async () => {
      const place = new Place({ open, reopen });
      try {
        await run(place);
      } catch (error) {
        await place.end().catch(() => {}); // what went wrong first is what counts
        throw error;
      }
      await place.end();
    });
  }
}
