/** Workers in workerd, made of the files in tests/worker by a bundler from the package as it is installed. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { Log, LogLevel, Miniflare } from 'miniflare';
import { project, temporary } from '../packaging/pack.js';

const source = (path) => readFileSync(fileURLToPath(new URL(path, import.meta.url)), 'utf8');

/**
 * @param {string} name of a file in tests/worker
 * @returns {Promise<string>} the folder with its bundle
 */
export async function bundled(name) {
  const home = project({ 'worker.js': source(`../worker/${name}`), 'lives.js': source('lives.js') });
  const outdir = temporary();
  await build({
    entryPoints: [join(home, 'worker.js')], outdir, bundle: true, format: 'esm', platform: 'neutral',
    conditions: ['workerd', 'worker', 'browser'], mainFields: ['module', 'main'], external: ['cloudflare:workers'],
    loader: { '.wasm': 'copy' }, logLevel: 'silent',
  });
  return outdir;
}

/**
 * @param {string} folder that of a bundle
 * @param {any} settings
 */
export function workerIn(folder, settings) {
  return new Miniflare({
    modules: true, modulesRoot: folder, scriptPath: join(folder, 'worker.js'), compatibilityDate: '2025-01-01',
    modulesRules: [{ type: 'ESModule', include: ['**/*.js'] }, { type: 'CompiledWasm', include: ['**/*.wasm'] }],
    log: new Log(LogLevel.NONE), cf: false, handleRuntimeStdio: () => {}, ...settings,
  });
}

/**
 * The settings of the suite's Worker, which keeps its objects in a folder.
 *
 * @param {string} place
 */
export const objectsIn = (place) => ({
  durableObjects: {
    SQLITE: { className: 'SqlitePlace', useSQLite: true }, KEY_VALUE: { className: 'KeyValuePlace', useSQLite: false },
  },
  durableObjectsPersist: place,
});

/**
 * What an object of the suite's Worker answers.
 *
 * @param {Miniflare} miniflare
 * @param {string} backend
 * @param {string} name of the object
 * @param {string} what
 * @param {unknown} [more]
 */
export async function ask(miniflare, backend, name, what, more) {
  const response = await miniflare.dispatchFetch(`http://x/${backend}/${name}`, {
    method: 'POST', body: JSON.stringify({ what, more }),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return response.json();
}

/** The runtimes that this program has started, by their process ids. */
export function runtimes() {
  return readdirSync('/proc').filter((pid) => {
    try {
      return new RegExp(`\\(workerd\\) \\S ${process.pid} `).test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false; // it is no process, or one that has ended
    }
  });
}

/**
 * How many bytes of memory more than before a process has at most while something is done.
 *
 * @param {string} pid
 * @param {() => Promise<unknown>} work
 */
export async function memoryFor(pid, work) {
  const status = () => readFileSync(`/proc/${pid}/status`, 'utf8');
  const memory = (what) => Number(new RegExp(`${what}:\\s+(\\d+)`).exec(status())[1]);
  writeFileSync(`/proc/${pid}/clear_refs`, '5'); // the highest mark begins anew
  const before = memory('VmRSS');
  await work();
  return (memory('VmHWM') - before) * 1024;
}
