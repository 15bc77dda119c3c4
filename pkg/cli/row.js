/** @import { Reply } from '../types.js' */
/** @import { Colour, Output } from './output.js' */
import { printable } from './printable.js';
import { fromNow } from './times.js';
import { cut, pad, widthOf } from './width.js';

/** @type {Record<string, Colour>} */
const COLOUR_OF = { sending: 'blue', deferred: 'yellow', failed: 'red', delivered: 'green', removed: 'dim' };
/** With fewer columns a message takes two lines: its id, and the rest. */
const WIDE = 80;
const HEADS = ['ID', 'STATE', 'DUE', 'TRIES', 'LAST REPLY'];

/**
 * What is shown of a message in a table. Every column but the last has one width, whatever comes.
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {string} state
 * @property {number} [due]
 * @property {number} [attempts]
 * @property {Reply[]} [replies]
 */

/**
 * @param {Output} out
 * @param {Row} row
 */
export async function writeRow(out, { id, state, due, attempts, replies = [] }) {
  const cells = [
    id, state, due === undefined ? '' : fromNow(due, Date.now()), attempts === undefined ? '' : String(attempts), textOf(replies),
  ];
  await writeCells(out, cells, COLOUR_OF[state]);
}

/**
 * The names of the columns, for people.
 *
 * @param {Output} out
 */
export async function writeHead(out) {
  if (out.isTerminal) await writeCells(out, HEADS);
}

/**
 * The state of a recipient or message in its colour.
 *
 * @param {Output} out
 * @param {string} state
 */
export function paintState(out, state) {
  return out.paint(COLOUR_OF[state], state);
}

/** @param {Reply} reply */
export function replyOf({ code, message }) {
  return printable(`${code} ${message}`.trim());
}

/**
 * @param {Output} out
 * @param {string[]} cells
 * @param {Colour} [colour] of the state
 */
async function writeCells(out, [id, state, due, tries, reply], colour) {
  const { columns } = out;
  const isWide = columns >= WIDE;
  const gap = isWide ? '  ' : ' ';
  const before = isWide ? `${pad(id, 32)}  ` : '  ';
  const after = [pad(due, 8), tries.padStart(5)].join(gap);
  const room = columns - widthOf(before) - 9 - gap.length - widthOf(after) - gap.length;
  const line = `${before}${out.paint(colour, pad(state, 9))}${gap}${after}${gap}${cut(reply, room)}`.trimEnd();
  await out.line(isWide ? line : `${id}\n${line}`);
}

/** @param {Reply[]} replies */
function textOf(replies) {
  const [first = '', ...others] = new Set(replies.map(replyOf));
  return `${first}${others.length > 0 ? ` (+${others.length})` : ''}`;
}
