// Makes the npm package in pkg/ whole after wasm-pack has built pkg/wasm: optimises the module, inlines it for
// browsers, writes package.json and the types, and holds the sizes against their limits.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { finish } from './module.js';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The modules, each with its glue and what browsers get of it. */
const STORAGE = { wasm: 'pkg/wasm/slimta_queue_dict_bg.wasm', glue: 'pkg/wasm/slimta_queue_dict.js', inline: 'pkg/wasm/inline.js' };
const QUEUE = { wasm: 'pkg/wasm/queue_bg.wasm', glue: 'pkg/wasm/queue.js', inline: 'pkg/wasm/queue-inline.js' };
// In bytes, gzipped.
const LIMITS = {
  'wasm module': 32 * 1024, 'first DictStorage in a browser': 52 * 1024, 'everything with Queue in a browser': 72 * 1024,
  host: 4 * 1024,
};
const HOSTS = ['indexeddb', 'level', 'redis', 'deno-kv', 'durable-object'];

process.chdir(root);
removeForeign();
for (const module of [STORAGE, QUEUE]) finish(module);
manifest();
types();
await sizes();

/** What a plain `wasm-pack build` leaves in pkg/: its own package.json, and a .gitignore that hides the package. */
function removeForeign() {
  for (const name of [
    '.gitignore', 'package.json', 'slimta_queue_dict.js', 'slimta_queue_dict.d.ts', 'slimta_queue_dict_bg.js',
    'slimta_queue_dict_bg.wasm', 'slimta_queue_dict_bg.wasm.d.ts', 'wasm/.gitignore',
  ]) {
    rmSync(`pkg/${name}`, { force: true });
  }
}

function manifest() {
  const metadata = JSON.parse(execFileSync('cargo', ['metadata', '--no-deps', '--format-version', '1'], {
    encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'],
  }));
  const { name, version, description, license, repository } = metadata.packages[0];
  const own = JSON.parse(readFileSync('pkg/manifest.json', 'utf8'));
  const all = { name, version, description, license, repository: { type: 'git', url: `git+${repository}.git` }, ...own };
  writeFileSync('pkg/package.json', `${JSON.stringify(all, null, 2)}\n`);
  for (const file of ['README.md', 'LICENSE']) {
    if (existsSync(file)) copyFileSync(file, `pkg/${file}`);
  }
}

function types() {
  // The compiler does not write over what it reads.
  const folders = ['conformance', 'hosts', 'load', 'load/queue', 'queue', 'relays', 'seam'];
  for (const folder of ['pkg', ...folders.map((name) => `pkg/${name}`)]) {
    for (const file of readdirSync(folder)) {
      if (file.endsWith('.d.ts') && !['types.d.ts', 'wasm.d.ts'].includes(file)) rmSync(`${folder}/${file}`);
    }
  }
  execFileSync('node_modules/.bin/tsc', ['-p', 'pkg/tsconfig.json'], { stdio: 'inherit' });
}

async function sizes() {
  const storage = "import { DictStorage } from './pkg/load/inline.js'; globalThis.storage = new DictStorage();";
  const all = "import * as all from './pkg/load/inline.js'; globalThis.all = all;";
  const found = {
    'wasm module': zipped(readFileSync(STORAGE.wasm)),
    'first DictStorage in a browser': await bundled(storage),
    'everything with Queue in a browser': await bundled(all),
  };
  // What a host adds to a program that has a storage.
  const program = "export { DictStorage, AsyncDictStorage, QueueError, KeyError } from './pkg/load/inline.js';";
  const without = await bundled(program);
  for (const name of HOSTS) {
    const more = await bundled(`${program} export * from './pkg/hosts/${name}.js';`) - without;
    Object.assign(found, { [`host: ${name}`]: more });
  }
  for (const [what, bytes] of Object.entries(found)) {
    const limit = LIMITS[/** @type {keyof LIMITS} */ (what.split(':')[0])];
    const verdict = bytes <= limit ? 'ok' : 'TOO LARGE';
    console.log(`${what}: ${bytes.toLocaleString('en')} bytes gzipped, at most ${limit.toLocaleString('en')}: ${verdict}`);
    if (bytes > limit) process.exitCode = 1;
  }
}

/**
 * How large a program of ours is, libraries of others apart.
 *
 * @param {string} contents
 */
async function bundled(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root }, bundle: true, minify: true, format: 'esm', platform: 'browser', write: false,
    external: ['cborg', 'cborg/*'],
  });
  return zipped(outputFiles[0].contents);
}

/** @param {Uint8Array} bytes */
function zipped(bytes) {
  return gzipSync(bytes, { level: 9 }).length;
}
