/** @import { Calls } from './calls.js' */
/** @import { ReadMeta } from './meta.js' */
/** @import { Envelope, Findings, Meta } from '../types.js' */

/** @type {any[]} */
const NONE = [];
/** @type {Page} */
const NO_PAGE = { keys: NONE, metas: NONE };
/** @type {More} */
const NO_MORE = { numbers: NONE, owners: NONE, ids: NONE };

/**
 * @typedef {object} Page
 * @property {unknown[]} keys
 * @property {(ReadMeta | undefined)[]} metas
 */
/**
 * NaN for numbers that were not given: of `change`, timestamp, attempts and lease that are expected, then those that
 * are next.
 *
 * @typedef {object} More
 * @property {number[]} numbers
 * @property {(string | undefined)[]} owners
 * @property {string[]} ids
 */

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
  /** Whether what is read is for the caller: of an envelope the core counts the recipients only. */
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
   * Positions of recipients, on their way in or out, or places in the page.
   *
   * @type {number[]}
   */
  places = NONE;
  /**
   * Of the meta record that is described.
   *
   * @type {Meta['lease']}
   */
  lease = undefined;
  /** @type {number[]} */
  indexes = NONE;

  /**
   * The meta record that was read last.
   *
   * @type {ReadMeta | undefined}
   */
  looked = undefined;

  /**
   * More arguments.
   *
   * @type {More}
   */
  more = NO_MORE;

  // ---- of a listing ----

  /** @type {any} */
  cursor = undefined;
  /** @type {Page} */
  page = NO_PAGE;
  /** @type {Findings | undefined} */
  findings = undefined;
}

/** What a call has that takes its time. */
export class CallSlot extends Slot {
  number = 0;
  /** @type {Pick<Calls, 'poll'> | undefined} */
  calls = undefined;
  /** @type {((result: number) => void) | undefined} */
  end = undefined;
  /** @type {(() => void) | undefined} */
  lose = undefined;
}
