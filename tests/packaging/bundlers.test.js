import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { after, before, test } from 'node:test';
import * as esbuild from 'esbuild';
import { launch, skip } from './chromium.js';
import { EXPECTED } from './exercise.js';
import { NAME, pack, project, text } from './pack.js';

const APP = ['index.html', 'page.js', 'worker.js', 'sw.js', 'use.js'];
const POLICY = "worker-src 'self' blob:; script-src 'self' 'wasm-unsafe-eval'";
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json' };
const home = project({
  ...Object.fromEntries(APP.map((name) => [name, text(`app/${name}`)])),
  'exercise.js': text('exercise.js'),
});
/** Of the one inline script that a page may have, its import map. */
let mapHash = '';
const server = createServer(serve);
/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  if (!skip) browser = await launch();
});
after(async () => {
  await browser?.close();
  server.closeAllConnections();
  server.close();
});

test('esbuild makes pages, module workers and service workers of it', { skip }, async () => {
  const settings = { absWorkingDir: home, bundle: true, minify: true, outdir: join(home, 'esbuild') };
  await esbuild.build({ ...settings, entryPoints: ['page.js', 'worker.js'], format: 'esm' });
  await esbuild.build({ ...settings, entryPoints: ['sw.js'], format: 'iife' });
  writeFileSync(join(home, 'esbuild/index.html'), text('app/index.html'));
  await works('esbuild');
});

test('Vite makes pages, module workers and service workers of it', { skip }, async () => {
  const vite = await import('vite');
  /** @type {import('vite').InlineConfig} */
  const settings = { root: home, configFile: false, logLevel: 'error', base: './' };
  const outDir = join(home, 'vite');
  await vite.build({ ...settings, build: { outDir } });
  await vite.build({
    ...settings,
    build: {
      outDir, emptyOutDir: false,
      rollupOptions: { input: join(home, 'sw.js'), output: { format: 'iife', entryFileNames: 'sw.js' } },
    },
  });
  await works('vite');
});

test("Vite's own server serves it while somebody develops", { skip }, async () => {
  const vite = await import('vite');
  const running = await vite.createServer({
    root: home, configFile: false, logLevel: 'error', cacheDir: join(home, '.vite'),
    server: { host: '127.0.0.1', port: 0, headers: { 'Content-Security-Policy': POLICY }, hmr: false, watch: null },
  });
  try {
    await running.listen();
    await opened(/** @type {string} */ (running.resolvedUrls?.local[0]), async (page) => {
      assert.deepEqual(await page.evaluate('inPage()'), EXPECTED);
      assert.deepEqual(await page.evaluate('inWorker()'), EXPECTED);
    });
  } finally {
    await running.close();
  }
});

test('webpack makes pages, module workers and service workers of it', { skip }, async () => {
  const { default: webpack } = await import('webpack');
  /** @type {import('webpack').Configuration} */
  const settings = {
    context: home, mode: 'production', devtool: false, performance: false, output: { path: join(home, 'webpack') },
  };
  const found = await new Promise((resolve, reject) => {
    const compiler = webpack([
      { ...settings, entry: { page: './page.js' }, target: 'web' },
      { ...settings, entry: { sw: './sw.js' }, target: 'webworker' },
    ]);
    compiler.run((error, stats) => compiler.close(() => (error ? reject(error) : resolve(stats))));
  });
  assert.equal(found.toString({ all: false, errors: true, warnings: true }).trim(), '');
  writeFileSync(join(home, 'webpack/index.html'), text('app/index.html'));
  await works('webpack');
});

