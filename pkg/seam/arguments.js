/** @import { Slot } from './slot.js' */
import { describe } from '../errors.js';
import { Method } from './names.js';
import { copyEnvelope } from './envelope.js';
import { isWellFormed, refused } from './extras.js';

const POSITION = 'a position in the original list of recipients';
const MOST_INDEXES = 1 << 24;

/**
 * Reads the arguments of a method into its slot, each once, and returns its number. What a caller's code throws passes
 * through; here is judged only what a value is, and the core judges the rest.
 *
 * @param {Slot} slot
 * @param {number} method
 * @param {any} first
 * @param {any} second
 * @param {any} third
 * @returns {number}
 */
export function readArguments(slot, method, first, second, third) {
  switch (method) {
    case Method.Write: {
      const id = field(third, 'options', 'id');
      if (id !== undefined && typeof id !== 'string') throw refused('options.id', 'a string', id);
      slot.id = id;
      const number = timestamp('timestamp', second);
      slot.envelope = copyEnvelope(first);
      return number;
    }
    case Method.GetInfo:
    case Method.Close:
      return 0;
    case Method.Check:
    case Method.Repair:
      slot.copies = true;
      slot.findings = { orphanEnvelopes: [], orphanMeta: [], corrupt: [] };
      return method === Method.Check ? 0 : readRepair(slot, first);
  }
  const number = method === Method.SetTimestamp ? timestamp('timestamp', second) : 0;
  if (method === Method.SetRecipientsDelivered) slot.indexes = indexes('rcptIndexes', second);
  if (method === Method.Change) readChange(slot, second, third);
  if (method === Method.Get || method === Method.Look) slot.copies = true;
  if (typeof first !== 'string') throw refused('id', 'a string', first);
  slot.id = first;
  return number;
}

/**
 * A property of an object that may be missing as a whole.
 *
 * @param {any} object
 * @param {string} name
 * @param {string} key
 */
function field(object, name, key) {
  if (object === undefined) return undefined;
  if (typeof object !== 'object' || object === null) throw refused(name, 'an object', object);
  return object[key];
}

/**
 * @param {string} path
 * @param {unknown} value
 * @returns {number}
 */
function timestamp(path, value) {
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
  if (typeof value !== 'number' && !isDate) throw refused(path, 'a finite number or a valid Date', value);
  throw new RangeError(`${path}: expected a finite number or a valid Date, got ${describe(value)}`);
}

/**
 * @param {string} path
 * @param {any} value
 * @returns {number[]}
 */
function indexes(path, value) {
  if (typeof value !== 'object' || typeof value?.[Symbol.iterator] !== 'function') {
    throw refused(path, 'an iterable of positions', value);
  }
  const list = [];
  for (const index of value) {
    if (typeof index !== 'number') throw refused(`${path}[${list.length}]`, POSITION, index);
    if (!isUint32(index)) {
      throw new RangeError(`${path}[${list.length}]: expected ${POSITION}, got ${describe(index)}`);
    }
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
 * @param {string} path
 * @param {any} value
 */
function attempts(path, value) {
  if (typeof value !== 'number') throw refused(path, 'a number of attempts', value);
  if (isUint32(value)) return value;
  throw new RangeError(`${path}: expected a whole number from 0 to 4294967295, got ${describe(value)}`);
}

/**
 * @param {Slot} slot
 * @param {any} expect
 * @param {any} next
 */
function readChange(slot, expect, next) {
  if (expect === undefined) throw refused('expect', 'an object or null', expect);
  if (next === undefined) throw refused('next', 'an object', next);
  slot.more = { numbers: [], owners: [], ids: [] };
  readRecord(slot.more, 'expect', expect ?? undefined);
  readRecord(slot.more, 'next', next);
  const delivered = field(next, 'next', 'delivered');
  if (delivered !== undefined) slot.indexes = indexes('next.delivered', delivered);
}

/**
 * @param {Slot['more']} more
 * @param {string} name
 * @param {any} record
 */
function readRecord(more, name, record) {
  const time = field(record, name, 'timestamp');
  more.numbers.push(time === undefined ? NaN : timestamp(`${name}.timestamp`, time));
  const count = field(record, name, 'attempts');
  more.numbers.push(count === undefined ? NaN : attempts(`${name}.attempts`, count));
  const lease = field(record, name, 'lease');
  let until = NaN;
  if (lease === null) {
    until = Infinity;
  } else if (lease !== undefined) {
    const path = `${name}.lease`;
    until = timestamp(`${path}.until`, field(lease, path, 'until'));
    const owner = field(lease, path, 'owner');
    if (typeof owner !== 'string' || !isWellFormed(owner)) {
      throw refused(`${path}.owner`, 'a string without lone surrogates', owner);
    }
    more.owners[more.numbers.length] = owner;
  }
  more.numbers.push(until);
}

/**
 * @param {Slot} slot
 * @param {any} options
 */
function readRepair(slot, options) {
  const minAge = field(options, 'options', 'minAge');
  const requeue = field(options, 'options', 'requeue');
  if (minAge !== undefined) {
    if (typeof minAge !== 'number') throw refused('options.minAge', 'a number of milliseconds', minAge);
    if (!(Number.isFinite(minAge) && minAge >= 0)) {
      throw new RangeError(`options.minAge: expected a number of milliseconds from 0, got ${describe(minAge)}`);
    }
  }
  if (requeue !== undefined) {
    if (typeof requeue !== 'object' || typeof requeue?.[Symbol.iterator] !== 'function') {
      throw refused('options.requeue', 'an iterable of ids', requeue);
    }
    const ids = Array.from(requeue);
    ids.forEach((id, i) => {
      if (typeof id !== 'string') throw refused(`options.requeue[${i}]`, 'a string', id);
    });
    slot.more = { numbers: [], owners: [], ids };
  }
  return minAge ?? NaN;
}
