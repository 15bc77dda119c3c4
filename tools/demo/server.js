/** The demo on this machine: the page, the relay that it posts to, and the mail server behind that. */
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { freshFiles } from './bundle.js';
import { openRelay } from './relay.js';
import { LARGEST } from '../../www/posted.js';
import { startSink } from './sink.js';

const TYPES = /** @type {Record<string, string>} */ ({
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.eml': 'message/rfc822',
  '.webmanifest': 'application/manifest+json',
});
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "style-src 'self'", "img-src 'self' blob: data:",
    "connect-src 'self'", "worker-src 'self' blob:", "manifest-src 'self'", "base-uri 'none'", "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};
/** How much a request other than a message may send, in bytes. */
const SMALL = 10_000;

/**
 * @typedef {object} Response
 * @property {number} status
 * @property {string} type
 * @property {Uint8Array | string} body
 */

/**
 * Starts everything.
 *
 * @param {number} port 0: any that is free
 * @param {{ path?: string, version?: string }} [options] below which path the page is; a text that makes its version
 *   another one
 */
export async function serve(port, { path: base = '/', version = '' } = {}) {
  const sink = await startSink();
  const relay = openRelay(sink.port);
  const { arrivals } = sink;
  let origin = '';
  let current = version;

  const server = createServer(async (request, response) => {
    const { method = '', url = '' } = request;
    try {
      const { status, type, body } = await answer(method, url, request);
      const bytes = Buffer.from(/** @type {any} */ (body));
      response.writeHead(status, { ...HEADERS, 'content-type': type, 'content-length': bytes.length });
      response.end(method === 'HEAD' ? undefined : bytes);
    } catch (error) {
      if (error === AWAY || request.errored) return response.destroy(); // nobody waits for an answer
      console.error(error);
      response.writeHead(500, HEADERS).end();
    }
  });

  /** @type {Promise<Map<string, Uint8Array>> | undefined} */
  let files;
  /**
   * The files of the page. A page that is opened anew shows what was changed; what it loads then is of one version.
   *
   * @param {boolean} anew
   */
  function fresh(anew) {
    if (!files || anew) files = freshFiles({ version: current });
    return files;
  }

  /**
   * @param {string} method
   * @param {string} url
   * @param {import('node:http').IncomingMessage} request
   * @returns {Promise<Response>}
   */
  async function answer(method, url, request) {
    // Another name for this machine would make any page on the web one of this origin.
    if (`http://${request.headers.host}` !== origin) return text(421, 'This server has another name.');
    if (!URL.canParse(url, origin)) return text(400, 'This is no address.');
    const { pathname, searchParams } = new URL(url, origin);
    if (!pathname.startsWith(base)) return text(404, 'There is nothing here.');
    const name = decode(pathname.slice(base.length));
    if (method === 'POST') return post(name, request);
    if (method !== 'GET' && method !== 'HEAD') return text(405, 'This server only answers GET, HEAD and POST.');
    if (name === 'inbox') return json(200, arrivals.tell(Number(searchParams.get('known') ?? -1), `127.0.0.1:${sink.port}`));
    const file = (await fresh(name === '' || name === 'sw.js')).get(name === '' || name === undefined ? 'index.html' : name);
    return file && name !== undefined
      ? { status: 200, type: TYPES[extname(name || 'index.html')] ?? 'application/octet-stream', body: file }
      : text(404, 'There is no such file here.');
  }

  /**
   * @param {string | undefined} name
   * @param {import('node:http').IncomingMessage} request
   * @returns {Promise<Response>}
   */
  async function post(name, request) {
    // A page of another origin may post, and would not even have to read the answer.
    if (request.headers.origin !== origin) return json(403, { detail: 'only the page of this server may post' });
    if (name === 'relay') {
      if (arrivals.dials.away) throw AWAY;
      const bytes = await read(request, LARGEST);
      if (!bytes) return json(413, { detail: `more than ${LARGEST} bytes` });
      const { status, body } = await relay.take(request.headers, bytes);
      return json(status, body);
    }
    const bytes = await read(request, SMALL);
    if (!bytes) return json(413, { detail: `more than ${SMALL} bytes` });
    try {
      if (name === 'dials') arrivals.turn(JSON.parse(Buffer.from(bytes).toString()));
      else if (name === 'clear') arrivals.clear();
      else return text(404, 'There is nothing to post to here.');
      return json(200, {});
    } catch (error) {
      return json(400, { detail: String(error) });
    }
  }

  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(undefined));
  }).catch(async (error) => {
    await sink.close();
    throw error;
  });
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  origin = `http://127.0.0.1:${address.port}`;
  return {
    url: `${origin}${base}`,
    arrivals,
    smtp: sink.port,
    /** Serves the page in another version. @param {string} salt */
    update(salt) {
      current = salt;
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      relay.close();
      await sink.close();
    },
  };
}

/** Thrown where nothing is answered. */
const AWAY = new Error('away');

/**
 * What a request sends, or nothing if that is too much. It reads to the end all the same: a client that still sends
 * hears no answer.
 *
 * @param {import('node:http').IncomingMessage} request
 * @param {number} most
 */
async function read(request, most) {
  /** @type {Buffer[]} */
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length <= most) chunks.push(chunk);
  }
  return length > most ? undefined : new Uint8Array(Buffer.concat(chunks));
}

/** @param {string} name */
function decode(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

/**
 * @param {number} status
 * @param {object} body
 * @returns {Response}
 */
function json(status, body) {
  return { status, type: 'application/json', body: JSON.stringify(body) };
}

/**
 * @param {number} status
 * @param {string} message
 * @returns {Response}
 */
function text(status, message) {
  return { status, type: 'text/plain; charset=utf-8', body: `${message}\n` };
}
