/** What the comparisons print, and the file that keeps it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';

const RESULTS = fileURLToPath(new URL('RESULTS.md', import.meta.url));
const loadBefore = os.loadavg()[0].toFixed(1);
const TITLE = `# Results

Written by the benchmarks themselves, each its own section (\`--write\`). Absolute figures hold for the machine that is
named; ratios are of speeds, ours divided by the rival's in the same repetition, so more than 1 means that ours is
faster.
`;

/** @param {number[]} numbers */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * How many times as fast the first side was in each repetition, by the times that both took: median and range.
 *
 * @param {number[]} first
 * @param {number[]} second
 */
export function ratiosOf(first, second) {
  const ratios = first.map((time, i) => second[i] / time);
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
  return { ratio: median(ratios), range: `${least.toFixed(2)}-${most.toFixed(2)}` };
}

/**
 * @param {number} operations
 * @param {number[]} times in milliseconds
 */
export function perSecond(operations, times) {
  return Math.round((operations / median(times)) * 1000).toLocaleString('en');
}

/** What was measured with and how, and how busy the machine was before. */
export function circumstances() {
  const cpus = os.cpus();
  return {
    load: `load average before ${loadBefore}`,
    machine: `${cpus.length} x ${cpus[0].model}, ${os.type()} ${os.arch()}, Node ${process.version}`,
    command: `\`node ${[...process.execArgv, ...process.argv.slice(1).map(relative)].join(' ')}\``,
  };
}

/** @param {string} argument */
function relative(argument) {
  return argument.replace(fileURLToPath(new URL('..', import.meta.url)), '');
}

/**
 * A table in Markdown, which reads well in a terminal too: the first column to the left, the others to the right.
 *
 * @param {string[][]} rows the first one is the head
 */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (/** @type {string[]} */ row) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? `:${'-'.repeat(width)}-` : `-${'-'.repeat(width)}:`)).join('|')}|`;
  const [head, ...body] = rows.map(line);
  return [head, rule, ...body].join('\n');
}

/**
 * Prints a section and, if asked, puts it into the file in the place of the one with its title.
 *
 * @param {string} title
 * @param {string[]} paragraphs
 * @param {boolean} write
 */
export function publish(title, paragraphs, write) {
  const section = [`## ${title}`, ...paragraphs].join('\n\n');
  console.log(`\n${section}`);
  if (!write) return;
  const text = existsSync(RESULTS) ? readFileSync(RESULTS, 'utf8') : TITLE;
  const [, ...sections] = text.split(/^(?=## )/m);
  const place = sections.findIndex((other) => other.startsWith(`## ${title}\n`));
  sections.splice(place < 0 ? sections.length : place, place < 0 ? 0 : 1, section);
  writeFileSync(RESULTS, `${[TITLE, ...sections].map((part) => part.trim()).join('\n\n')}\n`);
}

/**
 * One line of a terminal, written over; nothing where there is no terminal.
 *
 * @param {string} text
 */
export function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/**
 * @param {string} message
 * @returns {never}
 */
export function fail(message) {
  console.error(message);
  process.exit(1);
}

/**
 * A number from the command line.
 *
 * @param {Record<string, string | boolean | undefined>} options
 * @param {string} name
 */
export function natural(options, name) {
  const number = Number(options[name]);
  if (!Number.isSafeInteger(number) || number < 1) fail(`--${name} takes a whole number of at least 1`);
  return number;
}
