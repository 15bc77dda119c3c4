/** @import { WriteStream } from 'node:tty' */
import { printableJson } from './printable.js';

/** Colours of ANSI by what they are for. */
const COLOURS = { green: 32, yellow: 33, red: 31, blue: 34, dim: 2, bold: 1 };

/** @typedef {keyof typeof COLOURS} Colour */

/** What a command writes, and how. */
export class Output {
  #stream;
  #isColourful;
  #isGone = false;
  /** @type {Promise<void> | undefined} resolves when there is room for more */
  #room;
  /** Why what was written has come nowhere, unless it is that nobody reads on. @type {Error | undefined} */
  failure;

  /**
   * @param {NodeJS.WriteStream} stream
   * @param {{ colour: boolean, gone: () => void }} options `gone` is called when nobody reads any more
   */
  constructor(stream, { colour, gone }) {
    this.#stream = stream;
    this.isTerminal = Boolean(stream.isTTY);
    this.#isColourful = colour && this.isTerminal && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
    stream.on('error', (/** @type {any} */ error) => {
      if (error?.code !== 'EPIPE') this.failure ??= error;
      this.#isGone = true;
      gone();
    });
  }

  /** How many columns a line has; as many as it takes where no terminal says. */
  get columns() {
    const told = Number(process.env.COLUMNS);
    const columns = this.isTerminal ? this.#stream.columns : Number.isInteger(told) && told > 0 ? told : 0;
    return columns ? Math.max(20, columns) : Infinity;
  }

  /**
   * Writes text that is printable; resolves when there is room for more.
   *
   * @param {string | Uint8Array} text
   * @returns {Promise<void>}
   */
  async write(text) {
    if (this.#isGone || this.#stream.write(text)) return;
    this.#room ??= new Promise((resolve) => {
      const events = ['drain', 'error', 'close'];
      const go = () => {
        for (const event of events) this.#stream.off(event, go);
        this.#room = undefined;
        resolve();
      };
      for (const event of events) this.#stream.on(event, go);
    });
    await this.#room;
  }

  /** @param {string} text */
  line(text) {
    return this.write(`${text}\n`);
  }

  /** @param {unknown} value */
  json(value) {
    return this.line(printableJson(value));
  }

  /**
   * @param {Colour | undefined} colour
   * @param {string} text
   */
  paint(colour, text) {
    return colour && this.#isColourful ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text;
  }
}

/** How far long work has come: one line on a terminal, and nothing elsewhere. */
export class Progress {
  #stream;
  #shown = 0;
  #isThere = false;

  /** @param {WriteStream} stream */
  constructor(stream) {
    this.#stream = stream;
  }

  /** @param {() => string} text is asked for a few times a second at most */
  show(text) {
    const now = performance.now();
    if (!this.#stream.isTTY || (this.#isThere && now - this.#shown < 100)) return;
    this.#shown = now;
    this.#isThere = true;
    this.#stream.write(`\r${text().slice(0, (this.#stream.columns || 80) - 1)}\u001b[K`);
  }

  /** Takes the line away, so that others can be written. */
  clear() {
    if (this.#isThere) this.#stream.write('\r\u001b[K');
    this.#isThere = false;
  }
}
