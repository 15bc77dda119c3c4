/** @import { Option, Operands } from './arguments.js' */
/** @import { Where } from './places/place.js' */
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { Failure, Unanswered, UsageError, isAboutOne, sentenceOf } from './failures.js';
import { Output, Progress } from './output.js';
import { Place } from './places/place.js';
import { printable } from './printable.js';

/**
 * A command of the program.
 *
 * @typedef {object} Command
 * @property {string} summary what it does, in a line
 * @property {string[]} about more of it, a paragraph each
 * @property {Record<string, Option>} options
 * @property {Operands} [operands]
 * @property {(context: Context) => Promise<number | void>} run resolves with the exit code, 0 unless given
 */

/** What the work waits for does not come, and the work is to end. */
export class Stuck extends Failure {}

/** What a command is given: its arguments, and what it does to the world besides places. */
export class Context {
  /** @type {(() => unknown)[]} */
  #closings = [];
  #stop = new AbortController();
  /** @type {Place[]} */
  #places = [];
  /** Whether somebody wants the work to end, and not only that nobody reads on. */
  isInterrupted = false;

  /**
   * @param {Record<string, any>} values of the options
   * @param {string[]} operands
   */
  constructor(values, operands) {
    this.values = values;
    this.operands = [...new Set(operands)];
    this.out = new Output(process.stdout, { colour: !values['no-color'], gone: () => this.stop() });
    this.progress = new Progress(process.stderr);
  }

  /** Is aborted when somebody wants the work to end, or nobody reads any more what it says. */
  get signal() {
    return this.#stop.signal;
  }

  /** Lets the work end because somebody wants it to. */
  interrupt() {
    this.isInterrupted = true;
    this.stop();
  }

  /**
   * Rejects when the work is to end and cannot, since a place gives no answer.
   *
   * @returns {Promise<never>}
   */
  stuck() {
    return new Promise((_, reject) => {
      this.signal.addEventListener('abort', () => {
        Promise.all(this.#places.map((place) => place.probe())).catch((error) => {
          if (error instanceof Unanswered) reject(new Stuck(`interrupted: ${error.message}`));
        });
      });
    });
  }

  stop() {
    this.#stop.abort();
  }

  /**
   * Says something to people, beside what the command writes.
   *
   * @param {string} text
   */
  tell(text) {
    this.progress.clear();
    process.stderr.write(`${printable(text)}\n`);
  }

  /**
   * Opens a place, which is closed when the command has ended.
   *
   * @param {Where} where
   * @param {{ create?: boolean }} [options]
   */
  async open(where, options) {
    const place = await Place.open(where, this.signal, options);
    this.#places.push(place);
    this.atEnd(() => place.close());
    return place;
  }

  /**
   * @param {() => unknown} close what is done when the command has ended
   */
  atEnd(close) {
    this.#closings.push(close);
  }

  /**
   * Does the same with each operand. What fails with one of them is told, and the others are gone on with.
   *
   * @param {(operand: string) => Promise<unknown>} work
   * @returns {Promise<number>} the exit code
   */
  async each(work) {
    let failed = 0;
    const { length } = this.operands;
    for (const [number, operand] of this.operands.entries()) {
      if (this.signal.aborted) throw new Failure(`interrupted before ${operand}`);
      if (length > 1) this.progress.show(() => `${number} of ${length}`);
      try {
        await work(operand);
      } catch (error) {
        if (!isAboutOne(error)) throw error;
        failed++;
        this.tell(`${operand}: ${sentenceOf(error)}`);
      }
    }
    return failed > 0 ? 1 : 0;
  }

  async close() {
    this.progress.clear();
    for (const close of this.#closings.reverse()) await close();
  }

  /**
   * Asks before something is done that cannot be undone.
   *
   * @param {string} question
   * @throws {UsageError} where nobody can be asked
   * @throws {Failure} where the answer is no
   */
  async confirm(question) {
    if (this.values.yes) return;
    if (!process.stdin.isTTY || !process.stderr.isTTY) {
      throw new UsageError('nobody can be asked here whether this is meant: --yes says that it is');
    }
    this.progress.clear();
    const dialog = createInterface({ input: process.stdin, output: process.stderr });
    dialog.on('SIGINT', () => this.interrupt());
    const asked = dialog.question(`${printable(question)} [y/N] `, { signal: this.signal }).catch(() => '');
    // Where the input ends (ctrl-d), the question itself never does.
    const answer = await Promise.race([asked, once(dialog, 'close').then(() => '')]);
    dialog.close();
    if (!/^y(es)?$/i.test(answer.trim())) throw new Failure('nothing was done');
  }
}

/** @type {Record<string, Option>} */
export const YES = { yes: { help: 'does not ask whether it is meant', short: 'y' } };
