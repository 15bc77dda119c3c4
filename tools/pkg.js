// Makes the npm package in pkg/ whole after wasm-pack has built pkg/wasm: optimises the module, inlines it for
// browsers, writes package.json and the types, and holds the sizes against their limits.
import { execFileSync } from 'node:child_process';
import { appendFileSync, copyFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import binaryen from 'binaryen';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The modules: each with its glue, and what browsers get of it. */
const [STORAGE, QUEUE] = [['slimta_queue_dict', 'inline'], ['queue', 'queue-inline']].map(([name, inline]) => ({
  name, wasm: `pkg/wasm/${name}_bg.wasm`, glue: `pkg/wasm/${name}.js`, inline: `pkg/wasm/${inline}.js`,
}));
// In bytes, gzipped.
const LIMITS = {
  'wasm module': 32 * 1024, 'first DictStorage in a browser': 52 * 1024, 'everything with Queue in a browser': 72 * 1024,
  host: 4 * 1024,
};
const HOSTS = ['indexeddb', 'level', 'redis', 'deno-kv', 'durable-object'];

process.chdir(root);
removeForeign();
for (const module of [STORAGE, QUEUE]) {
  dropPanics(module);
  names(module);
  optimise(module);
  inline(module);
}
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

/**
 * What a panic says nobody sees, since a panic here is a trap: without it the code that would say it goes, too.
 *
 * @param {typeof STORAGE} module
 */
function dropPanics({ wasm }) {
  const module = binaryen.readBinary(readFileSync(wasm));
  const { BulkMemory, ReferenceTypes, Multivalue, SignExt, NontrappingFPToInt, MutableGlobals } = binaryen.Features;
  module.setFeatures(BulkMemory | ReferenceTypes | Multivalue | SignExt | NontrappingFPToInt | MutableGlobals);
  for (let i = 0; i < module.getNumFunctions(); i++) {
    const place = module.getFunctionByIndex(i);
    const { name, module: imported } = binaryen.getFunctionInfo(place);
    if (imported === '' && /::panicking::|alloc_error|raw_vec::handle_error/.test(name)) {
      binaryen.Function.setBody(place, module.unreachable());
    }
  }
  // Its texts would stay: data is not known to be used or not.
  const texts = /0001020304\d+9899|memory allocation of | bytes failed|capacity overflow|`async fn` resumed after completion|\/rustc\/[\w/]+\.rs|src\/[a-z/]+\.rs/g;
  const bytes = Buffer.from(module.emitBinary()).toString('latin1').replace(texts, ({ length }) => '\0'.repeat(length));
  writeFileSync(wasm, bytes, 'latin1');
  module.dispose();
}

/**
 * Makes a module of each enumeration in the glue: bundlers put the numbers where the names are, and nothing is left.
 *
 * @param {typeof STORAGE} module
 */
function names({ glue }) {
  const enumeration = /\/\*\*(?:(?!\*\/)[^])*\*\/\nexport const (\w+) = Object\.freeze\(\{([^]*?)\}\);\n/g;
  writeFileSync(glue, readFileSync(glue, 'utf8').replace(enumeration, (_, name, body) => {
    const entries = [...body.matchAll(/(\w+): (\d+), "/g)];
    const file = `pkg/wasm/${name.toLowerCase()}`;
    writeFileSync(`${file}.js`, entries.map(([, key, number]) => `export const ${key} = ${number};\n`).join(''));
    writeFileSync(`${file}.d.ts`, entries.map(([, key, number]) => `export declare const ${key}: ${number};\n`).join(''));
    return '';
  }));
}

/**
 * Makes the module small, and tells the glue the short names that its imports and exports have then. What the seam
 * needs of the instance itself the glue exports.
 *
 * @param {typeof STORAGE} module
 */
function optimise({ name: module, wasm, glue: file }) {
  // The features that wasm-bindgen uses and that every supported runtime has.
  const features = [
    'bulk-memory', 'reference-types', 'multivalue', 'sign-ext', 'nontrapping-float-to-int', 'mutable-globals',
  ];
  /** @param {string[]} passes */
  const optimised = (...passes) => execFileSync('node_modules/.bin/wasm-opt', [
    ...passes, ...features.map((name) => `--enable-${name}`), wasm, '-o', wasm,
  ], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  optimised(
    '-Oz', '--converge', '--gufa-optimizing', '-Oz', '--one-caller-inline-max-function-size', '20', '--low-memory-unused',
    '--strip-debug', '--strip-producers', '--strip-target-features',
  );
  const { imports, exports } = JSON.parse(optimised('--minify-imports-and-exports-and-modules'));
  let glue = readFileSync(file, 'utf8');
  for (const [, name, short] of imports) glue = glue.replace(`${name}: function`, `${short}: function`);
  for (const [name, short] of exports) glue = glue.replaceAll(new RegExp(`\\bwasm\\.${name}\\b`, 'g'), `wasm.${short}`);
  glue = glue.replace(new RegExp(`"\\./${module}_bg\\.js": (import\\d+)`), 'a: $1');
  let types = '';
  for (const [name, own, type] of [['__stack_pointer', 'stackPointer', 'Global'], ['memory', 'memory', 'Memory']]) {
    const [, short] = exports.find(([/** @type {string} */ long]) => long === name);
    glue += `\nexport function ${own}() {\n    return wasm.${short};\n}\n`;
    types += `\nexport function ${own}(): WebAssembly.${type};\n`;
  }
  writeFileSync(file, glue);
  appendFileSync(file.replace('.js', '.d.ts'), types);
}

/**
 * Browsers get the module as text. Base64 hides its bytes from compression and costs a quarter; here each byte is one
 * character, or two for the rarer ones, and the text compresses as well as the module itself.
 *
 * @param {typeof STORAGE} module
 */
function inline(module) {
  const bytes = readFileSync(module.wasm);
  /** @type {number[]} */
  const count = new Array(256).fill(0);
  for (const byte of bytes) count[byte]++;
  const order = [...count.keys()].sort((a, b) => count[b] - count[a]);
  const letters = [...Array(95).keys()].map((code) => String.fromCharCode(code + 32))
    .filter((letter) => !/["'`$\\]/.test(letter));
  const [first, second] = letters.slice(-2);
  letters.length -= 2;
  /** @type {string[]} */
  const code = [];
  order.forEach((byte, rank) => {
    const letter = letters[rank % letters.length];
    code[byte] = [letter, first + letter, second + letter][Math.floor(rank / letters.length)];
  });
  const text = [...bytes].map((byte) => code[byte]).join('');
  const table = `'${letters.join('')}${first}${second}'`;
  writeFileSync(module.inline, `import { decode } from '../load/decode.js';

const letters = ${table};
const order = [${order}];
const text = '${text}';
/** @returns {Uint8Array<ArrayBuffer>} the bytes of the module */
export const wasm = () => decode(text, letters, order, ${bytes.length});
`);
  assertSame(bytes, module.inline);
}

/**
 * @param {Buffer} bytes
 * @param {string} inline the file that has them
 */
function assertSame(bytes, inline) {
  const inlined = execFileSync(process.execPath, ['--input-type=module', '-e',
    `import { wasm } from './${inline}'; process.stdout.write(wasm());`], { maxBuffer: 1 << 26 });
  if (!inlined.equals(bytes)) throw new Error('the inlined module is not the module');
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
  for (const folder of ['pkg', 'pkg/conformance', 'pkg/hosts', 'pkg/load', 'pkg/load/queue', 'pkg/queue', 'pkg/seam']) {
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
    'wasm module': zipped(readFileSync(STORAGE.wasm)), 'first DictStorage in a browser': await bundled(storage),
    'everything with Queue in a browser': await bundled(all),
  };
  // What a host adds to a program that has a storage.
  const program = "export * from './pkg/load/inline.js';";
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
