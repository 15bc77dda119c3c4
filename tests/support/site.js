import { createReadStream } from 'node:fs';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { served, typeOf } from './served.js';

const pkg = fileURLToPath(new URL('../../pkg/', import.meta.url));
/** What is served beside the package. */
const FOLDERS = ['support', 'fixtures'];
const tests = fileURLToPath(new URL('../', import.meta.url));
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
export function openSite(answer = () => false) {
  return served((request, response) => {
    if (answer(request, response)) return;
    const path = normalize(new URL(request.url ?? '/', 'http://x').pathname);
    response.setHeader('access-control-allow-origin', '*'); // for frames that have no origin
    if (path === '/') return response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    if (path === '/clear') return response.writeHead(200, { 'clear-site-data': '"storage"' }).end();
    const file = createReadStream(join(FOLDERS.includes(path.split('/')[1]) ? tests : pkg, path));
    file.on('error', () => response.writeHead(404).end());
    file.on('open', () => file.pipe(response.writeHead(200, { 'content-type': typeOf(path) })));
  });
}
