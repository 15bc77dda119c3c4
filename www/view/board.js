/** @import { Message, Store } from '../store.js' */
import { html, nothing } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import { live } from 'lit-html/directives/live.js';
import { tabOf } from '../message-state.js';
import { count, fromNow, shortDate } from './format.js';
import { details } from './message.js';
import { STATES, badge, icon } from './parts.js';

const TABS = /** @type {const} */ (['all', 'waiting', 'sending', 'deferred', 'failed', 'delivered']);
/** How many messages are drawn before somebody asks for more. */
export const PAGE = 50;

/**
 * What somebody looks at.
 *
 * @typedef {object} Looking
 * @property {typeof TABS[number]} tab
 * @property {string} words that are searched for
 * @property {number} shown how many messages at most
 * @property {string} open the key of the opened message
 *
 * What the list lets people do.
 *
 * @typedef {object} Doings
 * @property {(changes: Partial<Looking>) => void} look
 * @property {() => void} choose
 * @property {(message: Message) => void} edit
 */

/**
 * @param {Store} store
 * @param {Looking} looking
 * @param {Doings} doings
 */
export function outbox(store, looking, doings) {
  const { messages: counts, people } = store.counts;
  const words = looking.words.trim().toLowerCase();
  const found = store.messages.filter((message) => (looking.tab === 'all' || tabOf(message.state) === looking.tab)
    && (words === '' || matches(message, words)));
  const shown = found.filter(({ key }, place) => place < looking.shown || key === looking.open);
  const all = Object.values(people).reduce((sum, number) => sum + number, 0);
  return html`
    <section class="outbox" aria-labelledby="outbox-title">
      <div class="section-head">
        <div>
          <h2 id="outbox-title" tabindex="-1">Outbox</h2>
          <p class="hint" id="counts">${counts.all === 0 ? 'Nothing is queued.' : html`${count(counts.all, 'message')} to
            ${count(all, 'person', 'people')}: ${summary(people)}`}</p>
        </div>
        <div class="button-row">
          <label class="switch"><input type="checkbox" role="switch" id="sending" .checked=${live(store.settings.sending)}
            @change=${(/** @type {any} */ { target }) => void store.set({ sending: target.checked })}><span>Send</span></label>
          <button type="button" id="choose" class="button" @click=${doings.choose}>${icon('clip')}Add .eml files</button>
        </div>
      </div>
      <div class="filters">
        <div class="tabs" role="group" aria-label="Which messages are shown">${TABS.map((tab) => html`
          <button type="button" data-tab=${tab} aria-pressed=${looking.tab === tab} class="tab is-${STATES[tab]?.tone ?? 'plain'}"
            @click=${() => doings.look({ tab, shown: PAGE })}>${tab === 'all' ? 'All' : STATES[tab].word}<span class="number">${counts[tab].toLocaleString('en')}</span></button>`)}
        </div>
        <label class="search"><span class="visually-hidden">Search</span><input type="search" id="search" placeholder="Search"
          .value=${live(looking.words)} @input=${(/** @type {any} */ { target }) => doings.look({ words: target.value, shown: PAGE })}></label>
      </div>
      ${found.length === 0 ? html`<p class="empty">${emptyText(store, looking)}</p>` : nothing}
      <ul class="letters" id="letters">${repeat(shown, ({ key }) => key, (message) => letter(store, message, looking, doings))}</ul>
      ${found.length > shown.length ? html`<button type="button" class="button show-more"
        @click=${() => doings.look({ shown: looking.shown + PAGE })}>Show more (${(found.length - shown.length).toLocaleString('en')} left)</button>` : nothing}
      ${counts.delivered > 0 && ['all', 'delivered'].includes(looking.tab) ? html`<button type="button" id="forget"
        class="button is-quiet" @click=${() => void store.actions.forgetDone(store.messages)}>Clear what is delivered</button>` : nothing}
    </section>`;
}

/**
 * @param {Store} store
 * @param {Message} message
 * @param {Looking} looking
 * @param {Doings} doings
 */
