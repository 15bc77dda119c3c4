export { AsyncDictStorage } from './async-dict-storage.js';
export { DictStorage } from './dict-storage.js';
export { KeyError, QueueError } from './errors.js';
export { formatMessage, parseMessage } from './message.js';
export { Queue } from './queue.js';
export { PermanentRelayError, TransientRelayError } from './replies.js';

/** @typedef {import('./types.js').Answer} Answer */
/** @typedef {import('./types.js').Attempt} Attempt */
/** @typedef {import('./types.js').Batch} Batch */
/** @typedef {import('./types.js').Check} Check */
/** @typedef {import('./types.js').DictHost} DictHost */
/** @typedef {import('./types.js').DictName} DictName */
/** @typedef {import('./types.js').EnqueueOptions} EnqueueOptions */
/** @typedef {import('./types.js').Envelope} Envelope */
/** @typedef {import('./types.js').EnvelopeDetail} EnvelopeDetail */
/** @typedef {import('./types.js').Expect} Expect */
/** @typedef {import('./types.js').FailedRecipients} FailedRecipients */
/** @typedef {import('./types.js').FetchResponse} FetchResponse */
/** @typedef {import('./types.js').Findings} Findings */
/** @typedef {import('./types.js').Info} Info */
/** @typedef {import('./types.js').LastReply} LastReply */
/** @typedef {import('./types.js').Lease} Lease */
/** @typedef {import('./types.js').ListOptions} ListOptions */
/** @typedef {import('./types.js').ListedMessage} ListedMessage */
/** @typedef {import('./types.js').MessageCounts} MessageCounts */
/** @typedef {import('./types.js').MessageDetail} MessageDetail */
/** @typedef {import('./types.js').MessageState} MessageState */
/** @typedef {import('./types.js').Meta} Meta */
/** @typedef {import('./types.js').Next} Next */
/** @typedef {import('./types.js').Outcome} Outcome */
/** @typedef {import('./types.js').Policy} Policy */
/** @typedef {import('./errors.js').QueueErrorCode} QueueErrorCode */
/** @typedef {import('./types.js').QueueEventDetails} QueueEventDetails */
/** @typedef {import('./types.js').QueueInfo} QueueInfo */
/** @typedef {import('./types.js').QueueOptions} QueueOptions */
/** @typedef {import('./types.js').QueueStorage} QueueStorage */
/** @typedef {import('./types.js').RecipientsDetail} RecipientsDetail */
/** @typedef {import('./types.js').Relay} Relay */
/** @typedef {import('./types.js').RepairOptions} RepairOptions */
/** @typedef {import('./types.js').Reply} Reply */
/** @typedef {import('./types.js').RunOptions} RunOptions */
/** @typedef {import('./types.js').RunResult} RunResult */
/** @typedef {import('./types.js').SentMessageInfo} SentMessageInfo */
/** @typedef {import('./types.js').StorageOptions} StorageOptions */
/** @typedef {import('./types.js').Supports} Supports */
/** @typedef {import('./types.js').Version} Version */
/** @typedef {import('./types.js').Write} Write */
/**
 * @template V
 * @typedef {import('./types.js').SyncDict<V>} SyncDict
 */
/**
 * @template V
 * @typedef {import('./types.js').AsyncDict<V>} AsyncDict
 */
/** @typedef {import('./message-list.js').MessageList} MessageList */
/**
 * @template T
 * @typedef {import('./types.js').MaybePromise<T>} MaybePromise
 */
/** @typedef {import('./types.js').QueueEventType} QueueEventType */
/**
 * @template {QueueEventType} [T=QueueEventType]
 * @typedef {import('./types.js').QueueEvent<T>} QueueEvent
 */
/**
 * @template {QueueEventType} [T=QueueEventType]
 * @typedef {import('./types.js').QueueListener<T>} QueueListener
 */
