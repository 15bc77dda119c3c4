// The clients that the hosts are for, by their own types.
import { ClassicLevel } from 'classic-level';
import { Cluster, Redis } from 'ioredis';
import { MemoryLevel } from 'memory-level';
import { createClient, createCluster } from 'redis';
import { AsyncDictStorage } from 'slimta-queue-dict';
import { levelHost } from 'slimta-queue-dict/level';
import { redisHost } from 'slimta-queue-dict/redis';

new AsyncDictStorage(levelHost(new ClassicLevel('folder')));
new AsyncDictStorage(levelHost(new ClassicLevel<string, object>('folder', { valueEncoding: 'json' })));
new AsyncDictStorage(levelHost(new ClassicLevel('folder').sublevel('queue')));
new AsyncDictStorage(levelHost(new MemoryLevel()));
// @ts-expect-error no database
levelHost('folder');

new AsyncDictStorage(redisHost(createClient()));
new AsyncDictStorage(redisHost(createClient({ RESP: 3 }), { prefix: 'mail' }));
new AsyncDictStorage(redisHost(createCluster({ rootNodes: [] })));
new AsyncDictStorage(redisHost(new Redis()));
new AsyncDictStorage(redisHost(new Cluster([])));
export const durable: Promise<'none' | 'os' | 'disk'> = redisHost(new Redis()).open().then((supports) => supports.durable);
// @ts-expect-error no client
redisHost('redis://localhost');
// @ts-expect-error a prefix is a string
redisHost(new Redis(), { prefix: 5 });
