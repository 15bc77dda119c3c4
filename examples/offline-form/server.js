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

/** How much a message may have, in bytes. */
const LARGEST = 1_000_000;
/** The keys of the requests that were taken: a repeat is answered and not taken again. */
const taken = new Set();

/**
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 */
async function answer(request, response) {
  response.setHeader('Content-Security-Policy', "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'");
  response.setHeader('Cache-Control', 'no-cache');
  const { url = '' } = request;
  if (!URL.canParse(url, 'http://localhost')) return response.writeHead(400).end();
  const { pathname } = new URL(url, 'http://localhost');
  if (request.method === 'POST' && pathname === '/send') {
    const pieces = [];
    let length = 0;
    for await (const piece of request) {
      length += piece.length;
      if (length <= LARGEST) pieces.push(piece); // the rest is read too: who still sends hears no answer
    }
    if (length > LARGEST) return response.writeHead(413).end();
    const key = request.headers['idempotency-key'];
    if (!key || !taken.has(key)) console.log(`${Buffer.concat(pieces)}\n--`);
    if (key) taken.add(key);
    return response.writeHead(202).end();
  }
  const path = join(dist, normalize(pathname === '/' ? '/index.html' : pathname));
  try {
    const body = readFileSync(path);
    response.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(body);
  } catch {
    response.writeHead(404).end();
  }
}

const server = http.createServer((request, response) => {
  answer(request, response).catch(() => response.destroy()); // the client is gone
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
