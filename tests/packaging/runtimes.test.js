import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { EXPECTED } from './exercise.js';
import { NAME, filesIn, pack, program, project, temporary, text } from './pack.js';

const run = promisify(execFile);
const MAIN = `
import * as api from '${NAME}';
import { exercise } from './exercise.js';
console.log(JSON.stringify(await exercise(api)));
`;
const SLIM = `
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as api from '${NAME}/slim';
import { exercise } from './exercise.js';
const bytes = readFileSync(fileURLToPath(import.meta.resolve('${NAME}/module.wasm')));
api.init(process.argv[2] === 'bytes' ? bytes : new WebAssembly.Module(bytes));
console.log(JSON.stringify(await exercise(api)));
`;
const REQUIRE = `
const api = require('${NAME}');
import('./exercise.js').then(({ exercise }) => exercise(api)).then((found) => console.log(JSON.stringify(found)));
`;
const WORKER = (/** @type {string} */ entry) => `
import * as api from '${entry}';
import { exercise } from './exercise.js';
export default {
  async fetch() {
    return Response.json(await exercise(api));
  },
};
`;
const RELAY = `
import { httpRelay } from '${NAME}/relays';
const envelope = { sender: 'j\u00fcrgen@example.com', recipients: ['a', 'b'], message: new Uint8Array([0x2e, 0xff]) };
export async function deliver(url) {
  const said = [];
  for (const path of ['ok', 'redirect', 'refuse', 'break', 'wait']) {
    const relay = httpRelay({ url: url + path, timeout: path === 'wait' ? 300 : 60_000 });
    let outcomes;
    try {
      outcomes = await relay.attempt(envelope, 0, { id: 'abc' });
    } catch (error) {
      outcomes = [error, error];
    }
    said.push([path, ...outcomes.map(({ name = 'Delivered', code, reply }) => [name, code ?? reply.code])]);
  }
  return said;
}
`;
const home = project({
  'exercise.js': text('exercise.js'), 'worker.js': WORKER(NAME), 'main.js': MAIN, 'slim.js': SLIM,
  'require.cjs': REQUIRE, 'relay.js': RELAY,
});
const { arch, platform } = process;
const bunArch = arch === 'arm64' ? 'aarch64' : arch;

const runtimes = {
  Node: { path: process.execPath, args: ['main.js'] },
  Deno: {
    // Nothing is allowed: what the package needs is in its modules.
    path: program([`@deno/${platform}-${arch}-glibc/deno`, `@deno/${platform}-${arch}/deno`, 'deno/deno']),
    args: ['run', '--no-prompt', '--no-remote', '--quiet', 'main.js'],
  },
  Bun: {
    path: program([`@oven/bun-${platform}-${bunArch}/bin/bun`, 'bun/bin/bun.exe']),
    args: ['--no-install', 'main.js'],
  },
};

for (const [name, { path, args }] of Object.entries(runtimes)) {
  const skip = path ? false : `${name} is not installed`;
  test(`the package works as it is installed in ${name}`, { skip }, async () => {
    assert.deepEqual(await answer(/** @type {string} */ (path), args), EXPECTED);
  });
}

for (const form of ['a compiled module', 'bytes']) {
  test(`the slim entry works in Node with ${form} from the caller`, async () => {
    assert.deepEqual(await answer(process.execPath, ['slim.js', form]), EXPECTED);
  });
}

if (/** @type {any} */ (process.features).require_module) {
  test('the package can be required where Node requires modules', async () => {
    assert.deepEqual(await answer(process.execPath, ['--no-warnings', 'require.cjs']), EXPECTED);
  });
}

test('the package works in workerd as its files lie there', async () => {
  const loader = pack().manifest.exports['.'].workerd;
  assert.deepEqual(await ask(project({
    'exercise.js': text('exercise.js'), 'worker.js': WORKER(`./node_modules/${NAME}/${loader}`),
  })), EXPECTED);
});

test('the package works in workerd as a bundler for workers makes it', async () => {
  const out = await bundled(['workerd', 'worker', 'browser']);
  assert.equal(filesIn(out).filter((path) => path.endsWith('.wasm')).length, 1);
  assert.deepEqual(await ask(out), EXPECTED);
});

test('workerd refuses the loader that compiles bytes: what it runs above does not', async () => {
  const out = await bundled(['worker', 'browser']);
  await assert.rejects(ask(out), /code generation disallowed/i);
});

