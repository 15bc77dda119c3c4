import { THREW } from './status.js';
import { KeyError, QueueError, describe, explain, isQueueError } from '../errors.js';

/**
 * What a call leaves for the core, which takes it before anything else runs; and the errors, which are made here since
 * the core cannot look at what was thrown.
 */
export class Slots {
  /** @type {any} */
  value;
  /** @type {any} */
  version;
  /** @type {any} */
  thrown;
  /** @type {any} */
  error;
  refusal = { range: false, name: '', expected: '', got: '' };
  /** @type {any[]} */
  list = [];
  /** @type {any[]} */
  rows = [];
  first = 0;
  second = 0;
  part = -1;
  format = 0;

  // ---- what a call has left ----

  /** @param {unknown} error */
  threw(error) {
    this.thrown = error;
    return THREW;
  }

  takeThrown() {
    const thrown = this.thrown;
    this.thrown = undefined;
    return thrown;
  }

  takePromise() {
    return this.takeValue();
  }

  takeValue() {
    const value = this.value;
    this.value = undefined;
    return value;
  }

  takeVersion() {
    const version = this.version;
    this.version = undefined;
    return version;
  }

  // ---- errors ----

  /**
   * @param {string} code
   * @param {string} reason
   * @param {string | undefined} id
   * @param {boolean} hasCause
   * @param {unknown} cause
   */
  failure(code, reason, id, hasCause, cause) {
    if (hasCause && isQueueError(cause)) {
      if (id !== undefined && cause.id === undefined && Object.isExtensible(cause)) cause.id = id;
      return cause;
    }
    if (code === 'no-such-message') return new KeyError(/** @type {string} */ (id));
    const about = id === undefined ? '' : ` (${id})`;
    const why = hasCause ? `: ${explain(cause)}` : '';
    return new QueueError(code, `${code}: ${reason}${about}${why}`, hasCause ? { id, cause } : { id });
  }

  /**
   * @param {boolean} range
   * @param {string} name
   * @param {string} expected
   * @param {unknown} value
   */
  refuse(range, name, expected, value) {
    this.refusal = { range, name, expected, got: describe(value) };
  }

  /**
   * What was refused is an element or a property of something.
   *
   * @param {string | number} key its name there, or the name of that thing
   */
  within(key) {
    const { name } = this.refusal;
    const inner = name === '' || name.startsWith('[') ? name : `.${name}`;
    this.refusal.name = (typeof key === 'number' ? `[${key}]` : key) + inner;
  }

  refused() {
    const { range, name, expected, got } = this.refusal;
    return new (range ? RangeError : TypeError)(`${name}: expected ${expected}, got ${got}`);
  }

  /** @param {unknown} error */
  fail(error) {
    this.error = error;
  }

  takeError() {
    const error = this.error;
    this.error = undefined;
    return error;
  }
}
