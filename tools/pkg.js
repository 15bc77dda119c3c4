// Makes the npm package in pkg/ whole after wasm-pack has built pkg/wasm: optimises the module, inlines it for
// browsers, writes package.json and the types, and holds the sizes against their limits.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const WASM = 'pkg/wasm/slimta_queue_dict_bg.wasm';
const LIMITS = { 'wasm module': 32 * 1024, 'first DictStorage in a browser': 52 * 1024 };

process.chdir(root);
removeForeign();
optimise();
inline();
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

function optimise() {
  // The features that wasm-bindgen uses and that every supported runtime has.
  const features = [
    'bulk-memory', 'reference-types', 'multivalue', 'sign-ext', 'nontrapping-float-to-int', 'mutable-globals',
  ];
  execFileSync('node_modules/.bin/wasm-opt', [
    '-Oz', '--converge', '--strip-producers', '--strip-target-features', ...features.map((name) => `--enable-${name}`),
    WASM, '-o', WASM,
  ], { stdio: 'inherit' });
}

function inline() {
  const text = readFileSync(WASM).toString('base64');
  writeFileSync('pkg/wasm/inline.js', `export const wasm = () => Uint8Array.from(atob('${text}'), (c) => c.charCodeAt(0));\n`);
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
  for (const folder of ['pkg', 'pkg/hosts', 'pkg/load']) {
    for (const file of readdirSync(folder)) {
      if (file.endsWith('.d.ts') && !['types.d.ts', 'wasm.d.ts'].includes(file)) rmSync(`${folder}/${file}`);
    }
  }
  execFileSync('node_modules/.bin/tsc', ['-p', 'pkg/tsconfig.json'], { stdio: 'inherit' });
}

async function sizes() {
  const { outputFiles } = await build({
    stdin: {
      contents: "import { DictStorage } from './pkg/load/inline.js'; globalThis.storage = new DictStorage();",
      resolveDir: root,
    },
    bundle: true, minify: true, format: 'esm', platform: 'browser', write: false,
  });
  const found = {
    'wasm module': gzipSync(readFileSync(WASM), { level: 9 }).length,
    'first DictStorage in a browser': gzipSync(outputFiles[0].contents, { level: 9 }).length,
  };
  for (const [what, bytes] of Object.entries(found)) {
    const limit = LIMITS[/** @type {keyof LIMITS} */ (what)];
    const verdict = bytes <= limit ? 'ok' : 'TOO LARGE';
    console.log(`${what}: ${bytes.toLocaleString('en')} bytes gzipped, at most ${limit.toLocaleString('en')}: ${verdict}`);
    if (bytes > limit) process.exitCode = 1;
  }
}
