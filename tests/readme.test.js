import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const examples = [...readme.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code);

/**
 * Runs an example as a stranger would: in an empty folder, by the name of the package.
 *
 * @param {string} code
 */
function run(code) {
  const folder = mkdtempSync(join(tmpdir(), 'readme-'));
  try {
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(join(root, 'pkg'), join(folder, 'node_modules/slimta-queue-dict'));
    writeFileSync(join(folder, 'example.mjs'), code);
    return execFileSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('the first example of the README prints what its comment says', () => {
  assert.match(run(examples[0]), /^\[ 'them@example\.com' \] 1 \[ 1 \]\n$/);
});

test('the IndexedDB example of the README runs as it stands', () => {
  const database = new URL('../node_modules/fake-indexeddb/auto/index.mjs', import.meta.url);
  assert.equal(run(`import '${database}';\n${examples[1]}`), '');
});

test('the queue example of the README tells what its comment says', () => {
  assert.equal(run(examples[2]), 'delivered to you@example.com\ntold me@example.com\n');
});

/** An HTTP relay's other side that has taken some messages and takes no more. */
const takes = (count) => `let taken = 0;\nglobalThis.fetch = async () => new Response('', { status: taken++ < ${count} ? 200 : 503 });\n`;

test('the Durable Object example of the README sends what is due, and wakes when more is', () => {
  const [imported, code] = [examples[3].match(/^import .*'cloudflare:workers';\n/)?.[0] ?? '', examples[3]];
  const output = run(`${takes(1)}
    class DurableObject { constructor(ctx) { this.ctx = ctx; } }
    ${code.replace(imported, '')}
    const map = new Map();
    let alarm = null;
    const storage = {
      list: async ({ prefix, startAfter = '', limit = Infinity }) => new Map([...map].sort()
        .filter(([key]) => key.startsWith(prefix) && key > startAfter).slice(0, limit)),
      get: async (keys) => (Array.isArray(keys) ? new Map(keys.filter((key) => map.has(key)).map((key) => [key, map.get(key)]))
        : map.get(keys)),
      put: async (entries) => Object.entries(entries).forEach((entry) => map.set(...entry)),
      delete: async (keys) => [keys].flat().forEach((key) => map.delete(key)),
      transaction: async (work) => work(storage),
      sync: async () => {},
      getAlarm: async () => alarm,
      setAlarm: async (time) => { alarm = time; },
    };
    const outbox = new Outbox({ storage });
    for (const to of ['a', 'b']) await outbox.send({ sender: null, recipients: [to + '@example.com'] });
    console.log(alarm <= Date.now());
    alarm = null; // as the runtime does before it calls
    await outbox.alarm();
    console.log(alarm > Date.now() + 30_000, [...map.keys()].filter((key) => key.startsWith('meta:')).length);
  `);
  assert.equal(output, 'true\ntrue 1\n');
});

test('the service worker example of the README rejects while something is due, unless it is the last chance', () => {
  const database = new URL('../node_modules/fake-indexeddb/auto/index.mjs', import.meta.url);
  const output = run(`import '${database}';
    ${takes(1)}
    let sync;
    globalThis.self = { addEventListener: (type, listener) => { sync = listener; } };
    ${examples[4]}
    const ask = async (lastChance) => {
      let promise;
      sync({ tag: 'outbox', lastChance, waitUntil: (work) => { promise = work; } });
      return promise.then(() => 'done', ({ message }) => message);
    };
    await queue.enqueue({ sender: null, recipients: ['a@example.com'] });
    console.log(await ask(false));
    queue.pause();
    await queue.enqueue({ sender: null, recipients: ['b@example.com'] });
    console.log(await ask(false), await ask(true));
  `);
  assert.equal(output, 'done\n1 messages are not sent yet done\n');
});

test('the README lists every code of QueueError that the package knows', () => {
  const source = readFileSync(join(root, 'pkg/errors.js'), 'utf8');
  const list = source.match(/new Set\(\[([\s\S]*?)\]\)/)?.[1] ?? '';
  const codes = [...list.matchAll(/'([a-z-]+)'/g)].map(([, code]) => code);
  assert.ok(codes.length > 10);
  for (const code of codes) assert.ok(readme.includes(`\`${code}\``), code);
});
