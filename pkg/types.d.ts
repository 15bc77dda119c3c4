/// <reference lib="esnext.disposable" />
import type { AsyncDictStorage } from './async-dict-storage.js';
import type { DictStorage } from './dict-storage.js';
import type { PermanentRelayError, TransientRelayError } from './replies.js';

/** An envelope and the message in it. Extra fields are carried along untouched. */
export interface Envelope {
  /** The address that bounces go to; `''` or `null` is the null sender. */
  sender: string | null;
  /** The addresses to deliver to; the same one may be there several times. */
  recipients: string[];
  /** Names and values in the order of the message. A value may be folded. */
  headers?: [name: string, value: string][];
  /** What follows the headers. */
  message?: Uint8Array | string;
  /** Who handed the message in. */
  client?: { ip?: string; host?: string; name?: string; protocol?: string; auth?: string; [extra: string]: unknown };
  /** The name of the host that took the message. */
  receiver?: string | null;
  /** When the message was received: in milliseconds since the epoch, where a policy of this package reads it. */
  timestamp?: number | null;
  /** Of a notice that a queue has made: the message whose recipients were given up, and the attempt that did. */
  noticeOf?: { id: string; attempt: number };
  /**
   * Null, booleans, finite numbers, strings, bigints, Dates, Uint8Arrays, arrays, plain objects, Maps and Sets of
   * these, at most 100 levels deep.
   */
  [extra: string]: unknown;
}

/** What the queue knows of a message besides its envelope. */
export interface Meta {
  /** When the next attempt is due: a finite number whose unit the storage does not care for. */
  timestamp: number;
  /** How often delivery was attempted. */
  attempts: number;
  /** Positions in the original list of recipients that need no more attempts, ascending, each once. */
  deliveredIndexes?: number[];
  /** Who is attempting the message, and until when nobody else may. */
  lease?: Lease;
  /**
   * Those of `deliveredIndexes` that a queue has given up, by the number of the attempt that did. Where there are thousands
   * of recipients, those of whom the sender was told are together, under the last of their attempts.
   */
  failed?: FailedRecipients[];
  /** When a queue attempted the message first: its patience begins then. */
  firstAttempt?: number;
  /** When nobody wants the message any more: whoever has not got it by then is given up, and nobody is told. */
  expires?: number;
  /** How many attempts were made because they were due, not because somebody asked for them. */
  scheduled?: number;
  /** The attempt of whose failures nobody was told yet. */
  untold?: number;
  /** Of a message that tells of failures: whether it is to be sent, once that is decided. */
  notice?: 'open' | 'confirmed' | 'void';
  /** What was said last of recipients that are left or were given up. Each text is cut at 200 octets, all have 1,024 at most. */
  replies?: LastReply[];
}

/** Recipients that one attempt gave up. */
export interface FailedRecipients {
  /** What `attempts` was while it was made. */
  attempt: number;
  /** Positions in the original list of recipients, ascending. */
  indexes: number[];
}

/** What was said of some recipients in the last attempt that said something of them. */
export interface LastReply {
  reply: Reply;
  /** Positions in the original list of recipients, ascending. */
  indexes: number[];
}

/** The claim of one deliverer on one message. */
export interface Lease {
  until: number;
  owner: string;
}

export type MaybePromise<T> = T | PromiseLike<T>;
export type AnyIterable<T> = Iterable<T> | AsyncIterable<T>;

/** A dictionary that answers at once. A `Map` is one. `undefined` and `null` from `get` both mean "absent". */
export interface SyncDict<V> {
  get(key: string): V | undefined | null;
  has(key: string): boolean;
  set(key: string, value: V): unknown;
  delete(key: string): unknown;
  keys(): Iterable<string>;
  entries?(): Iterable<[string, V]>;
  readonly size: number;
}

/** A dictionary that may take its time: every result may be a promise, every iterable async. */
export interface AsyncDict<V> {
  get(key: string): MaybePromise<V | undefined | null>;
  has?(key: string): MaybePromise<boolean>;
  set(key: string, value: V): unknown;
  delete(key: string): unknown;
  keys(): AnyIterable<string> | PromiseLike<AnyIterable<string>>;
  entries?(): AnyIterable<[string, V]> | PromiseLike<AnyIterable<[string, V]>>;
  readonly size: MaybePromise<number>;
}

export type DictName = 'envelope' | 'meta';
/** Whatever lets a host tell "still what you read"; opaque to the storage. */
export type Version = unknown;

/** One condition of a batch: the record is still of this version; `null`: there is none. */
export interface Check {
  dict: DictName;
  id: string;
  version: Version | null;
}

