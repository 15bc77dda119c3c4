// Makes the npm package in pkg/ whole after wasm-pack has built target/wasm-pack: optimises the module, inlines it as text,
// makes a factory of the glue, writes package.json and the types, and holds the sizes against their limits.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { encode } from './encode.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const MADE = 'target/wasm-pack/slimta_queue_dict';
const WASM = 'pkg/wasm/module.wasm';
// In KiB, gzipped.
const LIMITS = { everything: 190, host: 5 };
const HOSTS = ['indexeddb', 'level', 'redis', 'deno-kv', 'durable-object'];

process.chdir(root);
removeForeign();
rmSync('pkg/wasm', { recursive: true, force: true });
mkdirSync('pkg/wasm');
optimise();
inline();
commitScript();
glue();
manifest();
types();
await sizes();

/** What a plain `wasm-pack build` leaves in pkg/: its own package.json, and a .gitignore that hides the package. */
function removeForeign() {
  for (const name of [
    '.gitignore', 'package.json', 'slimta_queue_dict.js', 'slimta_queue_dict.d.ts', 'slimta_queue_dict_bg.js',
    'slimta_queue_dict_bg.wasm', 'slimta_queue_dict_bg.wasm.d.ts',
  ]) {
    rmSync(`pkg/${name}`, { force: true });
  }
}

function optimise() {
  // The features that wasm-bindgen uses and that every supported runtime has.
  const features = [
    'bulk-memory', 'reference-types', 'multivalue', 'sign-ext', 'nontrapping-float-to-int', 'mutable-globals',
  ];
  // A function with one caller stays a function unless it is tiny: in the huge ones that the pass makes otherwise nothing
  // repeats, and what is downloaded is compressed. That is a tenth of it.
  execFileSync('node_modules/.bin/wasm-opt', [
    '-Oz', '--converge', '--one-caller-inline-max-function-size=12', '--strip-producers', '--strip-target-features',
    ...features.map((name) => `--enable-${name}`), `${MADE}_bg.wasm`, '-o', WASM,
  ], { stdio: 'inherit' });
}

/** Bundlers move a file away from the module that would read it: most runtimes get the wasm as text in a module. */
function inline() {
  const { text, order, size } = encode(readFileSync(WASM));
  writeFileSync('pkg/wasm/inline.js', `import { decode } from '../load/decode.js';

/** @returns {Uint8Array<ArrayBuffer>} the bytes of the module */
export const wasm = () => decode('${text}', [${order}], ${size});
`);
}

/** The script of the Redis host is that of the one in Rust, which says what it does. */
function commitScript() {
  const text = readFileSync('src/hosts/redis/commit.lua', 'utf8');
  const digest = createHash('sha1').update(text).digest('hex');
  writeFileSync('pkg/wasm/redis-commit.js', `/** The script that commits, and the SHA-1 by which a server knows it. */
export const COMMIT = { digest: '${digest}', text: ${JSON.stringify(text)} };
`);
}

/**
 * After a critical error the binding makes a fresh instance, which takes glue that knows nothing of the old one: the glue
 * as it is becomes the body of a function. Its globals are arguments, so that what comes back to an old instance can be
 * kept from it.
 */
function glue() {
  writeFileSync('pkg/wasm/glue.js', `export function instantiate(binding, WebAssembly, Promise, queueMicrotask, setTimeout, clearTimeout, FinalizationRegistry, document) {
${readFileSync(`${MADE}.js`, 'utf8')}
return wasm_bindgen;
}
`);
  writeFileSync('pkg/wasm/glue.d.ts', `${readFileSync(`${MADE}.d.ts`, 'utf8')}
export { wasm_bindgen as Glue, InitOutput };
/** Glue without an instance yet: \`initSync\` makes one. */
export function instantiate(
  binding: object, WebAssembly: object, Promise: PromiseConstructor, queueMicrotask: (task: () => void) => void, setTimeout: (task: () => void, delay?: number) => any,
  clearTimeout: (timer: any) => void, FinalizationRegistry: (new (cleanup: (held: any) => void) => object) | undefined, document: undefined,
): typeof wasm_bindgen;
`);
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
  for (const file of readdirSync('pkg', { recursive: true, encoding: 'utf8' })) {
    const isWritten = ['types.d.ts', 'wasm.d.ts'].includes(file) || file.startsWith('wasm/');
    if (file.endsWith('.d.ts') && !isWritten) rmSync(`pkg/${file}`);
  }
  execFileSync('node_modules/.bin/tsc', ['-p', 'pkg/tsconfig.json'], { stdio: 'inherit' });
}

async function sizes() {
  const storage = "export { DictStorage, AsyncDictStorage, QueueError, KeyError } from './pkg/load/inline.js';";
  const host = "export { indexedDBHost } from './pkg/hosts/indexeddb.js';";
  // Each with what stands before it.
  const steps = {
    'module, as text': "export { wasm } from './pkg/wasm/inline.js';",
    glue: "export { instantiate } from './pkg/wasm/glue.js';",
    'storage classes': storage,
    'IndexedDB host': host,
    Queue: "export { Queue, PermanentRelayError, TransientRelayError } from './pkg/load/inline.js';",
    'HTTP relay': "export { httpRelay } from './pkg/relays.js';",
  };
  const wasm = zipped(readFileSync(WASM));
  console.log('what a browser downloads, KiB       gzip  brotli');
  print('(the module itself)', wasm);
  let program = '';
  let whole = { gzip: 0, brotli: 0 };
  for (const [part, source] of Object.entries(steps)) {
    program += source;
    const size = await bundled(program);
    print(part, { gzip: size.gzip - whole.gzip, brotli: size.brotli - whole.brotli });
    whole = size;
  }
  hold('everything', whole, LIMITS.everything);
  // What a host adds to a program that has a storage.
  const without = await bundled(storage);
  for (const name of HOSTS) {
    const { gzip, brotli } = await bundled(`${storage} export * from './pkg/hosts/${name}.js';`);
    hold(`host: ${name}`, { gzip: gzip - without.gzip, brotli: brotli - without.brotli }, LIMITS.host);
  }
}

/** @typedef {{ gzip: number, brotli: number }} Size in bytes */

/**
 * @param {string} what
 * @param {Size} size
 * @param {string} [verdict]
 */
function print(what, { gzip, brotli }, verdict = '') {
  const kib = (/** @type {number} */ bytes) => (bytes / 1024).toFixed(1).padStart(8);
  console.log(`  ${what.padEnd(30)}${kib(gzip)}${kib(brotli)}${verdict}`);
}

/**
 * @param {string} what
 * @param {Size} size
 * @param {number} limit in KiB, gzipped
 */
function hold(what, size, limit) {
  const good = size.gzip <= limit * 1024;
  print(what, size, `   at most ${limit}: ${good ? 'ok' : 'TOO LARGE'}`);
  if (!good) process.exitCode = 1;
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

/**
 * @param {Uint8Array} bytes
 * @returns {Size}
 */
function zipped(bytes) {
  return { gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotliCompressSync(bytes).length };
}
