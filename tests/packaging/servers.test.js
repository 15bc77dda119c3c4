/** The package as bundlers make it for servers, away from its own files: nothing of it is read from disk. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import * as esbuild from 'esbuild';
import { EXPECTED } from './exercise.js';
import { NAME, pack, program, project, temporary, text } from './pack.js';

const run = promisify(execFile);
const HOSTS = ['indexeddb', 'level', 'redis', 'deno-kv', 'durable-object', 'policies', 'relays', 'conformance'];
const home = project({
  'exercise.js': text('exercise.js'),
  'main.js': `
    import * as api from '${NAME}';
    ${HOSTS.map((name, i) => `import * as host${i} from '${NAME}/${name}';`).join('\n')}
    import { exercise } from './exercise.js';
    globalThis.hosts = [${HOSTS.map((_, i) => `host${i}`)}];
    exercise(api).then((found) => console.log(JSON.stringify(found)));`,
  'rendered.js': `
    import { AsyncDictStorage } from '${NAME}';
    import { indexedDBHost } from '${NAME}/indexeddb';
    const outbox = new AsyncDictStorage(indexedDBHost('outbox'));
    outbox.getInfo().catch(({ name, code }) => console.log(JSON.stringify([typeof indexedDB, name, code])));`,
});

for (const [format, file] of /** @type {const} */ ([['esm', 'main.mjs'], ['cjs', 'main.cjs']])) {
  test(`esbuild --platform=node makes a program of it, as ${format}`, async () => {
    const out = temporary();
    await esbuild.build({
      absWorkingDir: home, entryPoints: ['main.js'], outfile: join(out, file), bundle: true, platform: 'node', format,
      logLevel: 'silent',
    });
    assert.deepEqual(await answer(process.execPath, join(out, file)), EXPECTED);
  });
}

test('webpack makes a program for Node of it', async () => {
  const { default: webpack } = await import('webpack');
  const out = temporary();
  const found = await new Promise((resolve, reject) => {
    const compiler = webpack({
      context: home, mode: 'production', devtool: false, performance: false, target: 'node', entry: { main: './main.js' },
      output: { path: out, filename: '[name].cjs' },
    });
    compiler.run((error, stats) => compiler.close(() => (error ? reject(error) : resolve(stats))));
  });
  assert.equal(found.toString({ all: false, errors: true, warnings: true }).trim(), '');
  assert.deepEqual(await answer(process.execPath, join(out, 'main.cjs')), EXPECTED);
});

const { arch, platform } = process;
const bun = program([`@oven/bun-${platform}-${arch === 'arm64' ? 'aarch64' : arch}/bin/bun`, 'bun/bin/bun.exe']);

test('bun build --target=bun makes a program of it', { skip: bun ? false : 'Bun is not installed' }, async () => {
  const out = temporary();
  const file = join(out, 'main.js');
  const env = { PATH: process.env.PATH, HOME: out, NO_COLOR: '1' };
  await run(/** @type {string} */ (bun), ['build', 'main.js', '--target=bun', `--outfile=${file}`], { cwd: home, env });
  assert.deepEqual(await answer(/** @type {string} */ (bun), file), EXPECTED);
});

test('a server that renders a page imports every entry and makes its storage; what is missing shows with the first call',
  async () => {
    for (const entry of Object.keys(pack().manifest.exports).filter((path) => !/\.(wasm|json)$/.test(path))) {
      await run(process.execPath, ['--input-type=module', '-e', `import '${NAME}${entry.slice(1)}';`], { cwd: home });
    }
    assert.deepEqual(await answer(process.execPath, join(home, 'rendered.js')), ['undefined', 'QueueError', 'host']);
  });

/**
 * What a program prints, run in an empty folder.
 *
 * @param {string} runtime
 * @param {string} path of the program
 */
async function answer(runtime, path) {
  const cwd = temporary();
  const { stdout, stderr } = await run(runtime, [path], { cwd, env: { PATH: process.env.PATH, HOME: cwd, NO_COLOR: '1' } });
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}
