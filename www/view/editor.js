/** @import { Message, Store } from '../store.js' */
import { html, nothing, render } from 'lit-html';
import { compose } from '../compose.js';
import { authorOf, readBody, subjectOf } from '../mail.js';
import { attempt, icon, placeStatus } from './parts.js';

const KEPT = 'outbox-draft';
const FIELDS = /** @type {const} */ (['from', 'to', 'cc', 'bcc', 'subject', 'text']);

/** @typedef {Record<typeof FIELDS[number], string>} Draft */

/** @type {Draft} */
const EMPTY = { from: 'you@example.com', to: '', cc: '', bcc: '', subject: '', text: '' };

/** Where mail is written. A draft stays when the page is closed. */
export class Editor {
  #store;
  /** @type {HTMLDialogElement} */
  #dialog;
  /** @type {File[]} */
  #files = [];
  /** The files of the draft while another message is edited. @type {File[]} */
  #drafted = [];
  /** The message whose failed recipients this one is for. @type {Message | undefined} */
  #instead;
  #sending = false;

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
    this.#dialog = document.createElement('dialog');
    this.#dialog.className = 'editor';
    this.#dialog.setAttribute('aria-labelledby', 'editor-title');
    this.#dialog.addEventListener('close', placeStatus);
    this.#dialog.addEventListener('cancel', (event) => {
      if (this.#sending) event.preventDefault();
    });
    document.body.append(this.#dialog);
  }

  get isOpen() {
    return this.#dialog.open;
  }

  /** Opens the draft that was left. */
  write() {
    if (this.#sending) return;
    if (this.#instead) this.#files = this.#drafted;
    this.#instead = undefined;
    this.#show({ ...EMPTY, ...JSON.parse(localStorage.getItem(KEPT) ?? '{}') });
  }

  /**
   * Writes a message anew to those who were given up.
   *
   * @param {Message} message
   */
  async edit(message) {
    const envelope = await this.#store.actions.envelope(message);
    if (!envelope) throw new Error('the message is gone');
    const { text, attachments } = await readBody(envelope);
    const { headers = [] } = envelope;
    if (this.#sending || this.isOpen) return; // something else was opened while this was read
    if (!this.#instead) this.#drafted = this.#files;
    this.#instead = message;
    this.#files = attachments.map(({ content, filename, mimeType }) => new File([/** @type {BlobPart} */ (content)], filename ?? 'unnamed', { type: mimeType }));
    this.#show({
      ...EMPTY, from: authorOf(headers)?.address ?? envelope.sender ?? '', subject: subjectOf(headers), text,
      to: message.recipients.filter(({ state }) => state === 'failed').map(({ address }) => address).join(', '),
    });
  }

  /** @param {File[]} files */
  attach(files) {
    if (this.#sending) return;
    this.#files = [...this.#files, ...files];
    this.#draw();
  }

  /** @param {Draft} draft */
  #show(draft) {
    this.#draw();
    const form = /** @type {HTMLFormElement} */ (this.#dialog.querySelector('form'));
    for (const name of FIELDS) /** @type {HTMLInputElement} */ (form.elements.namedItem(name)).value = draft[name];
    this.#dialog.showModal();
    /** @type {HTMLElement} */ (form.elements.namedItem('to')).focus();
  }

  #draw() {
    render(html`
      <form id="editor" @submit=${this.#submit} @input=${this.#keep}>
        <header class="editor-head"><h2 id="editor-title">${this.#instead ? 'Edit and send again' : 'Write a mail'}</h2>
          <button type="button" class="icon-button" aria-label="Close" ?disabled=${this.#sending} @click=${() => this.#dialog.close()}>${icon('close')}</button></header>
        <label class="field"><span>From</span><input name="from" type="email" required autocomplete="email"></label>
        <label class="field"><span>To</span><input name="to" type="email" multiple required placeholder="ana@example.org, ben@example.org"></label>
        <div class="field-row">
          <label class="field"><span>Cc</span><input name="cc" type="email" multiple></label>
          <label class="field"><span>Bcc</span><input name="bcc" type="email" multiple></label>
        </div>
        <label class="field"><span>Subject</span><input name="subject" maxlength="500"></label>
        <label class="field"><span>Text</span><textarea name="text" rows="7"></textarea></label>
        <div class="field"><span id="files-label">Attachments</span><input name="files" type="file" multiple aria-labelledby="files-label" @change=${this.#choose}></div>
        ${this.#files.length > 0 ? html`<ul class="attached">${this.#files.map((file) => html`<li>${icon('clip')}<span>${file.name}</span>
          <button type="button" class="icon-button" aria-label="Remove ${file.name}" @click=${() => this.#remove(file)}>${icon('close')}</button></li>`)}</ul>` : nothing}
        <p class="hint">At the other side of this demo <code>busy@…</code> asks to be tried again and <code>nobody@…</code> does not exist.</p>
        <div class="button-row"><button class="button is-primary" id="send-draft" ?disabled=${this.#sending}>${icon('plane')}Queue it</button>
          ${this.#instead ? nothing : html`<button type="button" class="button is-quiet" ?disabled=${this.#sending} @click=${this.#discard}>Discard the draft</button>`}</div>
      </form>`, this.#dialog);
  }

  get #values() {
    const data = new FormData(/** @type {HTMLFormElement} */ (this.#dialog.querySelector('form')));
    return /** @type {Draft} */ (Object.fromEntries(FIELDS.map((name) => [name, String(data.get(name) ?? '')])));
  }

  #keep = () => {
    if (!this.#instead) localStorage.setItem(KEPT, JSON.stringify(this.#values));
  };

  #choose = (/** @type {any} */ { target }) => {
    this.attach([...target.files]);
    target.value = ''; // the list says what is attached; the same file may be chosen again
  };

  /** @param {File} file */
  #remove(file) {
    this.#files = this.#files.filter((other) => other !== file);
    this.#draw();
    /** @type {HTMLElement | null} */ (this.#dialog.querySelector('[name=files]'))?.focus();
  }

  #forget() {
    localStorage.removeItem(KEPT);
    this.#files = [];
  }

  #discard = () => {
    this.#forget();
    this.#dialog.close();
  };

  #submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (this.#sending) return; // a second press while the first one is stored
    this.#sending = true;
    // Where the browser closes a dialog in spite of its page, another message may be open once this one is stored.
    const [instead, files] = [this.#instead, this.#files];
    const { to, cc, bcc, ...draft } = this.#values;
    this.#draw();
    void attempt(async () => {
      const list = (/** @type {string} */ text) => text.split(',').map((each) => each.trim()).filter(Boolean);
      await this.#store.actions.send(await compose({ ...draft, to: list(to), cc: list(cc), bcc: list(bcc), files }));
      // From here on the mail is queued: a dialog that stays open would invite to queue it again.
      if (!instead) this.#forget();
      this.#dialog.close();
      try {
        if (instead) await this.#store.actions.discard(instead);
      } catch (error) {
        return `Queued. The message that was given up is still there: ${error instanceof Error ? error.message : error}`;
      }
      return 'Queued';
    }).finally(() => {
      this.#sending = false;
      this.#draw();
    });
  };
}
