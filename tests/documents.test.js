/** The documents: every link leads somewhere, every block of code is checked, and what can run is run as it stands. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { after, describe, test } from 'node:test';
import ts from 'typescript';
import { program, project, temporary } from './packaging/pack.js';
import { ROOT, anchorsOf, blocksOf, codeWith, linksOf, newFolder, paths, run, start, textOf } from './support/documents.js';
import { skip as noRedis, startRedis } from './support/redis.js';
import { startSmtp } from './support/smtp.js';

const REPOSITORY = 'https://github.com/slimta/slimta-queue-dict/blob/main/';
const manifest = JSON.parse(readFileSync(join(ROOT, 'pkg/manifest.json'), 'utf8'));
const database = join(ROOT, 'node_modules/fake-indexeddb/auto/index.mjs');
const IDB = `import '${database}';\n`;

/** An HTTP relay's other side that has taken some messages and takes no more. */
const takes = (/** @type {number} */ count) => `let taken = 0;
globalThis.fetch = async () => new Response('', { status: taken++ < ${count} ? 200 : 503 });\n`;
/** What the blocks name that do not make everything themselves. */
const QUEUE = `import { DictStorage as OfPrelude, Queue as QueueOfPrelude } from 'slimta-queue-dict';
globalThis.envelope = { sender: 'me@example.com', recipients: ['you@example.com'], message: 'Hi' };
globalThis.relay = { attempt() {} };
globalThis.storage = new OfPrelude();
storage.close = async () => {};
globalThis.queue = new QueueOfPrelude(storage, relay);\n`;

describe('links', () => {
  for (const path of paths) {
    test(`every link of ${path} leads to a document, and to a heading in it`, () => {
      for (const address of linksOf(textOf(path))) {
        const isOurs = address.startsWith(REPOSITORY);
        if (/^(https?|mailto):/.test(address) && !isOurs) continue;
        const [file, anchor] = (isOurs ? address.slice(REPOSITORY.length) : address).split('#');
        const target = file === '' ? path : isOurs ? file : normalize(join(dirname(path), file));
        assert.ok(existsSync(join(ROOT, target)), address);
        if (anchor !== undefined) assert.ok(anchorsOf(textOf(target)).includes(anchor), address);
      }
    });
  }

  test('the links of the README lead somewhere from the packages, which have no other document', () => {
    for (const address of linksOf(textOf('README.md'))) assert.match(address, /^https:\/\//, address);
  });

  test('every document in docs can be reached from the README', () => {
    const seen = new Set();
    const visit = (/** @type {string} */ path) => {
      if (seen.has(path) || !path.endsWith('.md') || !existsSync(join(ROOT, path))) return;
      seen.add(path);
      for (const address of linksOf(textOf(path))) {
        if (address.startsWith(REPOSITORY)) visit(address.slice(REPOSITORY.length).split('#')[0]);
        else if (!/^[a-z]+:/.test(address)) visit(normalize(join(dirname(path), address.split('#')[0])));
      }
    };
    visit('README.md');
    assert.deepEqual(paths.filter((path) => path.startsWith('docs/') && !seen.has(path)), []);
  });

  test('the figures of speed are those that the benchmarks have written', () => {
    const results = textOf('benches/RESULTS.md');
    let count = 0;
    for (const path of paths) {
      for (const paragraph of textOf(path).split(/\n\n|\n(?=\|)/)) {
        if (!/\[results\]|RESULTS\.md\)/.test(paragraph)) continue;
        for (const [figure] of paragraph.matchAll(/\b\d{1,3}(,\d{3})+\b/g)) {
          assert.ok(results.includes(figure), `${path}: ${figure}`);
          count++;
        }
      }
    }
    assert.ok(count > 10);
  });

  test('the README has at most 200 lines', () => {
    assert.ok(textOf('README.md').trimEnd().split('\n').length <= 200);
  });
});

