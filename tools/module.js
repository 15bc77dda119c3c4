// Finishes what wasm-pack has made: smaller, and as text for browsers.
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import binaryen from 'binaryen';

/**
 * A module, its glue and what browsers get of it.
 *
 * @typedef {{ wasm: string, glue: string, inline: string }} WasmModule
 */

/** @param {WasmModule} module */
export function finish(module) {
  names(module);
  dropPanics(module);
  optimise(module);
  inline(module);
}

/**
 * Makes a module of each enumeration in the glue: bundlers put the numbers where the names are, and nothing is left.
 *
 * @param {WasmModule} module
 */
function names({ glue }) {
  const enumeration = /\/\*\*(?:(?!\*\/)[^])*\*\/\nexport const (\w+) = Object\.freeze\(\{([^]*?)\}\);\n/g;
  writeFileSync(glue, readFileSync(glue, 'utf8').replace(enumeration, (_, name, body) => {
    const members = [...body.matchAll(/(\w+): (\d+), "/g)];
    /** @param {string} line */
    const lines = (line) => members.map(([, key, number]) => line.replace('key', key).replace('number', number)).join('');
    writeFileSync(`pkg/wasm/${name.toLowerCase()}.js`, lines('export const key = number;\n'));
    writeFileSync(`pkg/wasm/${name.toLowerCase()}.d.ts`, lines('export declare const key: number;\n'));
    return '';
  }));
}

/**
 * What a panic says nobody sees, since a panic here is a trap: without it the code that would say it goes, too.
 *
 * @param {WasmModule} module
 */
function dropPanics({ wasm }) {
  const module = binaryen.readBinary(readFileSync(wasm));
  const { BulkMemory, ReferenceTypes, Multivalue, SignExt, NontrappingFPToInt, MutableGlobals } = binaryen.Features;
  module.setFeatures(BulkMemory | ReferenceTypes | Multivalue | SignExt | NontrappingFPToInt | MutableGlobals);
  for (let i = 0; i < module.getNumFunctions(); i++) {
    const place = module.getFunctionByIndex(i);
    const { name, module: imported } = binaryen.getFunctionInfo(place);
    if (imported === '' && /::panicking::|alloc_error|raw_vec::handle_error|u32 as .*::fmt::Display/.test(name)) {
      /** @type {any} */ (binaryen).Function.setBody(place, module.unreachable()); // its types have no word of it
    }
  }
  // Its texts would stay: data is not known to be used or not.
  const texts = [
    /0001020304\d+9899/, /memory allocation of | bytes failed/, /capacity overflow/, /`async fn` resumed after completion/,
    /(?:\/rustc\/[\w/]+|src\/[a-z/]+)\.rs/,
  ];
  let bytes = Buffer.from(module.emitBinary()).toString('latin1');
  for (const text of texts) bytes = bytes.replaceAll(new RegExp(text, 'g'), ({ length }) => '\0'.repeat(length));
  writeFileSync(wasm, bytes, 'latin1');
  module.dispose();
}

/**
 * Makes the module small, and tells the glue the short names that its imports and exports have then. What the seam
 * needs of the instance itself the glue exports.
 *
 * @param {WasmModule} module
 */
function optimise({ wasm, glue: file }) {
  // The features that wasm-bindgen uses and that every supported runtime has.
  const features = [
    'bulk-memory', 'reference-types', 'multivalue', 'sign-ext', 'nontrapping-float-to-int', 'mutable-globals',
  ];
  /** @param {string[]} passes */
  const optimised = (...passes) => execFileSync('node_modules/.bin/wasm-opt', [
    ...passes, ...features.map((name) => `--enable-${name}`), wasm, '-o', wasm,
  ], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  optimised(
    '-Oz', '--flatten', '--rereloop', '-Oz',
    '-Oz', '--converge', '--gufa-optimizing', '-Oz', '--one-caller-inline-max-function-size', '20',
    '--always-inline-max-function-size', '4', '--low-memory-unused',
    '--strip-debug', '--strip-producers', '--strip-target-features',
  );
  const { imports, exports } = JSON.parse(optimised('--minify-imports-and-exports-and-modules'));
  let glue = readFileSync(file, 'utf8');
  for (const [, name, short] of imports) glue = glue.replace(`${name}: function`, `${short}: function`);
  for (const [name, short] of exports) glue = glue.replaceAll(new RegExp(`\\bwasm\\.${name}\\b`, 'g'), `wasm.${short}`);
  glue = glue.replace(/"\.\/\w+_bg\.js": (import\d+)/, 'a: $1');
  let types = '';
  for (const [name, own, type] of [['__stack_pointer', 'stackPointer', 'Global'], ['memory', 'memory', 'Memory']]) {
    const [, short] = exports.find((/** @type {string[]} */ [long]) => long === name);
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
 * @param {WasmModule} module
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
