/** @import { Command } from './context.js' */
import { readFileSync } from 'node:fs';
import { add } from './commands/add.js';
import { check } from './commands/check.js';
import { copy } from './commands/copy.js';
import { flush } from './commands/flush.js';
import { ls } from './commands/ls.js';
import { repair } from './commands/repair.js';
import { retry } from './commands/retry.js';
import { rm } from './commands/rm.js';
import { show } from './commands/show.js';
import { stats } from './commands/stats.js';
import { watch } from './commands/watch.js';
import { quoted, readArguments } from './arguments.js';
import { Context, Stuck } from './context.js';
import { Failure, UsageError, sentenceOf } from './failures.js';
import { helpOf, helpOfAll } from './help.js';
import { nearest } from './near.js';
import { printable } from './printable.js';

/** @type {Record<string, Command>} */
const COMMANDS = { ls, show, add, retry, rm, flush, check, repair, stats, watch, copy };
const FAILED = 1;
const WRONG_USE = 2;

/** @type {Record<string, import('./arguments.js').Option>} */
const EVERYWHERE = {
  json: { help: 'writes JSON, an object a line' },
  'no-color': { help: 'writes without colours, as with NO_COLOR in the environment' },
  help: { help: 'says what the command does', short: 'h' },
};

/**
 * Does what a command line says.
 *
 * @param {string[]} args
 * @returns {Promise<number>} the exit code: 0, 1 when something failed, 2 when it was called in a wrong way
 */
export async function run([name, ...args]) {
  const columns = Math.max(40, process.stdout.columns || Number(process.env.COLUMNS) || 80);
  if (name === '--help' || name === '-h' || name === 'help') return said(helpOfAll(COMMANDS, columns));
  if (name === '--version' || name === '-V') return said(version());
  if (name === undefined) return misuse(helpOfAll(COMMANDS, columns));
  if (!Object.hasOwn(COMMANDS, name)) return misuse(unknownCommand(name));
  const command = COMMANDS[name];
  const options = { ...command.options, ...EVERYWHERE };
  if (args.some((each) => each === '--help' || each === '-h')) return said(helpOf(name, command, options, columns));
  try {
    const { values, operands } = readArguments(args, options, command.operands);
    return await perform(command, new Context(values, operands));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return misuse(`slimta-queue-dict ${name}: ${sentenceOf(error)}`);
  }
}

/**
 * @param {Command} command
 * @param {Context} context
 */
async function perform(command, context) {
  const interrupt = () => {
    if (context.signal.aborted) process.exit(130); // asked twice: at once
    context.interrupt();
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, interrupt);
  try {
    const code = (await Promise.race([command.run(context), context.stuck()])) ?? 0;
    if (!context.out.failure) return code;
    throw new Failure(`what it writes cannot be written: ${context.out.failure.message}`);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    context.tell(sentenceOf(error));
    if (error instanceof Stuck) process.exit(FAILED); // what is under way never ends
    return FAILED;
  } finally {
    await context.close();
    for (const signal of ['SIGINT', 'SIGTERM']) process.removeListener(signal, interrupt);
  }
}

/** @param {string} text */
function said(text) {
  process.stdout.on('error', () => {}); // nobody reads it
  process.stdout.write(`${text}\n`);
  return 0;
}

/** @param {string} text */
function misuse(text) {
  process.stderr.write(`${text.split('\n').map(printable).join('\n')}\n`);
  return WRONG_USE;
}

/** @param {string} name */
function unknownCommand(name) {
  if (name.startsWith('-')) return `slimta-queue-dict: the command comes before ${quoted(name)}`;
  const near = nearest(name, Object.keys(COMMANDS));
  return `slimta-queue-dict: there is no command ${quoted(name)}${near ? `; did you mean ${near}?` : '; --help lists them'}`;
}

function version() {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
}