describe('code', () => {
  const CHECKED = ['js', 'jsx'];
  /** Shown only; those in Rust are compiled and run by `tests/documents/mod.rs`. */
  const OTHERS = ['sh', 'console', 'json', 'html', 'eml', 'text', 'rust'];
  const folder = join(ROOT, 'target/documents/types');
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('every block says what language it is in', () => {
    for (const path of paths) {
      for (const { language, line } of blocksOf(path)) {
        assert.ok([...CHECKED, ...OTHERS].includes(language), `${path}:${line}: ${language}`);
      }
    }
  });

  test('the JavaScript of every block is right as the types say', () => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'prelude.d.ts'), `
      declare module 'cloudflare:workers' { export class DurableObject { ctx: any; env: any }; }
      declare module 'fastify';
      declare const Deno: any;
      declare const envelope: import('slimta-queue-dict').Envelope;
      declare const queue: import('slimta-queue-dict').Queue;
      declare const relay: import('slimta-queue-dict').Relay;
      declare const storage: import('slimta-queue-dict').AsyncDictStorage;
      interface WindowEventMap { sync: any }
      interface ServiceWorkerRegistration { sync?: any }
    `);
    writeFileSync(join(folder, 'file-host.d.ts'), 'export function fileHost(path: string): any;');
    /** @type {Map<string, string>} where each file is from */
    const places = new Map();
    for (const path of paths) {
      for (const { language, code, line } of blocksOf(path)) {
        if (!CHECKED.includes(language)) continue;
        const name = join(folder, `${path.replaceAll(/[/.]/g, '-')}-${line}.${language}`);
        writeFileSync(name, `${code}export {};\n`);
        places.set(name, `${path}:${line}`);
      }
    }
    assert.ok(places.size > 30);
    const entries = Object.entries(manifest.exports).filter(([, { types }]) => types);
    /** @type {import('typescript').CompilerOptions} */
    const options = {
      allowJs: true, checkJs: true, noEmit: true, strict: false, skipLibCheck: true, types: ['node'],
      target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
      jsx: ts.JsxEmit.Preserve, lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.esnext.disposable.d.ts'],
      paths: Object.fromEntries(entries.map(([entry, { types }]) => [`slimta-queue-dict${entry.slice(1)}`, [join(ROOT, 'pkg', types)]])),
    };
    const programme = ts.createProgram([...places.keys(), join(folder, 'prelude.d.ts')], options);
    const wrong = ts.getPreEmitDiagnostics(programme).map(({ file, start, messageText }) => {
      const { line } = file && start !== undefined ? file.getLineAndCharacterOfPosition(start) : { line: 0 };
      return `${places.get(file?.fileName ?? '') ?? file?.fileName} +${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
    assert.deepEqual(wrong, []);
  });

  test('the shell of every block is right, and each target of make that it names is there', () => {
    const targets = [...readFileSync(join(ROOT, 'Makefile'), 'utf8').matchAll(/^([a-z-]+):/gm)].map(([, name]) => name);
    for (const path of paths) {
      for (const { language, code } of blocksOf(path)) {
        if (language !== 'sh') continue;
        execFileSync('bash', ['-n', '-c', code]);
        for (const [, target] of code.matchAll(/^make ([a-z-]+)/gm)) assert.ok(targets.includes(target), target);
      }
    }
  });
});

describe('the README', () => {
  test('its first example sends a real mail, also one that an earlier run has left, and ends when it is told', async (t) => {
    const code = codeWith('README.md', 'new ClassicLevel');
    const folder = newFolder();
    const first = start(code, { folder, env: { SMTP_URL: 'smtp://127.0.0.1:1' } });
    await first.printed(/^tried again later: .*ECONNREFUSED/m);
    assert.equal(await first.end(), 0, first.output());
    const server = await startSmtp();
    t.after(() => server.stop());
    const later = start(code.replace('queue.start();', 'queue.start();\nqueue.flush();'), {
      folder, env: { SMTP_URL: `smtp://127.0.0.1:${server.port}` },
    });
    await later.printed(/(delivered to you@example\.com\n[^]*){2}/);
    assert.equal(await later.end(), 0, later.output());
    assert.equal(server.mails.length, 2);
    assert.match(String(server.mails[0].message), /^From: me@example\.com\r\n[^]*Message-ID: <.*@example\.com>\r\n\r\nHow are you\?\r\n$/);
  });

  const use = `\nconst written = await storage.write({ sender: null, recipients: ['a@example.com'] }, Date.now());
    console.log((await storage.get(written))[0].recipients.join());\nawait storage.remove(written);\n`;
  test('its IndexedDB queue posts what it is given', async () => {
    const code = codeWith('README.md', 'slimta-queue-dict/indexeddb');
    const output = await run(`${IDB}${takes(1)}${code}
      await queue.enqueue({ sender: null, recipients: ['a@example.com'] });
      console.log((await queue.run()).delivered);\nawait storage.close();`);
    assert.equal(output, '1\n');
  });

  test('its two Maps keep a message', async () => {
    assert.equal(await run(codeWith('README.md', 'new DictStorage()') + use), 'a@example.com\n');
  });

  test('its Redis keeps a message', { skip: noRedis }, async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const code = codeWith('README.md', 'slimta-queue-dict/redis');
    const output = await run(`${code}${use}process.exit();`, { env: { REDIS_URL: `redis://127.0.0.1:${server.port}` } });
    assert.equal(output, 'a@example.com\n');
  });

  const { arch, platform } = process;
  const deno = program([`@deno/${platform}-${arch}-glibc/deno`, `@deno/${platform}-${arch}/deno`, 'deno/deno']);
  test('its Deno KV keeps a message', { skip: deno ? false : 'Deno is not installed' }, () => {
    const home = project({ 'main.js': codeWith('README.md', 'slimta-queue-dict/deno-kv') + use });
    const args = ['run', '--no-prompt', '--no-remote', '--quiet', '--unstable-kv', '-A', 'main.js'];
    const env = { PATH: process.env.PATH, HOME: temporary(), NO_COLOR: '1' };
    assert.equal(execFileSync(/** @type {string} */ (deno), args, { cwd: home, encoding: 'utf8', env }), 'a@example.com\n');
  });

  test('its Durable Object keeps a message', async () => {
    const output = await run(`${objectOf(codeWith('README.md', 'extends DurableObject'))}
      const { storage } = new Outbox({ storage: kept });${use}`);
    assert.equal(output, 'a@example.com\n');
  });
});