/** One write of a batch; without a value it deletes. */
export interface Write {
  dict: DictName;
  id: string;
  value?: unknown;
}

export interface Batch {
  checks: Check[];
  writes: Write[];
}

/** What a host keeps and how well. */
export interface Supports {
  /** Whether a batch is written all or nothing, whatever happens. */
  atomic: boolean;
  /**
   * Whether several programs may write at once. `'one'` promises that one process alone has the dictionaries: a queue takes
   * the claims of every other one at once.
   */
  writers: 'one' | 'many';
  /** Whether pages show what is there throughout exactly once. */
  exactlyOnceLoad: boolean;
  /** What an acknowledged write survives: nothing, the end of the program, or a power cut. */
  durable: 'none' | 'os' | 'disk';
  /** The largest record in bytes, where there is a limit. */
  maxRecord?: number;
  /**
   * Whether all programs that reach the dictionaries share Web Locks (`navigator.locks`), as those of one origin in one
   * browser do: what a queue had claimed is free as soon as its page or worker has ended.
   */
  sharesLocks?: boolean;
}

/** A host that keeps both dictionaries and can change them together. */
export interface DictHost {
  /**
   * Reads one record; `undefined` when there is none. A host that compares contents returns the very value as its
   * version too: the storage then knows the version of what it wrote and saves a read.
   */
  read(dict: DictName, id: string): MaybePromise<{ value: unknown; version: Version } | undefined>;
  /**
   * Makes all writes, in the order given where it cannot make them together, if all checks hold; `false`, and nothing
   * written, if one does not. Answers when the writes are as durable as `supports.durable` says. Whatever it throws says that
   * nothing was written, except a `QueueError` whose code is `unknown-outcome`.
   */
  commit(batch: Batch): MaybePromise<boolean>;
  /**
   * The next entries in an order that changes of others do not disturb; with values for `'meta'` only. `cursor` is
   * `undefined` for the first page and the `next` of the page before for every other; the last page has no `next`.
   */
  page(
    dict: DictName,
    cursor: unknown,
    limit: number,
  ): MaybePromise<{ entries: [id: string, value?: unknown][]; next?: unknown }>;
  /**
   * The cursor of the page that begins after this id, be it there or not, where pages are in an order that tells. With it
   * a `list` goes on where another one has ended.
   */
  cursorAfter?(id: string): unknown;
  /** How many envelopes and how many meta records there are. */
  sizes(): MaybePromise<{ size: number; metaSize: number }>;
  readonly supports: Supports;
  /**
   * Calls back with the id of each message that another context changes, and with none when some may have been missed,
   * until the function it returns is called.
   */
  subscribe?(notify: (id?: string) => void): () => void;
  /**
   * While a host is full, nothing can be claimed. Whether the queue that claims under this name otherwise is the only one
   * that attempts what it cannot claim, until its page or process ends.
   */
  attemptAlone?(owner: string): MaybePromise<boolean>;
  /**
   * Where `supports.writers` is `'one'` and that one may be ended without the process: an object that is the same for all
   * hosts of one owner, and another one for the next owner, who has the dictionaries only when the last one is gone.
   */
  readonly place?: object;
  /**
   * Whether the other host keeps everything where this one does, as far as it can tell: a queue takes no storage there for
   * its dead letters.
   */
  isSamePlace?(other: DictHost): boolean;
  /** Gives back what the host holds. */
  close?(): MaybePromise<void>;
}

/** What {@link AsyncDictStorage} can be told. Times are in milliseconds. */
export interface StorageOptions {
  /** By when every call on the host ends (30,000); `Infinity`: whenever the host answers. */
  deadline?: number;
  /** How often `wait` looks through everything when the host has no `subscribe` (5,000). */
  poll?: number;
}

/** What a changed meta record must say; what is not named may be anything, a `null` lease is none. */
export interface Expect {
  timestamp?: number | Date;
  attempts?: number;
  lease?: Lease | null;
}

/** What a changed meta record says; what is not named stays, a `null` lease goes. */
export interface Next {
  timestamp?: number | Date;
  attempts?: number;
  lease?: Lease | null;
  delivered?: Iterable<number>;
  /** Recipients to give up and to mark, less those that are marked already. */
  failed?: { attempt: number; indexes: Iterable<number> };
  firstAttempt?: number;
  scheduled?: number;
  /** Null says that somebody was told. A number is not taken where `failed` leaves nobody to tell of. */
  untold?: number | null;
  notice?: 'confirmed' | 'void';
  replies?: Meta['replies'];
}

