// The clients that the hosts are for, by their own types.
import { ClassicLevel } from 'classic-level';
import { MemoryLevel } from 'memory-level';
import { AsyncDictStorage } from 'slimta-queue-dict';
import { levelHost } from 'slimta-queue-dict/level';

new AsyncDictStorage(levelHost(new ClassicLevel('folder')));
new AsyncDictStorage(levelHost(new ClassicLevel<string, object>('folder', { valueEncoding: 'json' })));
new AsyncDictStorage(levelHost(new ClassicLevel('folder').sublevel('queue')));
new AsyncDictStorage(levelHost(new MemoryLevel()));
// @ts-expect-error no database
levelHost('folder');