describe('the pages', () => {
  test('the storage prints what its comment says', async () => {
    assert.equal(await run(codeWith('docs/storage.md', 'incrementAttempts')), "[ 'them@example.com' ] 1 [ 1 ]\n");
  });

  test('the storage on IndexedDB runs as it stands', async () => {
    assert.equal(await run(IDB + codeWith('docs/storage.md', 'outbox.wait()')), '');
  });

  test('the queue tells what its comment says', async () => {
    const output = await run(codeWith('docs/queue.md', 'queue.flush()'));
    assert.equal(output, 'delivered to you@example.com\ntold me@example.com\n');
  });

  test('the relay answers for each recipient', async () => {
    const output = await run(`import { DictStorage } from 'slimta-queue-dict';\nconst storage = new DictStorage();
      ${codeWith('docs/relays.md', 'endsWith')}
      queue.addEventListener('delivered', ({ detail }) => console.log('delivered', detail.recipients.join()));
      queue.addEventListener('deferred', ({ detail }) => console.log('deferred', detail.recipients.join()));
      queue.addEventListener('failed', ({ detail }) => console.log('failed', detail.recipients.join()));
      await queue.enqueue({ sender: null, recipients: ['a@example.com', 'b@example.org', 'c'] });
      await queue.run();`);
    assert.deepEqual(output.trim().split('\n').sort(), ['deferred b@example.org', 'delivered a@example.com', 'failed c']);
  });

  test('an enqueue that fails is repeated by its key, and stores the message once', async () => {
    const output = await run(`${QUEUE}
      const { QueueError: Failure } = await import('slimta-queue-dict');
      const set = storage.metaDb.set;
      let fails = 1;
      storage.metaDb.set = function (...pair) {
        if (fails-- > 0) throw new Failure('full', 'full: no room');
        return set.apply(this, pair);
      };
      ${codeWith('docs/errors.md', 'order 17').replace(/^import .*\n/, 'const QueueError = Failure;\n')}
      console.log(storage.getInfo().metaSize, fails);`);
    assert.equal(output, '1 -1\n');
  });

  test('the page about errors lists every code of QueueError that the package knows', () => {
    // The check of types refuses this object as soon as it has one too many, or misses one.
    /** @type {Record<import('../pkg/index.js').QueueErrorCode, true>} */
    const codes = {
      'no-such-message': true, conflict: true, 'unknown-outcome': true, timeout: true, host: true, full: true,
      'too-large': true, blocked: true, closed: true, corrupt: true, 'newer-format': true, 'needs-async': true,
      'lease-lost': true,
    };
    const rows = [...textOf('docs/errors.md').matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code]) => code);
    assert.deepEqual(rows, Object.keys(codes));
  });

  test('the pages name every option that the package knows', () => {
    const source = readFileSync(join(ROOT, 'pkg/types.d.ts'), 'utf8');
    for (const [name, page] of Object.entries({
      QueueOptions: 'docs/queue.md', EnqueueOptions: 'docs/queue.md', StorageOptions: 'docs/storage.md', RunOptions: 'docs/queue.md',
      ListOptions: 'docs/queue.md', RepairOptions: 'docs/storage.md', Supports: 'docs/writing-a-host.md', Envelope: 'docs/storage.md', Meta: 'docs/record-formats.md',
    })) {
      const body = source.match(new RegExp(`export interface ${name} \\{\\n([\\s\\S]*?)^\\}`, 'm'))?.[1] ?? '';
      const fields = [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, field]) => field);
      assert.ok(fields.length > 0, name);
      for (const field of fields) assert.match(textOf(page), new RegExp(`\\b${field}\\b`), `${page}: ${field}`);
    }
  });

  test('the reader of a meta record prints what its comment says', async () => {
    const code = codeWith('docs/record-formats.md', 'deliveredIndexes');
    assert.equal(await run(code), `${/\/\/ (.*)\n$/.exec(code)?.[1]}\n`);
  });

  for (const [page, name] of [['indexeddb', 'persist'], ['level', 'new ClassicLevel'], ['maps', 'inMemory']]) {
    test(`the example of hosts/${page} runs as it stands`, async () => {
      await run(IDB + codeWith(`docs/hosts/${page}.md`, name));
    });
  }

  test('the example of hosts/redis tells how durable the server is', { skip: noRedis }, async (t) => {
    const server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    t.after(() => server.stop());
    const code = `${codeWith('docs/hosts/redis.md', 'host.open()')}\nprocess.exit();`;
    assert.equal(await run(code, { env: { REDIS_URL: `redis://127.0.0.1:${server.port}` } }), 'disk\n');
  });
});