/** What is not a whole message. */
export interface Findings {
  /** Envelopes that no list shows: of a write under way, or of one that was cut short. */
  orphanEnvelopes: string[];
  /** Meta records without an envelope. */
  orphanMeta: string[];
  /** Messages of which a record cannot be read, and keys that are no ids at all. */
  corrupt: string[];
}

export interface RepairOptions {
  /** For how many milliseconds an orphan envelope must be known to this object before it is cleared (3,600,000). */
  minAge?: number;
  /** Messages whose meta record is corrupt or missing and that are to be listed again, due at timestamp 0. */
  requeue?: Iterable<string>;
}

/** How many envelopes, orphans included, and how many messages there are. */
export interface Info {
  size: number;
  metaSize: number;
}

/** An answer as SMTP gives it. */
export interface Reply {
  /** Three digits: 2xx is delivered, 5xx given up, anything else deferred. */
  code: number;
  /** A text for people, mostly with an enhanced status code (RFC 3463) in front: `'2.0.0 Ok'`. */
  message: string;
  /** For how many milliseconds the other side asked to be left alone: a `Queue` makes no attempt sooner by itself, for up to a day. */
  retryAfter?: number;
}

/**
 * What became of a message, or of one recipient of it. `null` and `undefined` mean delivered: as the whole answer, or
 * as an entry that is there.
 */
export type Outcome = Reply | TransientRelayError | PermanentRelayError | null | undefined;

/** One outcome for all recipients, or one each: by position, or by address. */
export type Answer = Outcome | Outcome[] | Map<string, Outcome> | { [address: string]: Outcome };

/** A `Response` of `fetch`, also where its type is not known. */
export interface FetchResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

/** What `sendMail` of nodemailer resolves with. */
export interface SentMessageInfo {
  messageId: string;
  envelope?: unknown;
  accepted?: unknown;
  rejected?: unknown;
  response?: unknown;
}

/** An `AbortSignal`, also where its type is not known. */
export type Signal = typeof globalThis extends { AbortSignal: { prototype: infer S } } ? S : {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
};

/** What a relay is told of an attempt besides the envelope. */
export interface Attempt {
  /** Which message it is, the same at every attempt: what a key against sending twice can be made of. */
  id: string;
  /**
   * Is aborted when the attempt is out of time, and when the queue is stopped with a `timeout` that has passed. An answer
   * that comes at once, before the program turns to other work, still counts. A later one does not.
   */
  readonly signal: Signal;
}

/** Whatever can deliver an envelope. */
export interface Relay {
  /**
   * Delivers to the recipients of the envelope, which are those that are left. What it throws is an answer as if it
   * were returned, and what nodemailer throws answers for each of them. Any other error is tried again.
   *
   * @param attempts how often it was attempted before
   */
  attempt(envelope: Envelope, attempts: number, attempt: Attempt): MaybePromise<Answer | FetchResponse | SentMessageInfo | void>;
}


/** What a `Queue` works on: somebody's own place for mail is a {@link DictHost} of an `AsyncDictStorage`. */
export type QueueStorage = DictStorage | AsyncDictStorage;

/** May change an envelope before it is stored. `slimta-queue-dict/policies` has some. */
export interface Policy {
  /**
   * Changes the envelope that it is given and returns nothing, or returns a list of those that take its place. An empty
   * list drops the message.
   */
  apply(envelope: Envelope): MaybePromise<Iterable<Envelope> | null | undefined | void>;
  /** A function is no policy, although it has an `apply`. */
  call?: undefined;
}

/** How a message is queued. */
export interface EnqueueOptions {
  /**
   * The id of the message, 32 lower-case hexadecimal digits; generated unless given. The ids of what policies make of it
   * beside follow from it. What is there already under an id stays as it is.
   */
  id?: string | undefined;
  /**
   * Any text, not empty, that stands for the message, in the place of an `id`; one of 32 lower-case hexadecimal digits is the
   * id itself. A repeat with the same key stores only what is missing, as long as the message is there.
   */
  key?: string | undefined;
  /** When the first attempt is due, in milliseconds since the epoch; now unless given. */
  at?: number | Date | undefined;
  /**
   * When nobody wants the message any more, a time after `at`, or after now. Whoever has not got it by then is given up: a `failed`
   * event tells of it, the sender and the `deadLetter` hear nothing. Never unless given.
   */
  expires?: number | Date | undefined;
}