const later = ['TransientRelayError', 450];
const never = ['PermanentRelayError', 550];
const DELIVERED = [
  ['ok', ['Delivered', 250], ['Delivered', 250]], ['redirect', later, later], ['refuse', never, never],
  ['break', later, later], ['wait', later, later],
];

for (const [name, { path, args }] of Object.entries(runtimes)) {
  const skip = path ? false : `${name} is not installed`;
  test(`a relay over HTTP says the same in ${name}`, { skip }, async (t) => {
    const { url, posted } = await openService(t);
    const source = `import { deliver } from './relay.js'; console.log(JSON.stringify(await deliver('${url}')));`;
    writeFileSync(join(home, 'deliver.js'), source);
    const allowed = args.slice(0, -1).map((arg) => (arg === '--quiet' ? '--allow-net=127.0.0.1' : arg));
    assert.deepEqual(await answer(/** @type {string} */ (path), [...allowed, 'deliver.js']), DELIVERED);
    assert.ok(posted.every((body) => body.equals(Buffer.from([0x0d, 0x0a, 0x2e, 0xff]))));
  });
}

test('a relay over HTTP says the same in workerd', async (t) => {
  const { url, posted } = await openService(t);
  const worker = `import { deliver } from './relay.js';
    export default { fetch: async () => Response.json(await deliver('${url}')) };`;
  const folder = temporary();
  await build({
    stdin: { contents: worker, resolveDir: home }, outfile: join(folder, 'worker.js'), bundle: true, format: 'esm',
    platform: 'neutral', logLevel: 'silent',
  });
  assert.deepEqual(await ask(folder), DELIVERED);
  assert.ok(posted.every((body) => body.equals(Buffer.from([0x0d, 0x0a, 0x2e, 0xff]))));
});

/**
 * A service that takes messages at one address, and at others does all that is no delivery.
 *
 * @param {import('node:test').TestContext} t
 */
async function openService(t) {
  /** @type {Buffer[]} */
  const posted = [];
  const service = createServer(async (request, response) => {
    /** @type {Buffer[]} */
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    posted.push(Buffer.concat(pieces));
    if (request.url === '/break') response.destroy();
    else if (request.url === '/redirect') response.writeHead(303, { Location: '/ok' }).end();
    else if (request.url !== '/wait') response.writeHead(request.url === '/ok' ? 204 : 422).end();
  });
  await new Promise((resolve) => service.listen(0, '127.0.0.1', () => resolve(undefined)));
  t.after(() => {
    service.closeAllConnections();
    service.close();
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (service.address());
  return { url: `http://127.0.0.1:${port}/`, posted };
}

/**
 * What a program of the project prints.
 *
 * @param {string} path
 * @param {string[]} args
 */
async function answer(path, args) {
  const env = { PATH: process.env.PATH, HOME: temporary(), NO_COLOR: '1' };
  const { stdout, stderr } = await run(path, args, { cwd: home, env });
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

/**
 * The worker of the project as one file, with the wasm file beside it.
 *
 * @param {string[]} conditions
 */
async function bundled(conditions) {
  const out = temporary();
  await build({
    entryPoints: [join(home, 'worker.js')], outdir: out, bundle: true, format: 'esm', conditions, platform: 'neutral',
    loader: { '.wasm': 'copy' }, logLevel: 'silent',
  });
  return out;
}

/**
 * What a worker answers, the second time that it is asked.
 *
 * @param {string} folder with a worker.js in it
 */
async function ask(folder) {
  const { Log, LogLevel, Miniflare } = await import('miniflare');
  const worker = new Miniflare({
    modules: true, modulesRoot: folder, scriptPath: join(folder, 'worker.js'), compatibilityDate: '2025-01-01',
    modulesRules: [{ type: 'ESModule', include: ['**/*.js'] }, { type: 'CompiledWasm', include: ['**/*.wasm'] }],
    log: new Log(LogLevel.NONE), cf: false, handleRuntimeStdio: () => {},
  });
  try {
    await (await worker.dispatchFetch('http://localhost/')).text();
    const response = await worker.dispatchFetch('http://localhost/');
    const said = await response.text();
    assert.equal(response.status, 200, said);
    return JSON.parse(said);
  } finally {
    await worker.dispose();
  }
}
