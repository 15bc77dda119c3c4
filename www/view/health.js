/** @import { Findings } from 'slimta-queue-dict' */
/** @import { Outbox } from '../outbox.js' */
import { byId, h, icon } from './dom.js';
import { count, fileSize, reason } from './format.js';

/**
 * What the browser says of the space that this site has.
 *
 * @typedef {object} Space
 * @property {() => Promise<boolean>} persist
 * @property {() => Promise<{ usage?: number, quota?: number, persisted: boolean }>} estimate
 */

/** What each finding means. */
const MEANING = {
  orphanEnvelopes: 'no list shows it: it is being written just now, or its writing was cut short',
  orphanMeta: 'its envelope is gone; there is nothing left to deliver',
  corrupt: 'a record of it cannot be read; requeuing lists it again if its envelope is whole',
};

/** Looks for what is not a whole message, and clears it. */
export class Health {
  #outbox;
  #space;
  #result = byId('health-result');
  /** @type {HTMLFormElement} */
  #form = byId('repair');
  #findings = byId('findings');

  /**
   * @param {Outbox} outbox
   * @param {Space} space
   */
  constructor(outbox, space) {
    this.#outbox = outbox;
    this.#space = space;
    byId('check').addEventListener('click', () => void this.#check());
    byId('persist').addEventListener('click', () => void this.#persist());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#repair();
    });
  }

  /** Says how much space is used, and whether the browser may clear it. */
  async showSpace() {
    const { usage, quota, persisted } = await this.#space.estimate();
    const used = usage === undefined ? '' : `Uses ${fileSize(usage)}${quota ? ` of ${fileSize(quota)}` : ''}. `;
    byId('space').textContent = used +
      (persisted ? 'The browser keeps it until you remove it.' : 'The browser may clear it when space runs out.');
    byId('persist').hidden = persisted;
  }

  async #persist() {
    const kept = await this.#space.persist();
    await this.showSpace();
    if (kept) this.#say('ok', 'The browser keeps this data from now on.');
    else this.#say('bad', 'The browser has refused; it decides by how this site is used.');
  }

  async #check() {
    this.#say('', 'Reading every record…');
    try {
      this.#show(await this.#outbox.check());
    } catch (error) {
      this.#say('bad', `The check did not end: ${reason(error)}.`);
    }
  }

  async #repair() {
    const atOnce = /** @type {HTMLInputElement} */ (byId('repair-at-once')).checked;
    const requeue = new FormData(this.#form).getAll('requeue').map(String);
    try {
      const cleared = await this.#outbox.repair({ ...(atOnce ? { minAge: 0 } : {}), requeue });
      const done = describe(cleared, { orphanEnvelopes: 'cleared', orphanMeta: 'cleared', corrupt: 'requeued' });
      const left = await this.#outbox.check();
      this.#show(left, done === '' ? 'Nothing could be cleared.' : `${done}.`);
    } catch (error) {
      this.#say('bad', `The repair did not end: ${reason(error)}.`);
    }
  }

  /**
   * @param {Findings} findings
   * @param {string} [before]
   */
  #show(findings, before = '') {
    const kinds = /** @type {(keyof Findings)[]} */ (Object.keys(MEANING));
    const number = kinds.reduce((sum, kind) => sum + findings[kind].length, 0);
    this.#findings.replaceChildren(...kinds.flatMap((kind) => findings[kind].map((id) => item(kind, id))));
    this.#form.hidden = number === 0;
    byId('at-once-choice').hidden = findings.orphanEnvelopes.length === 0;
    if (number === 0) this.#say('ok', `${before} Every message is whole.`.trim());
    else this.#say('bad', `${before} Found: ${describe(findings)}.`.trim());
  }

  /**
   * @param {'ok' | 'bad' | ''} mood
   * @param {string} text
   */
  #say(mood, text) {
    const sign = mood === 'ok' ? icon('check') : mood === 'bad' ? icon('warning') : null;
    this.#result.replaceChildren(h('p', { className: mood && `is-${mood}` }, sign, h('span', {}, text)));
  }
}

/**
 * @param {keyof Findings} kind
 * @param {string} id
 */
function item(kind, id) {
  const about = h('span', { className: 'who' },
    h('code', {}, id), h('span', { className: 'address' }, MEANING[kind]));
  if (kind === 'orphanMeta') return h('li', {}, h('div', { className: 'choice' }, about));
  about.append(h('span', { className: 'tag' }, 'tick to requeue'));
  return h('li', {},
    h('label', { className: 'choice' }, h('input', { type: 'checkbox', name: 'requeue', value: id }), about));
}

/**
 * @param {Findings} findings
 * @param {Partial<Record<keyof Findings, string>>} [verbs]
 */
function describe({ orphanEnvelopes, orphanMeta, corrupt }, verbs = {}) {
  return [
    orphanEnvelopes.length > 0 && `${count(orphanEnvelopes.length, 'orphan envelope')} ${verbs.orphanEnvelopes ?? ''}`,
    orphanMeta.length > 0 && `${count(orphanMeta.length, 'orphan meta record')} ${verbs.orphanMeta ?? ''}`,
    corrupt.length > 0 && `${count(corrupt.length, verbs.corrupt ? 'message' : 'corrupt message')} ${verbs.corrupt ?? ''}`,
  ].filter((part) => part !== false).map((part) => part.trim()).join(', ');
}
