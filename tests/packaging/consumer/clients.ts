// The clients that the hosts and relays are for, by their own types.
import { ClassicLevel } from 'classic-level';
import { Cluster, Redis } from 'ioredis';
import { MemoryLevel } from 'memory-level';
import { createTransport } from 'nodemailer';
import { createClient, createCluster } from 'redis';
import { AsyncDictStorage } from 'slimta-queue-dict';
import { levelHost } from 'slimta-queue-dict/level';
import { redisHost } from 'slimta-queue-dict/redis';
import { smtpRelay } from 'slimta-queue-dict/relays';

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

smtpRelay(createTransport('smtps://user:secret@mail.example'));
smtpRelay(createTransport({ host: 'mail.example', pool: true }), { timeout: 60_000 });
smtpRelay(createTransport({ host: 'localhost', port: 24, lmtp: true }));
// @ts-expect-error no transport
smtpRelay('smtps://mail.example');
