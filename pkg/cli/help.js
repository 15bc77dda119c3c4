/** @import { Command } from './context.js' */
/** @import { Option } from './arguments.js' */
import { wrap } from './width.js';

const PROGRAM = 'slimta-queue-dict';

/**
 * @param {Record<string, Command>} commands
 * @param {number} columns
 */
export function helpOfAll(commands, columns) {
  const rows = Object.entries(commands).map(([name, { summary }]) => /** @type {[string, string]} */ ([name, summary]));
  return [
    `${PROGRAM} COMMAND [OPTION]…`, '',
    ...wrap('Looks at a mail queue and works on it.', columns), '',
    ...table(rows, columns), '',
    ...wrap(`${PROGRAM} COMMAND --help says more of a command, ${PROGRAM} --version which version this is.`, columns), '',
    ...wrap('It ends with 0 when all is done, 1 when something failed, 2 when it was called in a wrong way.', columns),
  ].join('\n');
}

/**
 * @param {string} name
 * @param {Command} command
 * @param {Record<string, Option>} options those of every command included
 * @param {number} columns
 */
export function helpOf(name, { summary, about, operands }, options, columns) {
  const rest = operands ? ` ${operands.least ? operands.name : `[${operands.name}]`}${operands.most > 1 ? '…' : ''}` : '';
  const rows = Object.entries(options).map(([option, { short, value, help, many }]) => /** @type {[string, string]} */ ([
    `${short ? `-${short}, ` : ''}--${option}${value ? ` ${value}` : ''}`, many ? `${help}; may be there several times` : help,
  ]));
  return [
    `${PROGRAM} ${name}${rest} [OPTION]…`, '',
    ...[`${summary}.`, ...about].flatMap((paragraph) => [...wrap(paragraph, columns), '']),
    ...table(rows, columns),
  ].join('\n');
}

/**
 * Two columns; where there is little room, the second one below the first.
 *
 * @param {[string, string][]} rows
 * @param {number} columns
 */
function table(rows, columns) {
  const first = Math.max(...rows.map(([name]) => name.length)) + 4;
  const isNarrow = columns - first < 30;
  const start = isNarrow ? 6 : first;
  return rows.flatMap(([name, text]) => {
    const lines = wrap(text, columns - start).map((line) => ' '.repeat(start) + line);
    return isNarrow ? [`  ${name}`, ...lines] : [`  ${name}`.padEnd(start) + lines[0].trimStart(), ...lines.slice(1)];
  });
}