function letter(store, message, looking, doings) {
  const { key, subject, state, recipients } = message;
  const opened = looking.open === key;
  const titleId = `t-${key}`;
  return html`
    <li class="letter is-${STATES[state].tone}" id="m-${key}" data-key=${key} data-state=${state}>
      <article aria-labelledby=${titleId}>
        <div class="letter-head">
          <button type="button" class="letter-open" aria-expanded=${opened} @click=${() => doings.look({ open: opened ? '' : key })}>
            <span class="subject" id=${titleId} dir="auto">${subject || '(no subject)'}</span></button>
          ${badge(state, wordFor(store, message))}
        </div>
        <p class="letter-facts hint">${facts(message)}</p>
        <ul class="recipients">${recipients.slice(0, opened ? recipients.length : 4).map(recipientOf)}
          ${!opened && recipients.length > 4 ? html`<li class="hint">and ${recipients.length - 4} more: ${tally(recipients.slice(4))}</li>` : nothing}</ul>
        ${opened || state === 'failed' ? details(store, message, opened, doings) : nothing}
      </article>
    </li>`;
}

/** @param {Message['recipients'][number]} recipient */
const recipientOf = ({ address, name, state, reply }) => html`
  <li class="recipient is-${STATES[state].tone}" data-state=${state}>
    ${icon(STATES[state].icon)}
    <span class="recipient-who"><span dir="auto">${name || address}</span>${name ? html` <span class="address">${address}</span>` : nothing}</span>
    <span class="recipient-state">${STATES[state].word}${reply ? html`<span class="reply">${reply}</span>` : nothing}</span>
  </li>`;

/** @param {Message} message */
function facts(message) {
  const now = Date.now();
  const parts = [`From ${message.author || message.sender || 'nobody'}`, shortDate(message.created, now)];
  if (message.attempts > 0) parts.push(count(message.attempts, 'attempt'));
  if (message.state === 'deferred' || (message.state === 'waiting' && message.due > now)) {
    parts.push(message.due > now ? `next ${soon(message.due - now)}` : 'due now');
  }
  return parts.join(' · ');
}

/** @param {number} away */
const soon = (away) => (away < 60_000 ? `in ${Math.ceil(away / 1000)} s` : fromNow(Date.now() + away, Date.now()));

/**
 * @param {Store} store
 * @param {Message} message
 */
function wordFor(store, { state, sending, due }) {
  if (state === 'elsewhere' && sending?.kind !== 'tab' && sending) return `Sending in a ${sending.kind}`;
  if (state === 'waiting' && !store.settings.sending) return 'Waiting, sending is off';
  if (state === 'waiting' && due > Date.now()) return 'Planned';
  return undefined;
}

/** @param {Message['recipients']} recipients */
function tally(recipients) {
  /** @type {Record<string, number>} */
  const people = {};
  for (const { state } of recipients) people[state] = (people[state] ?? 0) + 1;
  return summary(people);
}

/** @param {Record<string, number>} people */
function summary(people) {
  const words = Object.entries(people).filter(([, number]) => number > 0)
    .map(([state, number]) => `${number.toLocaleString('en')} ${STATES[state].word.toLowerCase()}`);
  return words.join(', ');
}

/**
 * @param {Message} message
 * @param {string} words
 */
function matches({ subject, author, recipients }, words) {
  return [subject, author, ...recipients.flatMap(({ address, name, reply }) => [address, name, reply])]
    .some((text) => text.toLowerCase().includes(words));
}

/**
 * @param {Store} store
 * @param {Looking} looking
 */
function emptyText(store, looking) {
  if (store.trouble) return 'The queue cannot be read.';
  if (!store.ready) return 'The queue is being read…';
  if (looking.words) return 'No message has these words.';
  if (store.messages.length > 0) return 'No message is in this state.';
  return 'Write a mail, drop .eml files anywhere on this page, or run the demo. What is here stays when this page is closed.';
}
