/** The page as files: what `make demo` serves and `make site` writes. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const site = join(root, 'www');
const PACKAGE = 'slimta-queue-dict';
/** What belongs to the page besides its scripts, by the end of its name. */
const COPIED = new Set(['.html', '.css', '.svg', '.eml', '.webmanifest']);

/** @type {Map<string, Promise<Map<string, Uint8Array>>>} what was made last, by its options and the age of its sources */
const made = new Map();

/**
 * The files of the page as they are now, made anew only after a change.
 *
 * @param {Parameters<typeof pageFiles>[0]} [options]
 */
export async function freshFiles(options = {}) {
  const stamp = JSON.stringify([options, await newest()]);
  const known = made.get(stamp) ?? pageFiles(options);
  made.set(stamp, known);
  return known;
}

/**
 * Makes the files of the page: their names, with `/` between folders, and what is in them.
 *
 * @param {{ simulated?: boolean, version?: string }} [options] whether the service worker stands in for the relay; a text
 *   that makes the version another one
 * @returns {Promise<Map<string, Uint8Array>>}
 */
export async function pageFiles({ simulated = false, version: salt = '' } = {}) {
  /** @type {Map<string, Uint8Array>} */
  const files = new Map();
  for (const name of await readdir(site, { recursive: true })) {
    if (COPIED.has(extname(name))) files.set(name.replaceAll('\\', '/'), await readFile(join(site, name)));
  }
  const define = { SIMULATED: String(simulated) };
  const scripts = await bundle(['main.js', 'sender.js'], { format: 'esm', splitting: true, define });
  for (const [name, contents] of scripts) files.set(name, contents);
  const version = createHash('sha256').update(salt);
  for (const [name, contents] of [...files].sort(([one], [other]) => (one < other ? -1 : 1))) version.update(name).update(contents);
  // A worker of another version is another file: so the browser finds it.
  const about = { ...define, VERSION: JSON.stringify(version.digest('hex').slice(0, 12)), FILES: JSON.stringify(['./', ...files.keys()]) };
  for (const [name, contents] of await bundle(['sw.js'], { format: 'iife', define: about })) files.set(name, contents);
  return files;
}

/** When anything that the page is made of was changed last. */
async function newest() {
  const names = (await readdir(site, { recursive: true })).map((name) => join(site, name));
  const times = await Promise.all([...names, join(root, 'pkg/package.json')].map(async (name) => (await stat(name)).mtimeMs));
  return Math.max(...times);
}

/**
 * @param {string[]} entries
 * @param {import('esbuild').BuildOptions} options
 * @returns {Promise<[name: string, contents: Uint8Array][]>}
 */
async function bundle(entries, options) {
  const { outputFiles = [] } = await build({
    entryPoints: entries.map((name) => join(site, name)),
    outdir: site, bundle: true, platform: 'browser', target: 'es2022', minify: true, treeShaking: true, write: false, legalComments: 'none',
    chunkNames: '[name]-[hash]', logLevel: 'silent', plugins: [{ name: PACKAGE, setup: resolvePackage }], ...options,
  });
  return outputFiles.map(({ path, contents }) => [path.slice(site.length + 1), contents]);
}

/**
 * Lets the page import the package by its name, and only what the package exports. `…?text` is a file as it stands.
 *
 * @param {import('esbuild').PluginBuild} build
 */
function resolvePackage(build) {
  build.onResolve({ filter: new RegExp(`^${PACKAGE}(/|$)`) }, ({ path }) => {
    const { exports } = JSON.parse(readFileSync(join(root, 'pkg/package.json'), 'utf8'));
    const entry = exports[`.${path.slice(PACKAGE.length)}`];
    if (!entry) return { errors: [{ text: `${PACKAGE} does not export ${path}` }] };
    return { path: join(root, 'pkg', typeof entry === 'string' ? entry : entry.default) };
  });
  build.onResolve({ filter: /\?text$/ }, ({ path, resolveDir }) => ({
    path: join(resolveDir, path.replace(/\?text$/, '')), namespace: 'text',
  }));
  build.onLoad({ filter: /.*/, namespace: 'text' }, async ({ path }) => ({ contents: await readFile(path), loader: 'text' }));
}
