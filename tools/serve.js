// Serves the demo page on this machine. `node tools/serve.js [PORT]`
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { context } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const site = join(root, 'www');
const PACKAGE = 'slimta-queue-dict';

/** What may be fetched, by the end of its name. Sources are not: the page gets them in one piece. */
const TYPES = /** @type {Record<string, string>} */ ({
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.eml': 'message/rfc822',
});
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "style-src 'self'", "img-src 'self' blob:",
    'connect-src http: https:', // where messages are posted to is the visitor's choice
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

/**
 * Starts the server.
 *
 * @param {number} port 0: any that is free
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function serve(port) {
  const bundle = await context({
    entryPoints: [join(site, 'main.js')],
    bundle: true, format: 'esm', platform: 'browser', target: 'es2022', sourcemap: 'inline', write: false,
    logLevel: 'silent', plugins: [{ name: PACKAGE, setup: resolvePackage }],
  });
  const server = createServer(async ({ method = '', url = '' }, response) => {
    const { status, type, body } = await answer(bundle, method, url);
    response.writeHead(status, { ...HEADERS, 'content-type': type, 'content-length': body.length });
    response.end(method === 'HEAD' ? undefined : body);
  });
  try {
    await new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve(undefined));
    });
  } catch (error) {
    await bundle.dispose();
    throw error;
  }
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${address.port}/`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await bundle.dispose();
    },
  };
}

/**
 * @param {import('esbuild').BuildContext} bundle
 * @param {string} method
 * @param {string} url
 * @returns {Promise<{ status: number, type: string, body: Uint8Array }>}
 */
async function answer(bundle, method, url) {
  if (method !== 'GET' && method !== 'HEAD') return text(405, 'This server only answers GET and HEAD.');
  try {
    const path = decodeURIComponent(new URL(url, 'http://localhost').pathname);
    // Bundled for every request, so that a reload shows what was changed.
    if (path === '/main.js') {
      const { outputFiles } = await bundle.rebuild();
      return { status: 200, type: 'text/javascript; charset=utf-8', body: outputFiles?.[0].contents ?? new Uint8Array() };
    }
    const file = join(site, path.endsWith('/') ? `${path}index.html` : path);
    const type = TYPES[extname(file)];
    if (!type || !file.startsWith(site + sep)) return text(404, `There is no ${path} here.`);
    return { status: 200, type, body: await readFile(file) };
  } catch (error) {
    const { code, errors } = /** @type {{ code?: string, errors?: unknown[] }} */ (error);
    if (errors) {
      console.error(String(error));
      return text(500, 'The page could not be bundled; the server says why.');
    }
    return code === 'ENOENT' || code === 'EISDIR' || error instanceof URIError || code === 'ERR_INVALID_ARG_VALUE'
      ? text(404, 'There is no such file here.')
      : text(500, `The file could not be read: ${error}`);
  }
}

/**
 * @param {number} status
 * @param {string} message
 */
function text(status, message) {
  return { status, type: 'text/plain; charset=utf-8', body: Buffer.from(`${message}\n`) };
}

/**
 * Lets the page import the package by its name, and only what the package exports.
 *
 * @param {import('esbuild').PluginBuild} build
 */
function resolvePackage(build) {
  build.onResolve({ filter: new RegExp(`^${PACKAGE}(/|$)`) }, ({ path }) => {
    const { exports } = JSON.parse(readFileSync(join(root, 'pkg/package.json'), 'utf8'));
    const entry = exports[`.${path.slice(PACKAGE.length)}`];
    if (!entry) return { errors: [{ text: `${PACKAGE} does not export ${path}` }] };
    return { path: join(root, 'pkg', typeof entry === 'string' ? entry : entry.default) };
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const port = Number(process.argv[2] ?? 8080);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    console.error(`usage: node tools/serve.js [PORT]; ${process.argv[2]} is no port`);
    process.exit(2);
  }
  try {
    const { url, close } = await serve(port);
    console.log(`The page is at ${url} (Ctrl+C ends it)`);
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void close());
  } catch (error) {
    const { code } = /** @type {{ code?: string }} */ (error);
    console.error(code === 'EADDRINUSE'
      ? `Port ${port} is in use. Choose another one: make demo PORT=${port + 1}`
      : `The page could not be served: ${error}`);
    process.exit(1);
  }
}
