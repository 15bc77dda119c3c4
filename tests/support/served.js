/** Web servers of this machine, for tests and benchmarks. */
import { createServer } from 'node:http';
import { extname } from 'node:path';

const TYPES = /** @type {Record<string, string>} */ ({
  '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.wasm': 'application/wasm',
});

/** @param {string} name of a file */
export const typeOf = (name) => TYPES[extname(name)] ?? 'application/octet-stream';

/**
 * Lets a server listen, until it is closed with all that is connected to it.
 *
 * @param {import('node:http').RequestListener} answer
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function served(answer) {
  const server = createServer(answer);
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

/**
 * Serves files by their names, as a web server that knows nothing of them; `index.html` also without its name.
 *
 * @param {Map<string, Uint8Array | string>} files
 * @param {{ path?: string, headers?: Record<string, string> }} [options] below which path
 */
export async function servedFiles(files, { path = '/', headers = {} } = {}) {
  const { url, close } = await served(({ url: asked = '' }, response) => {
    const name = asked.replace(/\?.*$/, '').slice(path.length) || 'index.html';
    const file = asked.startsWith(path) ? files.get(name) : undefined;
    response.writeHead(file === undefined ? 404 : 200, { 'content-type': typeOf(name), ...headers }).end(file);
  });
  return { url: url + path.slice(1), close };
}
