/** @import { Letter, Outbox } from '../outbox.js' */
/** @import { Sending } from '../sending.js' */
import { arrange, byId, h, icon, setText } from './dom.js';
import { count, dateAndTime, fileSize, nextText, reason, shortDate, titleOf } from './format.js';

/** How many recipients a row names. */
const NAMED = 2;

/**
 * @typedef {object} Row
 * @property {HTMLTableRowElement} row
 * @property {HTMLElement} subject
 * @property {HTMLElement} sender
 * @property {HTMLElement} recipients
 * @property {HTMLElement} attempts
 * @property {HTMLTimeElement} next
 * @property {HTMLElement} at
 * @property {HTMLElement} size
 * @property {HTMLButtonElement} open
 * @property {HTMLButtonElement} remove
 */

/** What is queued, the next attempt first. */
export class QueueTable {
  #outbox;
  #sending;
  #choose;
  #body = byId('queue-rows');
  #more = byId('show-more');
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {string | undefined} */
  #opened;

  /**
   * @param {Outbox} outbox
   * @param {Sending} sending
   * @param {{ open: (id: string) => void, remove: (id: string) => void }} choose
   */
  constructor(outbox, sending, choose) {
    this.#outbox = outbox;
    this.#sending = sending;
    this.#choose = choose;
    this.#more.addEventListener('click', () => void outbox.showMore());
  }

  /**
   * @param {string | undefined} opened the message that the panel shows
   */
  show(opened) {
    const now = Date.now();
    const { letters, hidden, ready } = this.#outbox;
    const lost = this.#rowWithFocus(letters);
    byId('queue').hidden = letters.length === 0;
    byId('empty').hidden = !ready || letters.length > 0 || hidden > 0;
    byId('samples-more').hidden = letters.length === 0;
    this.#more.hidden = hidden === 0;
    setText(this.#more, `Show more (${hidden.toLocaleString('en')} left)`);

    const wanted = new Set(letters.map(({ id }) => id));
    for (const id of this.#rows.keys()) {
      if (!wanted.has(id)) this.#rows.delete(id);
    }
    arrange(this.#body, letters.map((letter) => {
      let row = this.#rows.get(letter.id);
      if (!row) this.#rows.set(letter.id, (row = this.#makeRow(letter.id)));
      fill(row, letter, now, { opened: letter.id === opened, sending: this.#sending.underWay.has(letter.id) });
      return row.row;
    }));
    if (lost >= 0) this.#focusNear(lost, letters);
    if (opened !== this.#opened) {
      this.#opened = opened;
      // The panel makes the table narrower, which moves its rows.
      if (opened) this.#rows.get(opened)?.row.scrollIntoView({ block: 'nearest' });
    }
  }

  /**
   * Puts the focus on a message's button, or on the first thing of the page if it is gone.
   *
   * @param {string} id
   */
  focus(id) {
    (this.#rows.get(id)?.open ?? byId('choose')).focus();
  }

  /**
   * Where the focus is if it is in a row that is about to go.
   *
   * @param {Letter[]} letters
   */
  #rowWithFocus(letters) {
    const rows = [...this.#rows];
    const index = rows.findIndex(([, { row }]) => row.contains(document.activeElement));
    if (index < 0 || letters.some(({ id }) => id === rows[index][0])) return -1;
    return [...this.#body.children].indexOf(rows[index][1].row);
  }

  /**
   * @param {number} index
   * @param {Letter[]} letters
   */
  #focusNear(index, letters) {
    const near = letters[Math.min(index, letters.length - 1)];
    this.focus(near?.id ?? '');
  }

  /**
   * @param {string} id
   * @returns {Row}
   */
  #makeRow(id) {
    const subject = h('span', { className: 'subject', dir: 'auto' });
    const sender = h('span', { className: 'sender' });
    const recipients = h('ul', { className: 'recipients' });
    const attempts = h('span', { className: 'number' });
    const next = h('time', { className: 'next' });
    const at = h('span', { className: 'at' });
    const size = h('span', { className: 'number' });
    const open = h('button', { type: 'button', className: 'open', onclick: () => this.#choose.open(id) }, subject);
    const remove = h('button', {
      type: 'button', className: 'icon-button is-danger', onclick: () => this.#choose.remove(id),
    }, icon('trash'));
    // The roles are said because the narrow layout takes them away from a table that is no table to look at.
    const row = h('tr', { role: 'row', 'data-id': id },
      h('td', { role: 'cell', className: 'cell-message' }, open, sender),
      h('td', { role: 'cell', 'data-label': 'To' }, recipients),
      h('td', { role: 'cell', 'data-label': 'Next attempt' }, next, at),
      h('td', { role: 'cell', 'data-label': 'Attempts', className: 'is-number' }, attempts),
      h('td', { role: 'cell', 'data-label': 'Size', className: 'is-number' }, size),
      h('td', { role: 'cell', className: 'cell-actions' }, remove));
    return { row, subject, sender, recipients, attempts, next, at, size, open, remove };
  }
}

/**
 * @param {Row} row
 * @param {Letter} letter
 * @param {number} now
 * @param {{ opened: boolean, sending: boolean }} state
 */
function fill(row, letter, now, { opened, sending }) {
  const subject = titleOf(letter);
  setText(row.subject, subject);
  setText(row.sender, letter.problem ? reason(letter.problem) : letter.author || letter.sender || 'nobody');
  row.sender.title = letter.sender ? `Bounces go to ${letter.sender}` : '';
  row.row.classList.toggle('is-unread', letter.problem !== undefined);
  fillRecipients(row.recipients, letter);
  setText(row.attempts, String(letter.attempts));
  setText(row.next, sending ? 'sending…' : nextText(letter.timestamp, now));
  row.next.classList.toggle('is-sending', sending);
  row.next.dateTime = isoTime(letter.timestamp);
  row.next.classList.toggle('is-due', !sending && letter.timestamp <= now);
  setText(row.at, sending ? '' : shortDate(letter.timestamp, now));
  row.at.title = dateAndTime(letter.timestamp);
  setText(row.size, fileSize(letter.size));
  row.row.classList.toggle('is-open', opened);
  if (opened) row.open.setAttribute('aria-current', 'true');
  else row.open.removeAttribute('aria-current');
  row.remove.setAttribute('aria-label', `Remove “${subject}”`);
}

/**
 * @param {HTMLElement} list
 * @param {Letter} letter
 */
function fillRecipients(list, { recipients }) {
  const key = JSON.stringify(recipients);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  const delivered = recipients.filter((recipient) => recipient.delivered).length;
  const items = recipients.slice(0, recipients.length > NAMED + 1 ? NAMED : NAMED + 1).map(
    ({ address, name, delivered }) => h('li', { className: delivered ? 'is-delivered' : '', title: address },
      delivered ? icon('check') : null, h('span', {}, name || address || 'a recipient'),
      delivered ? h('span', { className: 'visually-hidden' }, ' (done)') : null),
  );
  const rest = recipients.length - items.length;
  if (rest > 0) {
    items.push(h('li', { className: 'rest' }, `${count(rest, 'more', 'more')}`));
  }
  if (delivered > 0) {
    items.push(h('li', { className: 'tally' }, `${delivered} of ${recipients.length} done`));
  }
  list.replaceChildren(...items);
}

/** @param {number} time */
function isoTime(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}
