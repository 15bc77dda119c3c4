// The queue that all processes share.
import Redis from 'ioredis';
import { AsyncDictStorage, Queue } from 'slimta-queue-dict';
import { redisHost } from 'slimta-queue-dict/redis';

export const { REDIS_URL = 'redis://localhost:6379', SMTP_URL = 'smtp://localhost:25' } = process.env;

/** @param {import('slimta-queue-dict').Relay | null} relay none where messages are only stored */
export async function openQueue(relay) {
  const client = new Redis(REDIS_URL, { lazyConnect: true, maxRetriesPerRequest: 1 });
  client.on('error', () => {}); // whoever asks is told
  const host = redisHost(client, { prefix: 'redis-workers' });
  const storage = new AsyncDictStorage(host);
  try {
    await host.open();
  } catch (error) {
    console.error(`There is no Redis server at ${REDIS_URL} (${error.cause?.message ?? error.message}). REDIS_URL names another.`);
    process.exit(1);
  }
  const queue = new Queue(storage, relay, { lease: 60_000 });
  queue.addEventListener('error', ({ detail }) => console.error(detail.id, detail.error));
  return {
    queue,
    async close() {
      await queue.stop();
      await storage.close();
      client.disconnect();
    },
  };
}
