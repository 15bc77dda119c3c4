// Relays, of the package and of one's own.
import { PermanentRelayError, TransientRelayError } from 'slimta-queue-dict';
import type { Envelope, Outcome, Relay, Reply } from 'slimta-queue-dict';
import { httpRelay } from 'slimta-queue-dict/relays';
import type { HttpRelayOptions } from 'slimta-queue-dict/relays';

const options: HttpRelayOptions = {
  url: new URL('https://mail.example/'),
  fetch: (url, init) => fetch(url, { ...init, credentials: 'include' }),
  headers: async ({ sender }) => ({ 'X-From': sender ?? '' }),
  body: ({ recipients }, { attempts, id }) => ({ body: JSON.stringify({ recipients, attempts, id }) }),
  outcome: (response) => (response.status === 418 ? new PermanentRelayError('A teapot') : undefined),
  idempotencyHeader: null,
};
export const relays: Relay[] = [
  httpRelay('https://mail.example/'), httpRelay(new URL('https://mail.example/')), httpRelay(options),
  { attempt: () => null },
  { attempt: async ({ recipients }: Envelope, attempts: number) => recipients.map(() => attempts > 0 ? null : later) },
  { attempt: (_envelope, _attempts, attempt) => ({ 'a@example.com': { code: 250, message: attempt?.id ?? '' } }) },
  { attempt: (_envelope, _attempts, { signal }) => (signal.aborted ? later : null) },
  { attempt: () => new Map<string, Outcome>([['a@example.com', later]]) },
];
const later = new TransientRelayError({ code: 451, message: '4.3.0 Busy', retryAfter: 1_000 });
export const reply: Reply = later.reply;
// @ts-expect-error no URL
httpRelay(5);
// @ts-expect-error an answer is no text
export const wrong: Relay = { attempt: () => 'sent' };
// @ts-expect-error a reply has a code
new PermanentRelayError({ message: 'No' });