/** What a `Queue` can be told. Times are in milliseconds. */
export interface QueueOptions {
  /**
   * When to try again after so many attempts, with the replies to the recipients that are left: a number of
   * milliseconds, `null` to give up. `patience` says when the first attempt was made, and how many were made because
   * they were due, this one included. Unless given: after a minute, then after longer and longer waits of up to four
   * hours, until five days have passed since the first attempt and six were made that were due. One that comes more than
   * four hours late gives nobody up. If it throws, there is an `error` event and the usual wait.
   */
  backoff?: (
    envelope: Envelope,
    attempts: number,
    replies: Reply[],
    patience: { since: number; scheduled: number },
  ) => number | null | undefined;
  /**
   * What tells the sender of those whom one attempt gave up, who are the recipients of `envelope`, by the first reply
   * and by that of each recipient; `null` for nothing. RFC 3464 unless given, and where it throws,
   * or answers nothing within `attemptTimeout` or a quarter of the `lease`, with an `error` event. What it makes is sent
   * from nobody.
   */
  bounceFactory?: (envelope: Envelope, reply: Reply, replies: Reply[]) => MaybePromise<Envelope | null>;
  /** Where bounces are queued; here unless given. */
  bounceQueue?: { enqueue(envelope: Envelope): Promise<[envelope: Envelope, id: unknown][] | void> };
  /** How many operations of the storage may be under way at once; any number unless given. */
  storePool?: number;
  /** How many attempts may be under way at once (100). */
  relayPool?: number;
  /**
   * How much goes to one destination: limits of this object, in `start`, `run` and `flush` alike. What waits for a
   * destination lets what goes elsewhere pass, as long as no more than 10,000 messages wait so. A message counts for
   * each destination of its recipients, for which its envelope is read once more when it is due. One to several begins when
   * it is the next at each of them: then what came later to any of them waits for it.
   */
  destination?: {
    /**
     * Which destination an address belongs to; what follows the last `@`, in lower case, unless given. If it throws,
     * there is an `error` event, and the address belongs to that one.
     */
    of?: (address: string) => string;
    /** How many attempts may be under way at once; any number unless given. */
    pool?: number;
    /** How many attempts may begin in a second, evenly: 0.5 is one every two seconds. Any number unless given. */
    perSecond?: number;
  };
  /**
   * For how long a claim holds unless it is renewed (300,000), at most a day. Queues on one storage should agree on it: a
   * claim that is the same one after so long has ended, whatever the clocks say.
   */
  lease?: number;
  /** For how long an attempt may last before its recipients are tried again later; for any time unless given. */
  attemptTimeout?: number;
  /**
   * For how long a message stays that was delivered (0), marked and attempted by nobody: a repeat of its `key` finds it
   * there.
   */
  keepDelivered?: number;
  /** By how much the oldest message that waits may be late before an `overdue` event of a started queue (900,000). */
  overdueAfter?: number;
  /** Where messages are kept that are given up; another storage than the queue's. */
  deadLetter?: QueueStorage;
}

/**
 * What becomes of a message: it was never attempted and waits, a claim holds, it was attempted and waits, it was given up
 * and is kept in the dead letter, or all its recipients are marked and it will be removed.
 */
export type MessageState = 'waiting' | 'sending' | 'deferred' | 'failed' | 'delivered';

/** What a `list` of a `Queue` is told. */
export interface ListOptions {
  /** Messages in this state; in any unless given. */
  state?: MessageState;
  /** How many at most; any number unless given. */
  limit?: number;
  /**
   * The `cursor` of another list, which this one goes on after. Where the message that was yielded last is gone by then,
   * and the host has no `cursorAfter`, as two Maps have none, the list begins anew.
   */
  cursor?: string;
  /** Whether the envelopes are read. */
  envelopes?: boolean;
}

/** A message that a `list` of a `Queue` yields. */
export interface ListedMessage {
  id: string;
  state: MessageState;
  /** When it is due, when its claim ends, or, in the dead letter, when it was given up. */
  due: number;
  /** How often it was attempted, in the dead letter until it was given up. */
  attempts: number;
  /** The last replies to its recipients, each different one once: those to whom it was delivered are among them. */
  replies: Reply[];
  /** With the recipients that are left, if it was asked for and can be read. */
  envelope?: Envelope;
}

/** What a `count` of a `Queue` comes to. */
export interface MessageCounts {
  waiting: number;
  /** Of those that wait, attempted before or not, the ones that are due now. */
  due: number;
  deferred: number;
  sending: number;
  failed: number;
  /** The earliest time at which one that waits is due. */
  oldestDue: number | null;
}