test('a page without a bundler names the package in an import map, its workers by path', { skip }, async () => {
  const { manifest } = pack();
  const pathOf = (/** @type {string} */ entry) => `./node_modules/${NAME}/${manifest.exports[entry].default}`;
  /** @type {Record<string, string>} */
  const paths = { [NAME]: pathOf('.'), [`${NAME}/indexeddb`]: pathOf('./indexeddb') };
  const imports = Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, `.${path}`]));
  const map = JSON.stringify({ imports });
  const direct = text('app/use.js').replaceAll(/'(slimta-queue-dict[^']*)'/g, (_, name) => `'.${paths[name]}'`);
  mkdirSync(join(home, 'plain'));
  for (const [name, content] of Object.entries({
    'page.js': text('app/page.js'), 'use.js': text('app/use.js'), 'direct.js': direct,
    'exercise.js': text('exercise.js'),
    'worker.js': text('app/worker.js').replace('./use.js', './direct.js'),
    'sw.js': text('app/sw.js').replace('./use.js', './direct.js'),
    'index.html': text('app/index.html').replace('<script', `<script type="importmap">${map}</script>\n<script`),
  })) {
    writeFileSync(join(home, 'plain', name), content);
  }
  mapHash = createHash('sha256').update(map).digest('base64');
  await works('plain', 'module');
});

test('the policy of these pages is in force: they may compile wasm, and nothing else', { skip }, async () => {
  mkdirSync(join(home, 'policy'));
  writeFileSync(join(home, 'policy/index.html'), text('app/index.html'));
  writeFileSync(join(home, 'policy/page.js'), `
    try { new Function('1'); globalThis.allowed = true; } catch { globalThis.allowed = false; }
    const empty = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
    globalThis.compiled = new WebAssembly.Module(empty) instanceof WebAssembly.Module;
  `);
  const page = await browser.newPage();
  await page.goto(address('policy'));
  assert.deepEqual(await page.evaluate('[allowed, compiled]'), [false, true]);
  await page.close();
});

/**
 * The same app, however it was made: in a page, a worker and a service worker, and after a reload.
 *
 * @param {string} folder
 * @param {WorkerType} type of the service worker
 */
async function works(folder, type = 'classic') {
  await opened(address(folder), async (page) => {
    assert.deepEqual(await page.evaluate('inPage()'), EXPECTED);
    assert.deepEqual(await page.evaluate('inWorker()'), EXPECTED);
    assert.deepEqual(await page.evaluate(`inServiceWorker('${type}')`), EXPECTED);
    await page.reload();
    const to = 'b@example.com';
    assert.deepEqual(await page.evaluate('queued()'), [`page: ${to}`, `service worker: ${to}`, `worker: ${to}`]);
  });
}

/**
 * Opens a page in a browser that knows nothing yet. Nothing may go wrong in it, nor a wasm file be asked for.
 *
 * @param {string} url
 * @param {(page: import('playwright-core').Page) => Promise<void>} look
 */
async function opened(url, look) {
  const context = await browser.newContext();
  try {
    /** @type {string[]} */
    const wrong = [];
    context.on('weberror', (each) => wrong.push(String(each.error())));
    context.on('console', (each) => each.type() === 'error' && wrong.push(each.text()));
    context.on('request', (each) => each.url().endsWith('.wasm') && wrong.push(each.url()));
    context.on('response', (each) => each.status() >= 400 && wrong.push(`${each.status()} ${each.url()}`));
    const page = await context.newPage();
    await page.goto(url);
    try {
      await look(page);
    } catch (error) {
      throw wrong.length > 0 ? new Error(wrong.join('\n'), { cause: error }) : error;
    }
    assert.deepEqual(wrong, []);
  } finally {
    await context.close();
  }
}

/** @param {string} folder */
function address(folder) {
  return `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}/${folder}/`;
}

/**
 * The project's files, under a policy that lets pages run their own scripts and compile wasm.
 *
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
function serve(request, response) {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const path = normalize(pathname.endsWith('/') ? `${pathname}index.html` : pathname);
  response.setHeader('Content-Security-Policy', mapHash ? `${POLICY} 'sha256-${mapHash}'` : POLICY);
  response.setHeader('Cache-Control', 'no-store');
  try {
    const body = readFileSync(join(home, path));
    response.writeHead(200, { 'Content-Type': TYPES[/** @type {keyof TYPES} */ (extname(path))] }).end(body);
  } catch {
    response.writeHead(404).end();
  }
}
