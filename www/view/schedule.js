/** @import { Outbox } from '../outbox.js' */
/** @import { Sending } from '../sending.js' */
import { byId, setText } from './dom.js';
import { dateAndTime, fromNow, localInput, nextText, timeOf } from './format.js';

/** When the opened message is attempted next, and how often it was. */
export class Schedule {
  #outbox;
  #sending;
  #attempt;
  #form = byId('schedule');
  /** @type {HTMLInputElement} */
  #input = byId('schedule-time');
  #problem = byId('schedule-problem');
  /** The message, and the time that the input was last set to. */
  #id = '';
  #shown = NaN;

  /**
   * @param {Outbox} outbox
   * @param {Sending} sending
   * @param {(what: () => Promise<string>) => Promise<void>} attempt does something, says what came of it
   */
  constructor(outbox, sending, attempt) {
    this.#outbox = outbox;
    this.#sending = sending;
    this.#attempt = attempt;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      const time = new Date(this.#input.value).getTime();
      if (Number.isNaN(time)) {
        setText(this.#problem, 'Give a date and a time.');
        this.#input.setAttribute('aria-invalid', 'true');
        this.#input.focus();
        return;
      }
      void this.#move(time);
    });
    this.#form.addEventListener('click', ({ target }) => {
      const time = target instanceof HTMLElement ? target.dataset.time : undefined;
      if (time) void this.#move(timeOf(time, Date.now()));
    });
    byId('count-attempt').addEventListener('click', () => void attempt(async () => {
      const attempts = await outbox.incrementAttempts(this.#id);
      return `Attempt ${attempts} counted`;
    }));
  }

  /**
   * @param {string} id
   * @param {number} timestamp
   * @param {number} attempts
   */
  show(id, timestamp, attempts) {
    const now = Date.now();
    // A time that somebody is typing is left alone.
    if (id !== this.#id || timestamp !== this.#shown) {
      this.#input.value = localInput(timestamp);
      this.#clearProblem();
    }
    this.#id = id;
    this.#shown = timestamp;
    const next = byId('message-next');
    const sending = this.#sending.underWay.has(id);
    setText(next, sending ? 'sending…' : nextText(timestamp, now));
    next.classList.toggle('is-sending', sending);
    next.classList.toggle('is-due', !sending && timestamp <= now);
    setText(byId('message-at'), sending ? '' : dateAndTime(timestamp));
    setText(byId('message-attempts'), String(attempts));
  }

  /** @param {number} time */
  #move(time) {
    this.#clearProblem();
    const id = this.#id;
    return this.#attempt(async () => {
      await this.#outbox.setTimestamp(id, time);
      return `Next attempt ${fromNow(time, Date.now())}, ${dateAndTime(time)}`;
    });
  }

  #clearProblem() {
    setText(this.#problem, '');
    this.#input.removeAttribute('aria-invalid');
  }
}
