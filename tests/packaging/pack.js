import { execFileSync } from 'node:child_process';
import {
  cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const NAME = 'slimta-queue-dict';
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const PKG = join(ROOT, 'pkg');
const HERE = fileURLToPath(new URL('.', import.meta.url));

/** @type {string[]} */
const folders = [];
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

/**
 * A folder outside the repository, so that nothing is found by looking further up; it goes with the process.
 *
 * @returns {string}
 */
export function temporary() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), `${NAME}-`)));
  folders.push(folder);
  return folder;
}

/** @typedef {{ tarball: string, folder: string, files: string[], manifest: any }} Packed */

/** @type {Packed | undefined} */
let packed;

/**
 * What npm would publish: the tarball, the same unpacked, the paths in it, and its package.json. Packed once a process.
 *
 * @returns {Packed}
 */
export function pack() {
  if (packed) return packed;
  const out = temporary();
  const answer = execFileSync('npm', ['pack', '--json', '--offline', '--ignore-scripts', '--pack-destination', out], {
    cwd: PKG, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'],
  });
  const tarball = join(out, JSON.parse(answer)[0].filename);
  const folder = join(out, 'unpacked');
  mkdirSync(folder);
  execFileSync('tar', ['-xzf', tarball, '-C', folder, '--strip-components', '1']);
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return (packed = { tarball, folder, files: filesIn(folder), manifest });
}

/**
 * An empty project that has the package installed, with some files of its own besides.
 *
 * @param {Record<string, string>} [files] contents by path
 * @returns {string} its folder
 */
export function project(files = {}) {
  const { folder, manifest } = pack();
  const home = temporary();
  cpSync(folder, join(home, 'node_modules', NAME), { recursive: true });
  for (const name of Object.keys(manifest.dependencies)) {
    cpSync(join(ROOT, 'node_modules', name), join(home, 'node_modules', name), { recursive: true });
  }
  const own = { name: 'consumer', private: true, type: 'module', dependencies: { [NAME]: manifest.version } };
  for (const [path, text] of Object.entries({ 'package.json': JSON.stringify(own), ...files })) {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), text);
  }
  return home;
}

/**
 * The text of a file beside this one.
 *
 * @param {string} path
 */
export function text(path) {
  return readFileSync(join(HERE, path), 'utf8');
}

/**
 * The paths of all files in a folder, sorted, with slashes.
 *
 * @param {string} folder
 * @returns {string[]}
 */
export function filesIn(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1).replaceAll('\\', '/'))
    .sort();
}

/**
 * Every file that a part of an `exports` field leads to, with the conditions on the way.
 *
 * @param {any} part
 * @param {string[]} [conditions]
 * @returns {{ target: string, conditions: string[] }[]}
 */
export function targets(part, conditions = []) {
  if (typeof part === 'string') return [{ target: part, conditions }];
  return Object.entries(part).flatMap(([condition, inner]) => targets(inner, [...conditions, condition]));
}

/**
 * The first of some programs that is there.
 *
 * @param {string[]} paths absolute, or from the repository's node_modules
 */
export function program(paths) {
  return paths.map((path) => (path.startsWith('/') ? path : join(ROOT, 'node_modules', path))).find(existsSync);
}
