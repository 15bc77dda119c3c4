/** @import { Expect, Next } from '../types.js' */
import { outOfRange, refused } from '../errors.js';
import { onlyKnown } from '../options.js';
import { isWellFormed } from './copy.js';
import { packed } from './packed-fields.js';

// Inert copies of the arguments of callers. Each value is read once, since reading may run the caller's code; what that
// throws passes through. Here is judged only what a value is: the core judges the rest.

const POSITION = 'a position in the original list of recipients';
/** The states of messages, as `list` takes them. */
export const STATES = ['waiting', 'sending', 'deferred', 'failed', 'delivered'];
const MOST_INDEXES = 1 << 24;

/**
 * A property of an object that may be missing as a whole.
 *
 * @param {any} object
 * @param {string} name
 * @param {string} key
 */
export function field(object, name, key) {
  if (object === undefined) return undefined;
  if (typeof object !== 'object' || object === null) throw refused(name, 'an object', object);
  return object[key];
}

/**
 * @param {string} path
 * @param {unknown} value
 * @returns {string}
 */
export function copyId(path, value) {
  if (typeof value !== 'string') throw refused(path, 'a string', value);
  return value;
}

/**
 * A text that is the same in the core.
 *
 * @param {string} path
 * @param {unknown} value
 * @returns {string}
 */
function copyText(path, value) {
  if (typeof value === 'string' && isWellFormed(value)) return value;
  throw refused(path, 'a string without lone surrogates', value);
}

/**
 * @param {string} path
 * @param {unknown} value
 * @returns {number}
 */
export function copyTimestamp(path, value) {
  const isDate = typeof value === 'object' && value instanceof Date;
  let number = typeof value === 'number' ? value : NaN;
  if (isDate) {
    try {
      number = Date.prototype.getTime.call(value);
    } catch {
      // only the prototype of a Date
    }
  }
  if (Number.isFinite(number)) return number;
  const expected = 'a finite number or a valid Date';
  throw typeof value === 'number' || isDate ? outOfRange(path, expected, value) : refused(path, expected, value);
}

/**
 * @param {string} path
 * @param {any} value
 * @returns {number[]}
 */
export function copyIndexes(path, value) {
  if (typeof value !== 'object' || typeof value?.[Symbol.iterator] !== 'function') {
    throw refused(path, 'an iterable of positions', value);
  }
  const list = [];
  for (const index of value) {
    if (typeof index !== 'number') throw refused(`${path}[${list.length}]`, POSITION, index);
    if (!isUint32(index)) throw outOfRange(`${path}[${list.length}]`, POSITION, index);
    if (list.length === MOST_INDEXES) throw new RangeError(`${path}: expected at most ${MOST_INDEXES} positions`);
    list.push(index);
  }
  return list;
}

/** @param {number} number */
function isUint32(number) {
  return number >>> 0 === number;
}

/**
 * What a change expects; nothing of a record that is null.
 *
 * @param {any} expect
 * @returns {Expect}
 */
export function copyExpect(expect) {
  if (expect === undefined) throw refused('expect', 'an object or null', expect);
  return copyRecord('expect', expect ?? undefined);
}

/**
 * What a change sets.
 *
 * @param {any} next
 * @returns {Next}
 */
export function copyNext(next) {
  if (next === undefined) throw refused('next', 'an object', next);
  /** @type {Next} */
  const copy = copyRecord('next', next);
  const delivered = field(next, 'next', 'delivered');
  if (delivered !== undefined) copy.delivered = copyIndexes('next.delivered', delivered);
  return Object.assign(copy, packed(copyQueueFields(next)));
}

/**
 * What a change says of the fields that only queues set.
 *
 * @param {any} next
 */
function copyQueueFields(next) {
  /** @type {Record<string, unknown>} */
  const copy = {};
  const { failed, firstAttempt, scheduled, untold, notice, replies } = next;
  if (failed !== undefined) {
    const attempt = copyAttempts('next.failed.attempt', field(failed, 'next.failed', 'attempt'));
    copy.failed = [{ attempt, indexes: copyIndexes('next.failed.indexes', field(failed, 'next.failed', 'indexes')) }];
  }
  if (firstAttempt !== undefined) copy.firstAttempt = copyTimestamp('next.firstAttempt', firstAttempt);
  if (scheduled !== undefined) copy.scheduled = copyAttempts('next.scheduled', scheduled);
  if (untold !== undefined) copy.untold = untold === null ? null : copyAttempts('next.untold', untold);
  if (notice !== undefined) {
    if (notice !== 'confirmed' && notice !== 'void') throw refused('next.notice', "'confirmed' or 'void'", notice);
    copy.notice = notice;
  }
  if (replies !== undefined) {
    if (!Array.isArray(replies)) throw refused('next.replies', 'an array', replies);
    copy.replies = replies.map((entry, i) => copyLastReply(`next.replies[${i}]`, entry));
  }
  return copy;
}

/**
 * @param {string} path
 * @param {any} entry
 */
function copyLastReply(path, entry) {
  const reply = field(entry, path, 'reply') ?? null;
  const code = field(reply, `${path}.reply`, 'code');
  if (!Number.isInteger(code) || code < 0 || code > 999) throw refused(`${path}.reply.code`, 'a code of a reply', code);
  const message = copyText(`${path}.reply.message`, field(reply, `${path}.reply`, 'message'));
  const indexes = copyIndexes(`${path}.indexes`, field(entry, path, 'indexes'));
  return { reply: { code, message }, indexes: [...new Set(indexes)].sort((a, b) => a - b) };
}

