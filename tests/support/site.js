import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const pkg = fileURLToPath(new URL('../../pkg/', import.meta.url));
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm' };
const PAGE = `<!doctype html><title>test</title><script type="module">
  import * as queue from '/load/inline.js';
  import * as indexeddb from '/hosts/indexeddb.js';
  Object.assign(globalThis, { ...queue, ...indexeddb });
  globalThis.ready = true;
</script>`;

/**
 * Serves the package as it is, and an empty page that has its exports as globals.
 *
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function openSite() {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://x').pathname);
    if (path === '/') return response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    const type = TYPES[/** @type {keyof TYPES} */ (extname(path))];
    const file = createReadStream(join(pkg, path));
    file.on('error', () => response.writeHead(404).end());
    file.on('open', () => file.pipe(response.writeHead(200, { 'content-type': type ?? 'text/plain' })));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}
