import { parseArgs } from 'node:util';
import { UsageError } from './failures.js';
import { nearest } from './near.js';
import { printable } from './printable.js';

/**
 * An option of a command.
 *
 * @typedef {object} Option
 * @property {string} help what it does, in a line
 * @property {string} [value] what stands for its value in the help; an option without one is a switch
 * @property {(text: string) => any} [read] makes its value of the text, or throws what was expected
 * @property {boolean} [many] whether it may be there several times
 * @property {string} [short]
 */

/**
 * What stands behind the options.
 *
 * @typedef {object} Operands
 * @property {string} name what stands for one in the help
 * @property {number} least
 * @property {number} most
 * @property {(text: string) => string} [read]
 * @property {boolean} [once] whether a repeat of one is refused
 */

/**
 * The options and operands of a command line.
 *
 * @param {string[]} args
 * @param {Record<string, Option>} options
 * @param {Operands} [operands]
 * @returns {{ values: Record<string, any>, operands: string[] }}
 * @throws {UsageError}
 */
export function readArguments(args, options, operands = { name: '', least: 0, most: 0 }) {
  const config = Object.fromEntries(Object.entries(options).map(([name, { value, short }]) => (
    [name, { type: /** @type {'string' | 'boolean'} */ (value ? 'string' : 'boolean'), ...(short && { short }) }])));
  const { tokens } = parseArgs({ args, options: config, strict: false, allowPositionals: true, tokens: true });
  /** @type {Record<string, any>} */
  const values = {};
  /** @type {string[]} */
  const found = [];
  for (const token of tokens) {
    if (token.kind === 'positional') found.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName } = token;
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (!option) throw unknown(rawName, options);
    if (name in values && !option.many) throw new UsageError(`${rawName} is there twice`);
    const value = valueOf(option, token);
    if (option.many) (values[name] ??= []).push(value);
    else values[name] = value;
  }
  return { values, operands: readOperands(found, operands) };
}

/**
 * @param {Option} option
 * @param {{ rawName: string, value?: string | undefined, inlineValue?: boolean | undefined }} token
 */
function valueOf(option, { rawName, value, inlineValue }) {
  if (!option.value) {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
    return true;
  }
  const isMissing = value === undefined || (!inlineValue && value.startsWith('-') && value.length > 1);
  if (isMissing) throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value}`);
  return read(rawName, value, option);
}

/**
 * @param {string[]} found
 * @param {Operands} operands
 */
function readOperands(found, operands) {
  const { name, least, most, once } = operands;
  if (found.length > most) throw new UsageError(`there is nothing to be made of ${quoted(found[most])}`);
  if (found.length < least) throw new UsageError(`${name} is missing`);
  const repeat = once ? found.find((text, i) => found.indexOf(text) < i) : undefined;
  if (repeat !== undefined) throw new UsageError(`${quoted(repeat)} is there twice`);
  return found.map((text) => read(name, text, operands));
}

/**
 * @param {string} what
 * @param {string} text
 * @param {{ value?: string, read?: (text: string) => any }} how
 */
function read(what, text, { value, read: reader }) {
  try {
    return reader ? reader(text) : text;
  } catch (error) {
    // What is meant as a URL may have a password in it, wherever that stands.
    const shown = value === 'URL' ? text.replace(/^.*@/s, '…@') : text;
    throw new UsageError(`${what}: expected ${/** @type {Error} */ (error).message}, got ${quoted(shown)}`);
  }
}

/**
 * @param {string} rawName
 * @param {Record<string, Option>} options
 */
function unknown(rawName, options) {
  const near = nearest(rawName, Object.keys(options).map((name) => `--${name}`));
  return new UsageError(`there is no option ${printable(rawName)}${near ? `; did you mean ${near}?` : ''}`);
}

/**
 * A text for people, without the password of a URL.
 *
 * @param {string} text
 */
export function quoted(text) {
  const [start, end] = [text.indexOf('://') + 3, text.lastIndexOf('@')];
  const shown = start > 2 && end > start ? `${text.slice(0, start)}…${text.slice(end)}` : text;
  return printable(JSON.stringify(shown.length > 60 ? `${shown.slice(0, 60)}…` : shown));
}
