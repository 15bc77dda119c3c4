/** @import { Outbox, Recipient } from '../outbox.js' */
import { arrange, byId, h, icon, setText } from './dom.js';
import { count } from './format.js';

/** The recipients of the opened message: who is served, and ticking off who is now. */
export class Recipients {
  #outbox;
  #list = byId('recipient-list');
  /** @type {HTMLButtonElement} */
  #mark = byId('mark-delivered');
  /** @type {HTMLButtonElement} */
  #all = byId('tick-all');
  #id = '';
  /** @type {Map<string, HTMLLIElement>} */
  #items = new Map();

  /**
   * @param {Outbox} outbox
   * @param {(what: () => Promise<string>) => Promise<void>} attempt does something, says what came of it
   */
  constructor(outbox, attempt) {
    this.#outbox = outbox;
    byId('recipients').addEventListener('submit', (event) => {
      event.preventDefault();
      const indexes = this.#ticked();
      const id = this.#id;
      void attempt(async () => {
        if (indexes.length === 0) return 'Tick the recipients who have got the message';
        await this.#outbox.setRecipientsDelivered(id, indexes);
        return `${count(indexes.length, 'recipient')} marked as delivered`;
      });
    });
    this.#all.addEventListener('click', () => {
      for (const box of this.#boxes()) box.checked = true;
    });
  }

  /**
   * @param {string} id
   * @param {Recipient[]} recipients
   */
  show(id, recipients) {
    if (id !== this.#id) this.#items.clear();
    this.#id = id;
    const left = recipients.filter(({ delivered }) => !delivered).length;
    setText(byId('recipients-title'), left === recipients.length
      ? `Recipients (${left})` : `Recipients (${left} of ${recipients.length} left)`);
    const hadFocus = this.#list.contains(document.activeElement);
    arrange(this.#list, recipients.map((recipient) => {
      // Once somebody is served the item is another one; until then ticks and focus stay in it.
      const key = `${recipient.index} ${recipient.delivered}`;
      let item = this.#items.get(key);
      if (!item) this.#items.set(key, (item = recipient.delivered ? served(recipient) : open(recipient)));
      return item;
    }));
    this.#mark.disabled = this.#all.disabled = left === 0;
    if (hadFocus && !this.#list.contains(document.activeElement)) byId('message-subject').focus();
  }

  #boxes() {
    return /** @type {HTMLInputElement[]} */ ([...this.#list.querySelectorAll('input')]);
  }

  #ticked() {
    return this.#boxes().filter(({ checked }) => checked).map(({ value }) => Number(value));
  }
}

/** @param {Recipient} recipient */
function open(recipient) {
  return h('li', {},
    h('label', { className: 'choice' },
      h('input', { type: 'checkbox', value: String(recipient.index) }),
      ...who(recipient)));
}

/** @param {Recipient} recipient */
function served(recipient) {
  return h('li', { className: 'is-delivered' },
    h('div', { className: 'choice' }, icon('check'), ...who(recipient), h('span', { className: 'tag' }, 'done')));
}

/** @param {Recipient} recipient */
function who({ index, name, address }) {
  return [
    h('span', { className: 'who' },
      name ? h('strong', {}, name) : null,
      h('span', { className: 'address' }, address || 'an address that nobody kept')),
    h('span', { className: 'index', title: 'Position in the original list' }, `#${index}`),
  ];
}