describe('the recipes', () => {
  test('a service answers 202 once a message is stored, knows a repeat, and says what is wrong', async (t) => {
    const server = await startSmtp();
    t.after(() => server.stop());
    const service = start(codeWith('docs/recipes/accept-over-http.md', 'Fastify()'), {
      env: { PORT: '0', SMTP_URL: `smtp://127.0.0.1:${server.port}` },
    });
    t.after(() => service.end());
    const [, url] = await service.printed(/takes mail at (\S+)/);
    const post = async (/** @type {object} */ body) => {
      const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': 'order 17' };
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
      return [response.status, await response.json()];
    };
    const mail = { from: 'me@example.com', to: 'you@example.com', subject: 'Order', text: 'Thank you' };
    const [status, { id }] = await post(mail);
    assert.deepEqual([status, await post(mail)], [202, [202, { id }]]);
    const [wrong, { error }] = await post({ ...mail, to: [] });
    assert.deepEqual([wrong, /recipients/.test(error)], [400, true]);
    while (server.mails.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(await service.end(), 0, service.output());
    assert.deepEqual(server.mails.map(({ to }) => to[0].address), ['you@example.com']);
  });

  test('several processes send each message of a Redis queue once', { skip: noRedis }, async (t) => {
    const [redis, smtp] = await Promise.all([startRedis(), startSmtp()]);
    t.after(() => Promise.all([redis.stop(), smtp.stop()]));
    const env = { REDIS_URL: `redis://127.0.0.1:${redis.port}`, SMTP_URL: `smtp://127.0.0.1:${smtp.port}` };
    const code = codeWith('docs/recipes/several-processes.md', 'relayPool');
    const workers = [1, 2].map(() => start(code, { env }));
    const only = code.slice(0, code.indexOf('queue.start();'));
    await run(`${only}
      await Promise.all(Array.from({ length: 40 }, (_, i) => queue.enqueue({ sender: null, recipients: [i + '@example.com'] })));
      process.exit();`, { env });
    while (smtp.mails.length < 40) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const worker of workers) assert.equal(await worker.end(), 0, worker.output());
    assert.equal(new Set(smtp.mails.map(({ to }) => to[0].address)).size, 40);
    assert.equal(smtp.mails.length, 40);
  });

  test('the page of the offline form stores, and registers the sync', async () => {
    const page = codeWith('docs/recipes/offline-form.md', 'export async function send');
    const output = await run(`${IDB}
      globalThis.fetch = async () => { throw new TypeError('offline'); };
      globalThis.location = { href: 'https://example.com/' };
      const registered = [];
      Object.defineProperty(globalThis, 'navigator', { value: {
        serviceWorker: {
          ready: { then: (...of) => ready.then(...of) },
          register: async (url) => registered.push(url),
        },
      } });
      let ready = new Promise(() => {}); // no worker yet
      ${inBody(page)}
      await send('me@example.com', 'you@example.com', 'Hello');
      console.log(registered.join(), queue.getInfo().size);
      ready = Promise.resolve({ sync: { register: async (tag) => {
        registered.push(tag);
        throw new Error('no permission');
      } } });
      await send('me@example.com', 'you@example.com', 'Hello');
      await new Promise((resolve) => setTimeout(resolve, 10));
      console.log(registered.join(), queue.getInfo().size);
      process.exit();`);
    assert.equal(output, './sw.js 1\n./sw.js,outbox 2\n');
  });

  test('the service worker of the offline form rejects while something is due, unless it is the last chance', async () => {
    const output = await run(`${IDB}${takes(1)}
      let sync;
      globalThis.self = { addEventListener: (type, listener) => { sync = listener; } };
      globalThis.location = { href: 'https://example.com/sw.js' };
      ${inBody(codeWith('docs/recipes/offline-form.md', 'lastChance'))}
      const ask = async (lastChance) => {
        let promise;
        sync({ tag: 'outbox', lastChance, waitUntil: (work) => { promise = work; } });
        return promise.then(() => 'done', ({ message }) => message);
      };
      await queue.enqueue({ sender: null, recipients: ['a@example.com'] });
      console.log(await ask(false));
      queue.pause();
      await queue.enqueue({ sender: null, recipients: ['b@example.com'] });
      console.log(await ask(false), await ask(true));`);
    assert.equal(output, 'done\nnot everything is sent yet done\n');
  });

  test('the Durable Object sends what is due, and wakes when more is', async () => {
    const output = await run(`${takes(1)}${objectOf(codeWith('docs/recipes/durable-object-alarm.md', 'async alarm()'))}
      const outbox = new Outbox({ storage: kept });
      for (const to of ['a', 'b']) await outbox.send({ sender: null, recipients: [to + '@example.com'] });
      console.log(alarm <= Date.now());
      alarm = null; // as the runtime does before it calls
      await outbox.alarm();
      console.log(alarm > Date.now() + 30_000, [...map.keys()].filter((key) => key.startsWith('meta:')).length);
      alarm = null;
      outbox.queue.run = async () => { throw new Error('the storage is broken'); };
      await outbox.alarm();
      console.log('again', alarm > Date.now() + 50_000);`);
    // What it says and what it complains of come by two ways, in any order.
    for (const line of [/^true\ntrue 1\n/m, /^again true$/m, /the storage is broken/]) assert.match(output, line);
  });

  test('a service that is told to end lets its attempts end, and leaves no claim', async () => {
    const service = start(`${QUEUE}
      globalThis.queue = new QueueOfPrelude(storage, { attempt: () => new Promise((resolve) => setTimeout(resolve, 50)) });
      process.once('exit', () => console.log('left', storage.getInfo().metaSize));
      queue.addEventListener('attempt', () => console.log('attempts'));
      queue.start();
      await queue.enqueue(envelope);
      ${inBody(codeWith('docs/recipes/graceful-shutdown.md', 'shutDown'))}
      console.log('ready');`);
    await service.printed(/attempts[^]*ready|ready[^]*attempts/);
    assert.equal(await service.end(), 0, service.output());
    assert.match(service.output(), /left 0\n$/);
  });

  test('Prometheus sees outcomes and states', async () => {
    const output = await run(`${QUEUE}${inBody(codeWith('docs/recipes/metrics.md', 'prom-client'))}
      await queue.enqueue({ ...envelope, recipients: ['a@example.com', 'b@example.com'] });
      await queue.enqueue(envelope, { at: Date.now() - 5000 });
      await registry.metrics();
      console.log(await registry.metrics());
      await queue.run();
      console.log(await registry.metrics());`);
    for (const line of [
      /^mail_messages\{state="waiting"\} 2$/m, /^mail_messages\{state="waiting"\} 0$/m,
      /^mail_recipients_total\{outcome="delivered"\} 3$/m, /^mail_errors_total 0$/m,
    ]) {
      assert.match(output, line);
    }
    assert.ok(Number(/^mail_oldest_due_seconds (.+)$/m.exec(output)?.[1]) >= 5, output);
  });

  test('OpenTelemetry sees outcomes and states', async () => {
    const output = await run(`${QUEUE}
      import * as sdk from '@opentelemetry/sdk-metrics';
      const exporter = new sdk.InMemoryMetricExporter(sdk.AggregationTemporality.CUMULATIVE);
      const reader = new sdk.PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1e6 });
      ${inBody(codeWith('docs/recipes/metrics.md', '@opentelemetry/api'), `
        metrics.setGlobalMeterProvider(new sdk.MeterProvider({ readers: [reader] }));`)}
      await queue.enqueue(envelope);
      await queue.run();
      await queue.enqueue(envelope);
      await reader.forceFlush();
      for (const { descriptor, dataPoints } of exporter.getMetrics()[0].scopeMetrics[0].metrics) {
        for (const { value, attributes } of dataPoints) console.log(descriptor.name, Object.values(attributes).join(), value);
      }
      process.exit();`);
    assert.match(output, /^mail\.recipients delivered 1$/m);
    assert.match(output, /^mail\.messages waiting 1$/m);
    assert.match(output, /^mail\.oldest_due +\d+(\.\d+)?$/m);
  });

  test('a message with an attachment goes to all recipients as nodemailer made it, and Bcc is not in it', async () => {
    const output = await run(`${QUEUE}
      queue.addEventListener('queued', ({ detail }) => console.log(JSON.stringify(detail.envelope.recipients)));
      ${inBody(codeWith('docs/recipes/attachments-and-dkim.md', 'MailComposer'))}
      const { formatMessage } = await import('slimta-queue-dict');
      for (const [, id] of storage.load()) console.log(new TextDecoder().decode(formatMessage(storage.get(id)[0])));`);
    assert.match(output, /^\["you@example\.com","them@example\.com"\]\n/);
    assert.match(output, /^Subject: =\?UTF-8\?/m);
    assert.match(output, /filename=notes\.txt/);
    assert.match(output, /^Message-ID: /m);
    assert.doesNotMatch(output.slice(output.indexOf('\n')), /them@example\.com/);
  });

  test('the transport signs what the relay sends', async (t) => {
    const server = await startSmtp();
    t.after(() => server.stop());
    const folder = newFolder();
    const { generateKeyPairSync } = await import('node:crypto');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(join(folder, 'dkim.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const code = codeWith('docs/recipes/attachments-and-dkim.md', 'dkim.pem');
    assert.ok(code.includes("host: 'mail.example.com', port: 25"));
    await run(`${code.replace("'mail.example.com', port: 25", `'127.0.0.1', port: ${server.port}`)}
      const sent = { sender: 'me@example.com', recipients: ['you@example.com'], headers: [['From', 'me@example.com']], message: 'Hi' };
      const [outcome] = await relay.attempt(sent, 0, { id: 'a' });
      if (outcome.code !== 250) throw outcome;\nprocess.exit();`, { folder });
    assert.match(String(server.mails[0].message), /^DKIM-Signature: v=1; [^]*d=example\.com[^]*s=mail;/);
  });
});

/**
 * Code whose imports were taken to the top, so that something may come before the rest of it.
 *
 * @param {string} code
 * @param {string} [first] what comes before the rest
 */
function inBody(code, first = '') {
  const imports = code.match(/^import [\s\S]*?;\n/gm) ?? [];
  const names = imports.map((line) => /^import (?:(\w+)|(\{.*\})) from ('.*');/.exec(line) ?? [])
    .map(([, name, names, from]) => `const ${name ? `{ default: ${name} }` : names} = await import(${from});`);
  const rest = code.replace(/^import [\s\S]*?;\n/gm, '').replace(/^export (?=\w)/gm, '');
  return `${names.join('\n')}\n${first}\n${rest}`;
}

/**
 * A Durable Object's class, and the storage of an object in memory.
 *
 * @param {string} code
 */
function objectOf(code) {
  return `
    class DurableObject { constructor(ctx) { this.ctx = ctx; } }
    ${inBody(code.replace(/^import .*'cloudflare:workers';\n/m, ''))}
    const map = new Map();
    let alarm = null;
    const kept = {
      list: async ({ prefix, startAfter = '', limit = Infinity }) => new Map([...map].sort()
        .filter(([key]) => key.startsWith(prefix) && key > startAfter).slice(0, limit)),
      get: async (keys) => (Array.isArray(keys) ? new Map(keys.filter((key) => map.has(key)).map((key) => [key, map.get(key)]))
        : map.get(keys)),
      put: async (entries) => Object.entries(entries).forEach((entry) => map.set(...entry)),
      delete: async (keys) => [keys].flat().forEach((key) => map.delete(key)),
      transaction: async (work) => work(kept),
      sync: async () => {},
      getAlarm: async () => alarm,
      setAlarm: async (time) => { alarm = time; },
    };`;
}
