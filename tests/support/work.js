/** What a program of a test does: `node work.js live|count|hold|deliver <kind of host> <place> [number]`. */
import { AsyncDictStorage, Queue } from '../../pkg/load/inline.js';
import { liveOn } from './lives.js';

const [what, kind, place, more] = process.argv.slice(2);
const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);
process.stdin.on('end', () => process.exit(0)).resume(); // whoever started this is gone, or wants it to go

const storage = new AsyncDictStorage(await open());
// Where the other side may go first, there is nothing left to do then.
if (what === 'live') await liveOn(storage, Number(more), say).catch(() => process.exit(0));
if (what === 'hold') {
  await storage.getInfo();
  say('held');
}
if (what === 'count') {
  const id = '0'.repeat(32);
  for (let i = 0; i < Number(more); i += 50) {
    await Promise.all(Array.from({ length: 50 }, () => storage.incrementAttempts(id)));
  }
  say('counted');
}
if (what === 'deliver') {
  const queue = new Queue(storage, { attempt: (/** @type {any} */ { recipients }) => void say(recipients[0]) });
  await queue.start();
  for (let i = 0; i < Number(more); i++) await queue.enqueue({ sender: '', recipients: [`js-${i}`] });
}

async function open() {
  if (kind === 'level') {
    const [{ ClassicLevel }, { levelHost }] = await Promise.all([
      import('classic-level'), import('../../pkg/hosts/level.js'),
    ]);
    return levelHost(new ClassicLevel(place));
  }
  if (kind === 'redis' || kind === 'ioredis') {
    const [{ createClient }, { Redis }, { redisHost }] = await Promise.all([
      import('redis'), import('ioredis'), import('../../pkg/hosts/redis.js'),
    ]);
    const [port, prefix] = place.split('/');
    const client = kind === 'redis' ? createClient({ url: `redis://127.0.0.1:${port}` }) : new Redis(Number(port));
    client.on('error', () => {});
    return redisHost(client, { prefix });
  }
  if (kind === 'cluster') {
    const [{ createCluster }, { redisHost }] = await Promise.all([import('redis'), import('../../pkg/hosts/redis.js')]);
    const [ports, prefix] = place.split('/');
    const rootNodes = ports.split(',').map((port) => ({ url: `redis://127.0.0.1:${port}` }));
    return redisHost(createCluster({ rootNodes }).on('error', () => {}), { prefix });
  }
  throw new TypeError(`there is no ${kind}`);
}
