import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const pkg = fileURLToPath(new URL('../../pkg/', import.meta.url));
/** What is served beside the package. */
const FOLDERS = ['support', 'fixtures'];
const tests = fileURLToPath(new URL('../', import.meta.url));
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm' };
/** An empty page with the package and the behaviours as globals, `complaints` of what nobody caught among them. */
const PAGE = `<!doctype html><title>test</title><script>
  globalThis.complaints = [];
  for (const type of ['error', 'unhandledrejection']) {
    addEventListener(type, ({ message, reason }) => complaints.push(String(message ?? reason)));
  }
  const modules = ['load/inline', 'hosts/indexeddb', 'support/behaviours', 'support/contexts', 'support/factory'];
  globalThis.ready = Promise.all(modules.map((path) => import(\`/\${path}.js\`))).then((loaded) => {
    for (const module of loaded) Object.assign(globalThis, module);
    return true;
  });
</script>`;

/**
 * Serves the package as it is, the files beside this one under `/support/`, those of fixtures, a page that has both as globals, and an
 * answer at `/clear` that has the browser clear the site's data.
 *
 * @param {(...exchange: Parameters<import('node:http').RequestListener>) => boolean} [answer] to whatever else is asked:
 *   whether it has taken the request
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function openSite(answer = () => false) {
  const server = createServer((request, response) => {
    if (answer(request, response)) return;
    const path = normalize(new URL(request.url ?? '/', 'http://x').pathname);
    response.setHeader('access-control-allow-origin', '*'); // for frames that have no origin
    if (path === '/') return response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    if (path === '/clear') return response.writeHead(200, { 'clear-site-data': '"storage"' }).end();
    const type = TYPES[/** @type {keyof TYPES} */ (extname(path))];
    const file = createReadStream(join(FOLDERS.includes(path.split('/')[1]) ? tests : pkg, path));
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
