// Bundles the Worker and runs it in workerd.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';

const { SEND_URL, BACKOFF = '', PORT = '8787', QUEUE = 'objects' } = process.env;
if (!SEND_URL) {
  console.error('SEND_URL is missing: the address of the service that sends mail, such as https://mail.example.com/send');
  process.exit(1);
}

const folder = fileURLToPath(new URL('dist', import.meta.url));
await build({
  entryPoints: [fileURLToPath(new URL('worker.js', import.meta.url))], outdir: folder, bundle: true, format: 'esm',
  platform: 'neutral', conditions: ['workerd', 'worker', 'browser'], mainFields: ['module', 'main'],
  external: ['cloudflare:workers'], loader: { '.wasm': 'copy' },
});
const miniflare = new Miniflare({
  modules: true, modulesRoot: folder, scriptPath: join(folder, 'worker.js'), compatibilityDate: '2025-01-01',
  modulesRules: [{ type: 'ESModule', include: ['**/*.js'] }, { type: 'CompiledWasm', include: ['**/*.wasm'] }],
  durableObjects: { OUTBOX: { className: 'Outbox', useSQLite: true } }, durableObjectsPersist: QUEUE,
  bindings: { SEND_URL, BACKOFF }, host: '127.0.0.1', port: Number(PORT), cf: false,
});
// It ends with the program, whatever ends that: what was taken is on disk.
console.log(`takes mail at ${await miniflare.ready}`);
