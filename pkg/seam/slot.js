/** @import { Calls } from './calls.js' */
/** @import { ReadMeta } from './meta.js' */
/** @import { Envelope, Findings } from '../types.js' */

/** @type {any[]} */
const NONE = [];

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
   * Of the meta record that was read last.
   *
   * @type {any}
   */
  version = undefined;
  /**
   * How a commit on dictionaries that answer at once goes.
   *
   * @type {number | undefined}
   */
  committing = undefined;
  /** Whether that has the turn of the message. */
  turn = false;
  /**
   * Positions of recipients, or places in the page.
   *
   * @type {number[]}
   */
  places = NONE;
  /** @type {number[]} */
  indexes = NONE;

  /**
   * The meta record that was read last.
   *
   * @type {ReadMeta | undefined}
   */
  looked = undefined;

  // ---- more arguments ----

  /**
   * NaN for those that were not given: of `change`, timestamp, attempts and lease that are expected, then those that
   * are next.
   *
   * @type {number[]}
   */
  numbers = NONE;
  /** @type {(string | undefined)[]} */
  owners = NONE;
  /** @type {string[]} */
  ids = NONE;

  // ---- of a listing ----

  /** @type {any} */
  cursor = undefined;
  /** @type {unknown[]} */
  keys = NONE;
  /** @type {(ReadMeta | undefined)[]} */
  metas = NONE;
  /** @type {Findings | undefined} */
  findings = undefined;

  // ---- of a call that takes its time ----

  number = 0;
  /** @type {Pick<Calls, 'poll'> | undefined} */
  calls = undefined;
  /** @type {((result: number) => void) | undefined} */
  end = undefined;
  /** @type {(() => void) | undefined} */
  lose = undefined;
}
