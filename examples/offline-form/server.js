// Serves what Vite has built, and takes the messages of the form.
import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const PORT = Number(process.env.PORT ?? 5173);
const dist = fileURLToPath(new URL('dist', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css' };

if (!existsSync(dist)) {
  console.error('The folder dist is missing: run `npx vite build` first');
  process.exit(1);
}

/** The keys of the requests that were taken: a repeat is answered and not taken again. */
const taken = new Set();

const server = http.createServer(async (request, response) => {
  response.setHeader('Content-Security-Policy', "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'");
  response.setHeader('Cache-Control', 'no-cache');
  const { pathname } = new URL(request.url, 'http://localhost');
  if (request.method === 'POST' && pathname === '/send') {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const key = request.headers['idempotency-key'];
    if (!taken.has(key)) console.log(`${Buffer.concat(pieces)}\n--`);
    taken.add(key);
    response.writeHead(202).end();
    return;
  }
  const path = join(dist, normalize(pathname === '/' ? '/index.html' : pathname));
  try {
    const body = readFileSync(path);
    response.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(body);
  } catch {
    response.writeHead(404).end();
  }
});
server.listen(PORT, '127.0.0.1', () => {
  const address = server.address();
  console.log(`the form is at http://127.0.0.1:${typeof address === 'object' ? address?.port : PORT}/`);
});
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    server.close();
    server.closeAllConnections();
  });
}
