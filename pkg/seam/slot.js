/** @import { Calls } from './calls.js' */
/** @import { Envelope, Findings } from '../types.js' */

/** What one call has on this side of the seam, while the core works on it. */
export class Slot {
  /**
   * The message that it speaks of, once there is one.
   *
   * @type {string | undefined}
   */
  id = undefined;
  /**
   * On its way in or out.
   *
   * @type {Envelope | undefined}
   */
  envelope = undefined;
  /** Whether an envelope is read to be looked at, not only to count its recipients. */
  copies = false;
  /**
   * More arguments, NaN for those that were not given: of `change`, timestamp, attempts and lease that are expected,
   * then those that are next.
   *
   * @type {number[]}
   */
  numbers = NONE;
  /** @type {(string | undefined)[]} */
  owners = [];
  /** @type {number[]} */
  indexes = NONE;
  /** @type {string[]} */
  ids = [];

  /**
   * Of the meta record that was read last.
   *
   * @type {any}
   */
  version = undefined;
  /** @type {any} */
  cursor = undefined;
  /** @type {[key: unknown, record: any, timestamp: number][]} */
  page = [];
  /**
   * Positions of recipients, or places in the page.
   *
   * @type {number[]}
   */
  places = NONE;
  /** @type {Findings} */
  findings = { orphanEnvelopes: [], orphanMeta: [], corrupt: [] };

  // ---- of a call that takes its time ----

  number = 0;
  /** @type {Pick<Calls, 'poll'> | undefined} */
  calls = undefined;
  /** @type {(result: number) => void} */
  end = () => {};
}

/** @type {number[]} */
const NONE = [];
