/** @import { Happening, Route, Sending } from '../sending.js' */
import { byId, h, icon, setText } from './dom.js';
import { count, reason } from './format.js';

/** How many outcomes are drawn, and how many lines the log has. */
const DRAWN = 60;
const LINES = 50;

const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

/** What each happening is called, and its drawing. */
const WORDS = {
  attempt: ['Sending', 'plane'],
  delivered: ['Delivered', 'check'],
  deferred: ['Deferred', 'clock'],
  failed: ['Refused', 'close'],
  bounced: ['Sender told', 'envelope'],
  error: ['Error', 'warning'],
};

/** The switch, the choice of a relay, and what came of it. */
export class SendingPanel {
  #sending;
  /** @type {HTMLInputElement} */
  #switch = byId('send');
  /** @type {HTMLFormElement} */
  #form = byId('route');
  /** @type {HTMLInputElement} */
  #deferred = byId('rate-deferred');
  /** @type {HTMLInputElement} */
  #refused = byId('rate-refused');
  /** @type {HTMLInputElement} */
  #url = byId('relay-url');
  #log = byId('send-log');
  /** @type {Happening | undefined} */
  #last;

  /**
   * @param {Sending} sending
   * @param {(text: string) => void} say
   */
  constructor(sending, say) {
    this.#sending = sending;
    this.#switch.addEventListener('change', () => {
      const on = this.#switch.checked;
      if (on && !this.#choose(true)) return this.show();
      sending.turn(on);
      say(on ? 'Sending what is due' : 'Sending paused');
    });
    this.#form.addEventListener('submit', (event) => event.preventDefault());
    this.#form.addEventListener('input', ({ target }) => {
      this.#balance(/** @type {HTMLElement} */ (target));
      this.#showRoute();
      // A URL is taken when it is whole, that is when sending is switched on or the field is left.
      if (target !== this.#url) this.#choose();
    });
    this.#url.addEventListener('change', () => this.#choose());
    byId('send-all').addEventListener('click', () => {
      sending.flush().then(() => say('Everything that waits is being sent'), (error) => say(reason(error)));
    });
    sending.addEventListener('change', () => this.show());
    this.#showRoute();
    this.show();
  }

  show() {
    const { isOn, counts, underWay } = this.#sending;
    this.#switch.checked = isOn;
    setText(byId('send-state'), !isOn ? 'Off: messages wait here'
      : underWay.size > 0 ? `Sending ${count(underWay.size, 'message')}…` : 'On: sends what is due');
    byId('sending').classList.toggle('is-on', isOn);
    /** @type {HTMLButtonElement} */ (byId('send-all')).disabled = !isOn;
    for (const [name, number] of Object.entries(counts)) setText(byId(`sent-${name}`), number.toLocaleString('en'));
    this.#draw();
    this.#write();
  }

  /**
   * @param {boolean} [needed] whether something is to be sent that way
   * @returns {boolean} whether there is a way
   */
  #choose(needed = this.#sending.isOn) {
    setText(byId('route-problem'), '');
    this.#url.removeAttribute('aria-invalid');
    if (this.#kind === 'http' && !this.#url.value.trim()) {
      return needed && this.#refuse('Give the address to post messages to.');
    }
    try {
      if (this.#kind === 'http') new URL(this.#url.value.trim()); // no address within this page
      this.#sending.choose(this.#route);
      return true;
    } catch {
      return this.#refuse('This is no address of the form https://…');
    }
  }

  /** @param {string} problem */
  #refuse(problem) {
    setText(byId('route-problem'), problem);
    this.#url.setAttribute('aria-invalid', 'true');
    this.#url.focus();
    if (this.#sending.isOn) this.#sending.turn(false);
    return false;
  }

  get #kind() {
    return new FormData(this.#form).get('relay');
  }

  /** @returns {Route} */
  get #route() {
    if (this.#kind === 'http') return { kind: 'http', url: this.#url.value.trim() };
    return { kind: 'simulated', deferred: Number(this.#deferred.value), refused: Number(this.#refused.value) };
  }

  /**
   * Both rates together are at most a hundred: the one that was not moved gives way.
   *
   * @param {HTMLElement} moved
   */
  #balance(moved) {
    const [fixed, other] = moved === this.#refused ? [this.#refused, this.#deferred] : [this.#deferred, this.#refused];
    other.value = String(Math.min(Number(other.value), 100 - Number(fixed.value)));
  }

  #showRoute() {
    byId('route-simulated').hidden = this.#kind === 'http';
    byId('route-http').hidden = this.#kind !== 'http';
    const [deferred, refused] = [Number(this.#deferred.value), Number(this.#refused.value)];
    const shares = { accepted: 100 - deferred - refused, deferred, refused };
    for (const [name, share] of Object.entries(shares)) {
      setText(byId(`share-${name}`), `${share} %`);
      // An attribute of the drawing, since the page's policy allows no styles of its own.
      byId(`bar-${name}`).setAttribute('width', String(share));
    }
    byId('bar-deferred').setAttribute('x', String(shares.accepted));
    byId('bar-refused').setAttribute('x', String(shares.accepted + deferred));
  }

  #draw() {
    const outcomes = this.#sending.happenings
      .filter(({ type }) => type === 'delivered' || type === 'deferred' || type === 'failed').slice(-DRAWN);
    const drawing = byId('send-drawing');
    drawing.replaceChildren(...outcomes.map(({ type }, place) => bar(type, place)));
    const { delivered, deferred, failed } = this.#sending.counts;
    const all = `${delivered} delivered, ${deferred} deferred, ${failed} refused`;
    drawing.setAttribute('aria-label', `The last ${count(outcomes.length, 'outcome')}; in all ${all}`);
  }

  #write() {
    const { happenings } = this.#sending;
    const from = this.#last ? happenings.lastIndexOf(this.#last) + 1 : 0;
    byId('send-log-empty').hidden = happenings.length > 0;
    this.#log.prepend(...happenings.slice(from).reverse().map(line));
    while (this.#log.children.length > LINES) this.#log.lastElementChild?.remove();
    this.#last = happenings.at(-1);
  }
}

/**
 * One outcome: up is good. Told apart by form as well as by colour.
 *
 * @param {string} type
 * @param {number} place
 */
function bar(type, place) {
  const rect = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
  const [y, height] = { delivered: [2, 22], deferred: [17, 7], failed: [26, 12] }[type] ?? [0, 0];
  for (const [name, value] of Object.entries({ x: place * 5, y, width: 3.5, height, rx: 1, class: `is-${type}` })) {
    rect.setAttribute(name, String(value));
  }
  return rect;
}

/** @param {Happening} happening */
function line({ type, time: when, subject, text }) {
  const [word, drawing] = WORDS[type];
  return h('li', { className: `is-${type}` },
    icon(drawing),
    h('span', { className: 'what' },
      h('span', { className: 'subject', title: subject }, h('strong', {}, word), ' ', subject || '(no subject)'),
      text && h('span', { className: 'reply' }, text)),
    h('time', { dateTime: new Date(when).toISOString() }, time.format(when)));
}
