// A program that listens to a queue.
import { DictStorage, Queue } from 'slimta-queue-dict';
import type { Envelope, QueueEvent, QueueEventDetails, QueueEventType, QueueListener, Relay, Reply } from 'slimta-queue-dict';

const relay: Relay = { attempt: async (envelope) => envelope.recipients.map(() => null) };
const queue = new Queue(new DictStorage(), relay, { destination: { pool: 2, of: (address) => address } });

queue.addEventListener('delivered', (event) => {
  const { id, recipients, indexes, replies }: { id: string; recipients: string[]; indexes: number[]; replies: (Reply | undefined)[] } = event.detail;
  // @ts-expect-error of a delivery there is no next attempt
  const time: number = event.detail.timestamp;
  console_(id, recipients, indexes, replies, time);
});
queue.addEventListener('deferred', ({ detail: { timestamp } }) => console_(new Date(timestamp)));
queue.addEventListener('bounced', ({ detail: { bounce, bounceId } }) => console_(bounce.recipients, bounceId));
queue.addEventListener('removed', ({ detail }) => {
  // @ts-expect-error nobody has read its envelope
  const envelope: Envelope = detail.envelope;
  console_(detail.id, envelope);
});
queue.addEventListener('error', ({ detail }) => {
  const error: unknown = detail.error;
  // @ts-expect-error an error is about no recipients
  const recipients: string[] = detail.recipients;
  // @ts-expect-error nor always about a message
  const id: string = detail.id;
  console_(error, recipients, id);
});
for (const type of ['queued', 'attempt', 'failed', 'error'] as const) {
  queue.addEventListener(type, ({ detail: { id, attempts, recipients = [], error } }) => console_(type, id, attempts, recipients, error));
}
const listener: QueueListener<'overdue'> = { handleEvent: ({ type, detail }: QueueEvent<'overdue'>) => console_(type, detail.timestamp) };
queue.addEventListener('overdue', listener, { once: true });
queue.removeEventListener('overdue', listener);
// @ts-expect-error no such event
queue.addEventListener('sent', () => {});
// @ts-expect-error it is told of something else
queue.addEventListener('queued', ({ detail }: QueueEvent<'overdue'>) => console_(detail));

const counted: Partial<Record<QueueEventType, number>> = {};
const count = <T extends QueueEventType>(type: T, detail: QueueEventDetails[T]) => console_(detail, counted[type]);
count('failed', { id: 'a', attempts: 1, envelope: { sender: null, recipients: [] }, recipients: [], indexes: [], replies: [] });

export async function send(envelope: Envelope, answer: Response2): Promise<string[]> {
  new Queue(new DictStorage(), { attempt: () => answer });
  new Queue(new DictStorage(), { attempt: async () => ({ messageId: '<1>', accepted: ['a@b'], rejected: [] }) });
  // @ts-expect-error a text is no answer
  new Queue(new DictStorage(), { attempt: () => 'ok' });
  // @ts-expect-error a time
  await queue.enqueue(envelope, { expires: 'soon' });
  const stored = await queue.enqueue(envelope, { key: 'order 17', at: new Date(), expires: Date.now() });
  const ids: string[] = [];
  for await (const { id, state } of queue.list({ state: 'deferred' })) if (state !== 'failed') ids.push(id);
  return [...stored.map(([, id]) => id), ...ids];
}
interface Response2 { status: number; statusText: string; headers: { get(name: string): string | null }; text(): Promise<string> }

declare function console_(...all: unknown[]): void;
