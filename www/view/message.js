/** @import { Envelope } from 'slimta-queue-dict' */
/** @import { Letter, Outbox } from '../outbox.js' */
/** @import { Sending } from '../sending.js' */
import { joinEml } from '../eml.js';
import { originOf } from '../mail.js';
import { MessageBody } from './body.js';
import { byId, setText } from './dom.js';
import { reason, titleOf } from './format.js';
import { Recipients } from './recipients.js';
import { Schedule } from './schedule.js';
import { placeStatus } from './status.js';

/** From which width on the message stands beside the queue; below, it covers the page. The style sheet says the same. */
const BESIDE = '(min-width: 72rem)';

/** The panel that shows one message. */
export class MessagePanel {
  #outbox;
  #say;
  #closed;
  /** @type {HTMLDialogElement} */
  #dialog = byId('message');
  #wide = matchMedia(BESIDE);
  #schedule;
  #recipients;
  #body = new MessageBody();
  /** Whether the dialog closes only to be placed elsewhere. */
  #placing = false;
  /** @type {string | undefined} */
  #id;
  /** @type {Envelope | undefined} */
  #envelope;

  /**
   * @param {Outbox} outbox
   * @param {Sending} sending
   * @param {object} told
   * @param {(text: string) => void} told.say
   * @param {(id: string) => void} told.closed where the focus goes is the list's business
   * @param {(id: string) => void} told.remove
   */
  constructor(outbox, sending, { say, closed, remove }) {
    this.#outbox = outbox;
    this.#say = say;
    this.#closed = closed;
    /** @param {() => Promise<string>} what */
    const attempt = async (what) => {
      try {
        say(await what());
      } catch (error) {
        say(`That did not work: ${reason(error)}`);
      }
    };
    this.#schedule = new Schedule(outbox, sending, attempt);
    this.#recipients = new Recipients(outbox, attempt);
    byId('message-close').addEventListener('click', () => this.#dialog.close());
    byId('remove-message').addEventListener('click', () => this.#id && remove(this.#id));
    byId('save-message').addEventListener('click', () => this.#save());
    this.#dialog.addEventListener('close', () => this.#release());
    this.#dialog.addEventListener('keydown', (event) => {
      // A dialog beside the page does not close by itself.
      if (event.key === 'Escape' && !event.defaultPrevented && !this.#dialog.matches(':modal')) this.#dialog.close();
    });
    this.#wide.addEventListener('change', () => {
      if (!this.#dialog.open) return;
      this.#placing = true;
      this.#dialog.close();
      this.#place();
    });
  }

  /** Which message is shown. */
  get id() {
    return this.#id;
  }

  /** @param {string} id */
  async open(id) {
    let message;
    try {
      message = await this.#outbox.get(id);
    } catch (error) {
      this.#say(`This message cannot be opened: ${reason(error)}`);
      return;
    }
    this.#id = id;
    this.#envelope = message.envelope;
    this.#show(message.letter, message.envelope);
    if (!this.#dialog.open) this.#place();
    this.#dialog.scrollTop = 0;
    byId('message-subject').focus();
    await this.#body.show(message.envelope);
  }

  /** Shows what has become of the message since. */
  update() {
    const letter = this.#outbox.letters.find(({ id }) => id === this.#id);
    if (letter) this.#show(letter);
    else if (this.#id && this.#outbox.timeOf(this.#id) === undefined) this.#dialog.close();
  }

  /**
   * @param {Letter} letter
   * @param {Envelope} [envelope]
   */
  #show(letter, envelope) {
    setText(byId('message-subject'), titleOf(letter));
    setText(byId('message-from'), letter.sender === ''
      ? `${letter.author || 'Nobody'} · no bounces`
      : letter.author && letter.author !== letter.sender ? `${letter.author} · bounces to ${letter.sender}` : letter.sender);
    setText(byId('message-id'), letter.id);
    this.#schedule.show(letter.id, letter.timestamp, letter.attempts);
    this.#recipients.show(letter.id, letter.recipients);
    if (envelope) byId('message').querySelector('details')?.removeAttribute('open');
  }

  #place() {
    if (this.#wide.matches) this.#dialog.show();
    else this.#dialog.showModal();
    document.body.classList.add('has-message');
    placeStatus();
  }

  #release() {
    if (this.#placing) {
      this.#placing = false;
      return;
    }
    document.body.classList.remove('has-message');
    placeStatus();
    const id = this.#id;
    this.#id = this.#envelope = undefined;
    this.#body.clear();
    if (id) this.#closed(id);
  }

  #save() {
    if (!this.#envelope) return;
    const { headers = [], message = '' } = this.#envelope;
    const url = URL.createObjectURL(new Blob([joinEml(headers, message)], { type: 'message/rfc822' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = originOf(this.#envelope)?.file ?? `${this.#id}.eml`;
    link.click();
    URL.revokeObjectURL(url);
  }
}