/** What a `run` or `flush` of a `Queue` is told. */
export interface RunOptions {
  /** No attempt begins after this time, in milliseconds since the epoch; at any time unless given. */
  until?: number | Date;
  /** How many attempts are made at most; any number unless given. */
  limit?: number;
  /** Once it is aborted no attempt begins, and the run resolves when those under way have ended. */
  signal?: Signal;
}

/** What a `run` or `flush` of a `Queue` came to. What a started queue attempts meanwhile counts as well. */
export interface RunResult {
  /** Messages that were attempted; */
  attempted: number;
  /** those that somebody has got, */
  delivered: number;
  /** those of which somebody waits for the next attempt, */
  deferred: number;
  /** those of which somebody was given up. */
  failed: number;
  /** How many messages wait now, those included that others have claimed or that stay after their delivery. */
  left: number;
  /** When the first of these is due, or its claim ends. */
  nextDue: number | null;
}

/** What a `Queue` has to do and has done. */
export interface QueueInfo {
  /** Messages that it knows: those that wait and those being attempted. */
  size: number;
  /** The timestamp of the one that is due first, of those that wait. */
  oldestDue: number | null;
  inAttempt: number;
  /** Attempts that have delivered to somebody, */
  delivered: number;
  /** that have left somebody to be tried again, */
  deferred: number;
  /** that have given somebody up. */
  failed: number;
}

/** What an event tells that is about a message. */
export interface MessageDetail {
  id: string;
  /** How often delivery was attempted, this time included. */
  attempts: number;
}

/** What an event tells that is about an envelope. */
export interface EnvelopeDetail extends MessageDetail {
  /** As the relay was given it: with the recipients of the attempt. Each look at it gives a copy. */
  envelope: Envelope;
}

/** What an event tells that is about some recipients of an envelope. */
export interface RecipientsDetail extends EnvelopeDetail {
  /** Whom it is about, */
  recipients: string[];
  /** their positions in the original list, */
  indexes: number[];
  /** and what was said of each. */
  replies: (Reply | undefined)[];
  /** The first of these. */
  reply?: Reply;
}

/** What else there is in the details of some events, so that one listener may take several types. */
type Others<T> = { [K in Exclude<keyof RecipientsDetail | 'timestamp' | 'bounce' | 'bounceId' | 'error', keyof T>]?: undefined };

/** The `detail` of each type of event of a `Queue`. */
export interface QueueEventDetails {
  /** A message is stored. */
  queued: EnvelopeDetail & Others<EnvelopeDetail>;
  /** An attempt begins. */
  attempt: EnvelopeDetail & Others<EnvelopeDetail>;
  /** Recipients were delivered to, */
  delivered: RecipientsDetail & Others<RecipientsDetail>;
  /** wait for the next attempt, whose time is the `timestamp`, */
  deferred: RecipientsDetail & { timestamp: number } & Others<RecipientsDetail & { timestamp: number }>;
  /** were given up. */
  failed: RecipientsDetail & Others<RecipientsDetail>;
  /** A notice is stored: the `bounce`, another copy at each look, under the `bounceId`. */
  bounced: RecipientsDetail & { bounce: Envelope; bounceId: string }
    & Others<RecipientsDetail & { bounce: Envelope; bounceId: string }>;
  /** A message is gone by another hand. */
  removed: MessageDetail & Others<MessageDetail>;
  /** The oldest message is late. It was due at the `timestamp`. */
  overdue: MessageDetail & { timestamp: number } & Others<MessageDetail & { timestamp: number }>;
  /** The very thing that a relay, a function of the options or a listener threw, or a `QueueError`; and the message, if it is about one. */
  error: Partial<EnvelopeDetail> & { error: unknown } & Others<EnvelopeDetail & { error: unknown }>;
}

export type QueueEventType = keyof QueueEventDetails;

/** An event of a `Queue`: a `CustomEvent`. */
export interface QueueEvent<T extends QueueEventType = QueueEventType> {
  readonly type: T;
  readonly detail: QueueEventDetails[T];
}

export type QueueListener<T extends QueueEventType = QueueEventType> =
  | ((event: QueueEvent<T>) => void)
  | { handleEvent(event: QueueEvent<T>): void };

/** An `EventTarget`, also where its type is not known, whose events are those of a queue. */
export declare class QueueEventTarget {
  addEventListener<T extends QueueEventType>(type: T, listener: QueueListener<T> | null, options?: boolean | object): void;
  removeEventListener<T extends QueueEventType>(type: T, listener: QueueListener<T> | null, options?: boolean | object): void;
  dispatchEvent(event: any): boolean;
}
