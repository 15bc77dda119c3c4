/** The documents of the repository: their text, their links, and their code, to be run as a stranger would. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['docs', 'examples'];

/** The paths of all documents, from the root. */
export const paths = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...FOLDERS.filter((name) => existsSync(join(ROOT, name))).flatMap((folder) => (
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.md') && !path.includes('node_modules')).map((path) => `${folder}/${path}`))),
].sort();

/** @param {string} path */
export const textOf = (path) => readFileSync(join(ROOT, path), 'utf8');

/**
 * The code blocks of a document.
 *
 * @param {string} path
 * @returns {{ language: string, code: string, line: number }[]}
 */
export function blocksOf(path) {
  const text = textOf(path);
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(({ index, 1: language, 2: code }) => (
    { language, code, line: text.slice(0, index).split('\n').length + 1 }));
}

/**
 * The code of a document in which some text is.
 *
 * @param {string} path
 * @param {string} text
 */
export function codeWith(path, text) {
  const found = blocksOf(path).filter(({ code }) => code.includes(text));
  if (found.length !== 1) throw new Error(`${path}: ${found.length} blocks have ${text}`);
  return found[0].code;
}

/**
 * The address of a link in a document: inline, or by reference.
 *
 * @param {string} text
 * @returns {string[]}
 */
export function linksOf(text) {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '``');
  const inline = [...prose.matchAll(/\]\(([^()\s]+)\)/g)].map(([, address]) => address);
  const defined = new Map([...prose.matchAll(/^\[([^\]]+)\]: (\S+)$/gm)].map(([, name, address]) => [name, address]));
  const used = [...prose.matchAll(/\]\[([^\]]+)\]/g)].map(([, name]) => name);
  for (const name of used) if (!defined.has(name)) throw new Error(`[${name}] is not defined`);
  for (const name of defined.keys()) if (!used.includes(name)) throw new Error(`[${name}] is not used`);
  return [...inline, ...defined.values()];
}

/**
 * The names under which the headings of a document can be linked, as GitHub makes them.
 *
 * @param {string} text
 */
export function anchorsOf(text) {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '');
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => (
    heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')));
}

/** An empty folder, with the package in it as npm would have it, and what the root has around it. */
export function newFolder() {
  mkdirSync(join(ROOT, 'target/documents'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, 'target/documents/run-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(join(ROOT, 'pkg'), join(folder, 'node_modules/slimta-queue-dict'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Runs code as a program of its own.
 *
 * @param {string} code
 * @param {{ env?: object, folder?: string }} [options]
 */
export function start(code, { env, folder = newFolder() } = {}) {
  writeFileSync(join(folder, 'example.mjs'), code);
  return startProgram([process.execPath, 'example.mjs'], { env, folder });
}

/**
 * @param {string[]} command
 * @param {{ env?: object, folder: string }} options
 */
export function startProgram([path, ...args], { env = {}, folder }) {
  const child = spawn(path, args, { cwd: folder, env: { PATH: process.env.PATH, ...env } });
  let output = '';
  /** @type {Set<() => void>} */
  const lookers = new Set();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (piece) => {
      output += piece;
      for (const look of lookers) look();
    });
  }
  const ended = new Promise((resolve) => child.once('close', (code, signal) => {
    resolve(signal ?? code);
    for (const look of lookers) look();
  }));
  return {
    child, ended,
    output: () => output,
    /**
     * What it has printed, once that matches.
     *
     * @param {RegExp} pattern
     * @returns {Promise<RegExpExecArray>}
     */
    printed: (pattern) => new Promise((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(output);
        if (!found && child.exitCode === null && child.signalCode === null) return;
        lookers.delete(look);
        if (found) resolve(found);
        else reject(new Error(`it ended without ${pattern}:\n${output}`));
      };
      lookers.add(look);
      look();
    }),
    /** Ends it as a supervisor does, and resolves with its exit code. */
    end() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/**
 * What a program prints that ends by itself.
 *
 * @param {string} code
 * @param {{ env?: object, folder?: string }} [options]
 */
export async function run(code, options) {
  const program = start(code, options);
  const end = await program.ended;
  if (end !== 0) throw new Error(`it ended with ${end}:\n${program.output()}`);
  return program.output();
}
