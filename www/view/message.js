/** @import { Doings } from './board.js' */
/** @import { Happening } from '../record.js' */
/** @import { Message, Store } from '../store.js' */
import { html, nothing } from 'lit-html';
import { until } from 'lit-html/directives/until.js';
import { isOpen } from '../record.js';
import { headerValue, joinEml } from '../eml.js';
import { readBody } from '../mail.js';
import { attempt, icon } from './parts.js';
import { count, fileSize } from './format.js';

const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
/** How much of a text is shown. */
const PREVIEW = 5_000;
const WORDS = {
  queued: 'Queued', attempt: 'Attempt', delivered: 'Delivered', deferred: 'Deferred', failed: 'Failed',
  removed: 'Removed elsewhere', retried: 'Retried', cancelled: 'Taken back', error: 'Error',
};

/** What was read of the opened message, as it was at a time: a promise each, so that drawing again reads nothing again. */
let read = {
  of: '', key: '', parts: /** @type {Map<string, Promise<unknown>>} */ (new Map()),
  /** What was read last of each part, to be seen while it is read anew. */
  last: /** @type {Map<string, unknown>} */ (new Map()),
};

/**
 * What can be done with a message, and, if it is opened, what has happened to it and what is in it.
 *
 * @param {Store} store
 * @param {Message} message
 * @param {boolean} opened
 * @param {Doings} doings
 */
export const details = (store, message, opened, doings) => html`
  <div class="details">
    ${message.state === 'failed' ? html`<p class="why">${why(message)}</p>` : nothing}
    <div class="button-row">${actions(store, message, doings)}</div>
    ${opened ? html`
      ${history(message)}
      ${message.letters.length > 0 ? section('What your mail program would be told', once(store, message, 'notice', notice)) : nothing}
      ${section('Message', once(store, message, 'text', text))}
      <p class="hint">Id <code>${message.key}</code>, ${fileSize(message.size)}</p>` : nothing}
  </div>`;

/** @param {Message} message */
function why({ recipients, letters }) {
  const refused = recipients.filter(({ state }) => state === 'failed');
  const who = refused.map(({ address }) => address).join(', ');
  return letters.length > 0 ? `${who}: given up. The message is kept here until you retry or discard it.` : `${who}: given up.`;
}

/**
 * @param {Store} store
 * @param {Message} message
 * @param {Doings} doings
 */
function actions(store, message, doings) {
  const waits = message.recipients.some(({ state }) => state === 'waiting' || state === 'deferred');
  const open = message.recipients.some(({ state }) => isOpen(state));
  return html`
    ${message.letters.length > 0 ? html`
      <button type="button" class="button is-small" data-do="retry" @click=${() => attempt(async () => {
        await store.actions.retry(message);
        return 'Queued again';
      })}>${icon('again')}Retry</button>
      <button type="button" class="button is-small" data-do="edit" @click=${() => doings.edit(message)}>${icon('pen')}Edit</button>` : nothing}
    ${waits ? html`
      <button type="button" class="button is-small" data-do="send-now" @click=${() => attempt(() => store.actions.sendNow(message))}>${icon('plane')}Send now</button>` : nothing}
    ${open ? html`
      <button type="button" class="button is-small" data-do="cancel" @click=${() => attempt(async () => (
        await store.actions.cancel(message) ? 'Taken back' : 'It is being sent, or was: it cannot be taken back'))}>Take back</button>` : nothing}
    ${open ? nothing : html`
      <button type="button" class="button is-small ${message.letters.length > 0 ? 'is-danger' : ''}" data-do="discard" @click=${() => attempt(async () => {
        await store.actions.discard(message);
        return 'Discarded';
      })}>${message.letters.length > 0 ? 'Discard' : 'Clear'}</button>`}`;
}

