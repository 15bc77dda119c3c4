/**
 * Compares our storage on Redis with BullMQ and with python-slimta's RedisStorage, by turns on one server.
 *
 *     node benches/redis.js [--messages 2000] [--repetitions 15] [--only write] [--write]
 *
 * The server keeps an append-only file that it syncs every second. `--only` takes the beginning of a comparison's name,
 * `--write` puts the table into RESULTS.md. `tools/setup bench` installs python-slimta.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { redisHost } from '../pkg/hosts/redis.js';
import { AsyncDictStorage } from '../pkg/load/inline.js';
import { ask, startRedis } from '../tests/support/redis.js';
import { makeEnvelopes } from './messages.js';
import { circumstances, fail, natural, publish, table } from './report.js';
import { PYTHON, startPython } from './rivals/python.js';
import { HEAD, compareAll, repeat } from './turns.js';

const { values: options } = parseArgs({
  options: {
    messages: { type: 'string', default: '2000' },
    repetitions: { type: 'string', default: '15' },
    only: { type: 'string', default: '' },
    python: { type: 'string', default: PYTHON },
    write: { type: 'boolean', default: false },
  },
});
const messages = natural(options, 'messages');
const repetitions = natural(options, 'repetitions');
if (options.only && options.write) fail('--write keeps the whole table: it does not go with --only');

const server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'everysec']);
/** @type {(() => unknown)[]} */
const endings = [() => server.stop()];
try {
  const comparisons = (await compared()).filter(({ name }) => name.startsWith(options.only));
  const rows = [HEAD, ...(await compareAll(comparisons, repetitions))];
  const { machine, load, command } = circumstances();
  const libraries = ['ioredis', 'redis', 'bullmq'].map((name) => `${name} ${versionOf(name)}`).join(', ');
  publish('Redis', [
    `${machine}; Redis ${/redis_version:(\S+)/.exec(ask(server.port, 'INFO'))?.[1]}, ${libraries}, python-slimta 5.0.5`,
    command,
    'One server on the same machine, `appendfsync everysec`, one connection a side. Messages of 2,048 bytes to 3 ' +
      `recipients, ${messages.toLocaleString('en')} operations a repetition; medians of ${repetitions} repetitions, ` +
      `the sides by turns; ${load}.`,
    table(rows),
  ], options.write);
} finally {
  for (const end of endings.reverse()) await end();
}

/** @returns {Promise<import('./turns.js').Comparison[]>} */
async function compared() {
  const envelopes = makeEnvelopes(1000);
  // As JSON, which BullMQ keeps, bytes would be ten times as long.
  const jobs = envelopes.map((envelope) => ({
    ...envelope, message: Buffer.from(/** @type {Uint8Array} */ (envelope.message)).toString('latin1'),
  }));
  const own = new Redis(server.port, '127.0.0.1');
  const node = await createClient({ url: `redis://127.0.0.1:${server.port}` }).connect();
  const queue = new Queue('mail', { connection: { host: '127.0.0.1', port: server.port } });
  endings.push(() => own.disconnect(), () => node.destroy(), () => queue.close());
  const digest = await node.scriptLoad('return 1');
  const python = startPython(options.python, 'redis-storage.py', [String(server.port)]);
  endings.push(python.end);
  /** How many milliseconds so many writes take it. */
  const pythonWrites = async (/** @type {number} */ atOnce) => Number(await python.ask(JSON.stringify([messages, atOnce])));

  const clear = () => own.flushall();
  const add = (/** @type {number} */ i) => queue.add('mail', jobs[i % 1000]);
  const all = [];
  for (const [library, client, bare] of /** @type {const} */ ([
    ['ioredis', own, () => own.evalsha(digest, 1, 'key')],
    ['node-redis', node, () => node.sendCommand(['EVALSHA', digest, '1', 'key'])],
  ])) {
    const storage = new AsyncDictStorage(redisHost(client, { prefix: library }));
    endings.push(() => storage.close());
    const write = (/** @type {number} */ i) => storage.write(envelopes[i % 1000], Date.now());
    const common = { operations: messages, clear };
    all.push({
      ...common, name: `write-at-once-${library}`, what: `100 writes at once, ${library}`, rival: 'BullMQ add',
      target: 1.5, ours: () => repeat(messages, 100, write), theirs: () => repeat(messages, 100, add),
    }, {
      ...common, name: `write-at-once-python-${library}`, what: `100 writes at once, ${library}`,
      rival: 'RedisStorage.write', target: 5,
      ours: () => repeat(messages, 100, write), theirs: () => pythonWrites(1),
    }, {
      ...common, name: `write-at-once-python-pool-${library}`, what: `100 writes at once, ${library}`,
      rival: 'RedisStorage.write, 100 greenlets', target: 5,
      ours: () => repeat(messages, 100, write), theirs: () => pythonWrites(100),
    }, {
      ...common, name: `write-awaited-${library}`, what: `writes in turn, ${library}`, rival: 'BullMQ add', target: 1.2,
      ours: () => repeat(messages, 1, write), theirs: () => repeat(messages, 1, add),
    });
    const id = '0'.repeat(32);
    all.push({
      ...common, name: `change-${library}`, what: `increments of one message in turn, ${library}`,
      rival: 'a bare EVALSHA', target: 0.77, ours: () => repeat(messages, 1, () => storage.incrementAttempts(id)),
      theirs: () => repeat(messages, 1, bare),
      begin: () => storage.write(envelopes[0], 1, { id }), clear: undefined,
    });
  }
  return all;
}

/** @param {string} name of a package */
function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;
}
