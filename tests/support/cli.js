/** The command line, run as the program that it is, in a folder of its own. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClassicLevel } from 'classic-level';
import { levelHost } from '../../pkg/hosts/level.js';
import { AsyncDictStorage } from '../../pkg/load/inline.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const PROGRAM = join(ROOT, 'pkg/cli/main.js');
const LIBRARIES = ['classic-level', 'redis', 'ioredis', 'nodemailer'];

/** @type {string[]} */
const folders = [];
process.once('exit', () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true, maxRetries: 3 })));

/**
 * A folder with the libraries that somebody has installed.
 *
 * @param {string[]} [libraries]
 */
export function project(libraries = LIBRARIES) {
  const folder = mkdtempSync(join(tmpdir(), 'cli-'));
  folders.push(folder);
  mkdirSync(join(folder, 'node_modules'));
  for (const name of libraries) symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  return folder;
}

/** A message as a file of it. */
export const EML = 'From: Me <me@example.com>\r\nTo: you@example.com\r\nSubject: Hello\r\n\r\nHow are you?\r\n';

/**
 * @param {string} folder
 * @param {Record<string, string>} files
 */
export function put(folder, files) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

/** @typedef {{ code: number | string, stdout: string, stderr: string, lines: string[], json: any[] }} Ended */

/**
 * Starts the program.
 *
 * @param {string} cwd
 * @param {string[]} args
 * @param {{ input?: string, env?: Record<string, string>, program?: string[] }} [options]
 */
export function start(cwd, args, { input, env = {}, program = [process.execPath, PROGRAM] } = {}) {
  const { COLUMNS, NO_COLOR, NODE_TEST_CONTEXT, ...inherited } = process.env;
  const child = spawn(program[0], [...program.slice(1), ...args], { cwd, env: { ...inherited, ...env } });
  const heard = { stdout: '', stderr: '' };
  for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
    child[name].setEncoding('utf8').on('data', (text) => {
      heard[name] += text;
      listeners.forEach((listener) => listener());
    });
  }
  /** @type {Set<() => void>} */
  const listeners = new Set();
  if (input !== undefined) child.stdin.end(input);
  /** @type {Promise<Ended>} */
  const ended = new Promise((resolve) => child.once('close', (code, signal) => {
    const lines = heard.stdout.split('\n').slice(0, -1);
    resolve({
      code: signal ?? code ?? '', ...heard, lines,
      get json() {
        return lines.map((line) => JSON.parse(line));
      },
    });
  }));
  return {
    child, ended, heard,
    /** Resolves when it has said something that a pattern finds. */
    said: (/** @type {RegExp} */ pattern, /** @type {'stdout' | 'stderr'} */ name = 'stdout') => new Promise((resolve, reject) => {
      const fail = (/** @type {string} */ what) => {
        child.kill('SIGKILL');
        reject(new Error(`${what}, and has said: ${heard.stdout}${heard.stderr}`));
      };
      const timer = setTimeout(fail, 60_000, `it did not say ${pattern}`);
      const look = () => {
        const found = pattern.exec(heard[name]);
        if (!found) return;
        listeners.delete(look);
        clearTimeout(timer);
        resolve(found);
      };
      listeners.add(look);
      ended.then(() => fail('it ended')).finally(() => clearTimeout(timer));
      look();
    }),
  };
}

/**
 * Runs the program to its end, as a script does: nobody can be asked.
 *
 * @param {string} cwd
 * @param {string[]} args
 * @param {Parameters<typeof start>[2]} [options]
 */
export function run(cwd, args, options = {}) {
  return start(cwd, args, { input: '', ...options }).ended;
}

/** A message to some. */
export const mail = (/** @type {string[]} */ recipients, more = {}) => ({
  sender: 'me@example.com', recipients, headers: [['Subject', 'Hello']], message: 'Hello!\r\n', ...more,
});

/**
 * A folder with a LevelDB `q`, or of another name, that somebody has written to.
 *
 * @param {(storage: AsyncDictStorage, db: ClassicLevel) => Promise<unknown>} write
 * @param {string} [folder]
 * @param {string} [name]
 */
export async function made(write, folder = project(), name = 'q') {
  const db = new ClassicLevel(join(folder, name));
  await write(new AsyncDictStorage(levelHost(db)), db);
  await db.close();
  return folder;
}

/**
 * What is in a queue when all is done.
 *
 * @param {string} folder
 * @param {(storage: AsyncDictStorage) => Promise<any>} look
 * @param {string} [name]
 */
export async function read(folder, look, name = 'q') {
  /** @type {any} */
  let found;
  await made(async (storage) => (found = await look(storage)), folder, name);
  return found;
}
