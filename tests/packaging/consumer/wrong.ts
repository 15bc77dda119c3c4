// What a strict program may not do: each line below is refused.
import { AsyncDictStorage, DictStorage, QueueError, formatMessage, parseMessage } from 'slimta-queue-dict';
import type { AsyncDict, DictHost, Envelope, Meta, SyncDict } from 'slimta-queue-dict';

declare const storage: DictStorage;
declare const later: AsyncDictStorage;
declare const host: DictHost;
declare const envelope: Envelope;

// @ts-expect-error no sender
storage.write({ recipients: [] }, 0);
// @ts-expect-error no recipients
storage.write({ sender: null }, 0);
// @ts-expect-error one recipient is not a list
storage.write({ sender: null, recipients: 'a@example.com' }, 0);
// @ts-expect-error a recipient is a string
storage.write({ sender: null, recipients: [1] }, 0);
// @ts-expect-error headers are pairs
storage.write({ sender: null, recipients: [], headers: { Subject: 'Hello' } }, 0);
// @ts-expect-error a header is a pair
storage.write({ sender: null, recipients: [], headers: [['Subject']] }, 0);
// @ts-expect-error a message is bytes or text
storage.write({ sender: null, recipients: [], message: [1, 2] }, 0);
// @ts-expect-error a time is a number
storage.write({ sender: null, recipients: [], timestamp: '0' }, 0);
// @ts-expect-error an address is a string
storage.write({ sender: null, recipients: [], client: { ip: 1 } }, 0);
// @ts-expect-error due when?
storage.write(envelope);
// @ts-expect-error a time is a number or a Date
storage.write(envelope, '0');
// @ts-expect-error an id is a string
storage.write(envelope, 0, { id: 1 });
// @ts-expect-error no such option
storage.write(envelope, 0, { key: 'a' });
// @ts-expect-error a time is a number or a Date
storage.setTimestamp('id', null);
// @ts-expect-error when?
storage.setTimestamp('id');
// @ts-expect-error an id is a string
storage.incrementAttempts(1);
// @ts-expect-error which ones?
storage.setRecipientsDelivered('id');
// @ts-expect-error one index is not a list
storage.setRecipientsDelivered('id', 0);
// @ts-expect-error an index is a number
storage.setRecipientsDelivered('id', ['0']);
// @ts-expect-error an id is a string
storage.get(undefined);
// @ts-expect-error an id is a string
storage.remove(Symbol());
// @ts-expect-error what is expected must be said, if only by null
storage.change('id', undefined, {});
// @ts-expect-error marks are not compared
storage.change('id', { delivered: [0] }, {});
// @ts-expect-error attempts are a number
storage.change('id', null, { attempts: '1' });
// @ts-expect-error a lease has an owner
storage.change('id', null, { lease: { until: 1 } });
// @ts-expect-error ids come in a list
storage.repair({ requeue: 5 });
// @ts-expect-error no such method
storage.wait();
// @ts-expect-error no such method
storage.set_timestamp('id', 0);
// @ts-expect-error the dictionaries of a storage stay
storage.envelopeDb = new Map();
// @ts-expect-error the dictionaries of a storage stay
storage.metaDb = new Map();

// @ts-expect-error no envelopes in there
new DictStorage(new Map<string, number>());
// @ts-expect-error meta is no envelope
new DictStorage(new Map<string, Meta>());
// @ts-expect-error no dictionary
new DictStorage({});
// @ts-expect-error no dictionary
new DictStorage('queue');
// @ts-expect-error its answers are promises
new DictStorage({} as AsyncDict<Envelope>);
// @ts-expect-error a host is for the other class
new DictStorage(host);
// @ts-expect-error nothing lists its keys
({}) as { get(key: string): Envelope } satisfies SyncDict<Envelope>;

// @ts-expect-error a promise is no string
later.write(envelope, 0).length;
// @ts-expect-error a promise is no list
const [first] = later.get('id');
// @ts-expect-error not synchronously
for (const row of later.load());
// @ts-expect-error a number of milliseconds
new AsyncDictStorage(host, { deadline: '1' });
// @ts-expect-error a number of milliseconds
new AsyncDictStorage(null, null, { poll: true });
// @ts-expect-error no such option
new AsyncDictStorage(host, { timeout: 1 });
// @ts-expect-error no commit, no supports
new AsyncDictStorage({ read: () => undefined, sizes: () => ({ size: 0, metaSize: 0 }) });
// @ts-expect-error three ways to be durable
({ ...host, supports: { ...host.supports, durable: 'maybe' } }) satisfies DictHost;
// @ts-expect-error how many writers?
({ ...host, supports: { atomic: true, exactlyOnceLoad: true, durable: 'os' } }) satisfies DictHost;
// @ts-expect-error two dictionaries
host.read('body', 'id');

// @ts-expect-error no number of attempts
({ timestamp: 0 }) satisfies Meta;
// @ts-expect-error a code is a string
export const code: number = new QueueError('host', 'of whatever').code;
// @ts-expect-error what nobody checked is not known
export const size: number = envelope['size'];

// @ts-expect-error a buffer is no bytes
parseMessage(new ArrayBuffer(1));
// @ts-expect-error headers are pairs
formatMessage({ headers: [['A']] });

export { first };