/** @param {Message} message */
const history = ({ happenings }) => html`
  <section aria-label="What has happened">
    <h3>What has happened</h3>
    <ol class="timeline">${happenings.map((one) => html`
      <li class="is-${one.type}"><time datetime=${new Date(one.time).toISOString()}>${time.format(one.time)}</time>
        <span><strong>${WORDS[one.type]}${one.type === 'attempt' ? ` ${one.attempts}` : ''}</strong>
          <span class="hint">${whoText(one)}${one.due && one.type === 'deferred' ? `, next at ${time.format(one.due)}` : ''}</span>
          ${one.text ? html`<span class="reply">${one.text}</span>` : nothing}
          ${one.replies.map((reply, place) => html`<span class="reply">${one.recipients[place]}: ${reply || 'no reply'}</span>`)}</span></li>`)}
    </ol>
  </section>`;

/** @param {Happening} happening */
function whoText({ type, who, recipients }) {
  const by = `by a ${who.kind} (${who.name.slice(0, 4)})`;
  return type === 'attempt' ? `${by}, for ${count(recipients.length, 'recipient')}` : by;
}

/**
 * @param {string} title
 * @param {unknown} content
 */
const section = (title, content) => html`<section aria-label=${title}><h3>${title}</h3>${content}</section>`;

/**
 * Draws a part once it is read, and reads it again only after something has happened.
 *
 * @param {Store} store
 * @param {Message} message
 * @param {string} what
 * @param {(store: Store, message: Message) => Promise<unknown>} reading
 */
function once(store, message, what, reading) {
  const of = [message.key, message.changed, ...message.letters].join(' ');
  if (read.of !== of) read = { of, key: message.key, parts: new Map(), last: read.key === message.key ? read.last : new Map() };
  const { last } = read;
  const part = read.parts.get(what) ?? reading(store, message).catch((error) => html`<p class="hint">${String(error)}</p>`);
  if (!read.parts.has(what)) void part.then((content) => last.set(what, content));
  read.parts.set(what, part);
  return until(part, last.get(what) ?? html`<p class="hint">Reading…</p>`);
}

/** @type {Parameters<typeof once>[3]} */
async function notice(store, { key }) {
  const notices = await store.actions.notices(key);
  if (notices.length === 0) return html`<p class="hint">Nothing: the notice is not there any more.</p>`;
  const texts = await Promise.all(notices.map(async (envelope) => ({
    subject: headerValue(envelope.headers ?? [], 'Subject') ?? '', text: (await readBody(envelope)).text,
  })));
  return texts.map(({ subject, text }) => html`<blockquote class="notice"><strong>${subject}</strong><span class="pre">${text}</span></blockquote>`);
}

/** @type {Parameters<typeof once>[3]} */
async function text(store, message) {
  const envelope = await store.actions.envelope(message);
  if (!envelope) {
    const delivered = message.recipients.every(({ state }) => state === 'delivered');
    return html`<p class="hint">${delivered ? 'Everybody has got it, and the queue keeps no copy.' : 'The queue keeps no copy of it.'}</p>`;
  }
  const { text, attachments } = await readBody(envelope);
  return html`<p class="pre" dir="auto" tabindex="0" role="region" aria-label="Text of the message">${text.slice(0, PREVIEW) || 'This message has no text.'}</p>
    ${attachments.length > 0 ? html`<p class="hint">${icon('clip')} ${attachments.map(({ filename }) => filename ?? 'unnamed').join(', ')}</p>` : nothing}
    <button type="button" class="button is-small" @click=${() => save(envelope, message)}>Save as .eml</button>`;
}

/**
 * @param {import('slimta-queue-dict').Envelope} envelope
 * @param {Message} message
 */
function save({ headers = [], message = '' }, { subject }) {
  const url = URL.createObjectURL(new Blob([joinEml(headers, message)], { type: 'message/rfc822' }));
  const link = Object.assign(document.createElement('a'), { href: url, download: `${subject || 'message'}.eml` });
  link.click();
  URL.revokeObjectURL(url);
}