/**
 * @param {string} name
 * @param {any} record
 */
function copyRecord(name, record) {
  /** @type {Expect} */
  const copy = {};
  const time = field(record, name, 'timestamp');
  if (time !== undefined) copy.timestamp = copyTimestamp(`${name}.timestamp`, time);
  const attempts = field(record, name, 'attempts');
  if (attempts !== undefined) copy.attempts = copyAttempts(`${name}.attempts`, attempts);
  const lease = field(record, name, 'lease');
  if (lease !== undefined) copy.lease = lease === null ? null : copyLease(`${name}.lease`, lease);
  return copy;
}

/**
 * @param {string} path
 * @param {unknown} value
 */
function copyAttempts(path, value) {
  if (typeof value !== 'number') throw refused(path, 'a number of attempts', value);
  if (isUint32(value)) return value;
  throw outOfRange(path, 'a whole number from 0 to 4294967295', value);
}

/**
 * @param {string} path
 * @param {any} lease
 */
function copyLease(path, lease) {
  const until = copyTimestamp(`${path}.until`, field(lease, path, 'until'));
  return { until, owner: copyText(`${path}.owner`, field(lease, path, 'owner')) };
}

/**
 * @param {any} options
 * @returns {{ minAge: number | undefined, requeue: string[] }}
 */
export function copyRepair(options) {
  if (options !== undefined) onlyKnown('options', options, ['minAge', 'requeue']);
  const minAge = field(options, 'options', 'minAge');
  const requeue = field(options, 'options', 'requeue');
  if (minAge !== undefined) {
    if (typeof minAge !== 'number') throw refused('options.minAge', 'a number of milliseconds', minAge);
    if (!(Number.isFinite(minAge) && minAge >= 0)) {
      throw outOfRange('options.minAge', 'a number of milliseconds from 0', minAge);
    }
  }
  if (requeue === undefined) return { minAge, requeue: [] };
  if (typeof requeue !== 'object' || typeof requeue?.[Symbol.iterator] !== 'function') {
    throw refused('options.requeue', 'an iterable of ids', requeue);
  }
  return { minAge, requeue: Array.from(requeue, (id, i) => copyId(`options.requeue[${i}]`, id)) };
}

/**
 * The id that the options of a `write` give.
 *
 * @param {unknown} options
 * @returns {string | undefined}
 */
export function copyWriteId(options) {
  const id = field(options, 'options', 'id');
  return id === undefined ? undefined : copyText('options.id', id);
}

/**
 * What the options of an `enqueue` say.
 *
 * @param {any} options
 * @returns {{ id?: string, key?: string, at?: number, expires?: number }}
 */
export function copyEnqueueOptions(options) {
  if (options === undefined || options === null) return {};
  /** @type {{ id?: string, key?: string, at?: number, expires?: number }} */
  const copy = {};
  const { id, key, at, expires } = /** @type {any} */ (onlyKnown('options', options, ['id', 'key', 'at', 'expires']));
  if (id !== undefined) copy.id = copyText('options.id', id);
  if (key !== undefined) {
    copy.key = copyText('options.key', key);
  }
  if (at !== undefined) copy.at = copyTimestamp('options.at', at);
  if (expires !== undefined) copy.expires = copyTimestamp('options.expires', expires);
  return copy;
}

/**
 * What the options of a run say.
 *
 * @param {any} options
 * @param {string[]} known
 * @returns {{ until?: number, limit?: number, signal?: AbortSignal }}
 */
export function copyRunOptions(options, known) {
  if (options === undefined || options === null) return {};
  const { until, limit, signal } = /** @type {any} */ (onlyKnown('options', options, known));
  if (signal !== undefined && !(typeof signal?.aborted === 'boolean' && typeof signal.addEventListener === 'function')) {
    throw refused('options.signal', 'an AbortSignal', signal);
  }
  return {
    until: until === undefined ? undefined : copyTimestamp('options.until', until),
    limit: copyLimit(limit),
    signal,
  };
}

/**
 * What the options of a `list` say.
 *
 * @param {any} options
 * @returns {{ state?: string, limit?: number, cursor?: string, envelopes: boolean }}
 */
export function copyListOptions(options) {
  if (options === undefined || options === null) return { envelopes: false };
  const known = ['state', 'limit', 'cursor', 'envelopes'];
  const { state, limit, cursor, envelopes = false } = /** @type {any} */ (onlyKnown('options', options, known));
  if (state !== undefined && !STATES.includes(state)) throw refused('options.state', `one of ${STATES.join(', ')}`, state);
  if (cursor !== undefined && typeof cursor !== 'string') throw refused('options.cursor', 'the cursor of a list', cursor);
  if (typeof envelopes !== 'boolean') throw refused('options.envelopes', 'true or false', envelopes);
  return { state, limit: copyLimit(limit), cursor, envelopes };
}

/**
 * @param {unknown} limit
 * @returns {number | undefined} none if there is no limit
 */
function copyLimit(limit) {
  if (limit === undefined || limit === Infinity) return undefined;
  if (typeof limit !== 'number') throw refused('options.limit', 'a number of messages', limit);
  if (Number.isSafeInteger(limit) && limit >= 0) return limit;
  throw outOfRange('options.limit', 'a whole number from 0', limit);
}
