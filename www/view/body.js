/** @import { Attachment } from 'postal-mime' */
/** @import { Envelope } from 'slimta-queue-dict' */
/** @import { Body } from '../mail.js' */
import { readBody } from '../mail.js';
import { byId, h, icon, setText } from './dom.js';
import { fileSize, reason } from './format.js';

/** How much of a text is shown. */
const PREVIEW = 20_000;
/** Pictures that are shown small; everything else is a file to save. */
const PICTURES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

/** What is in the opened message: headers as they stand there, text, attachments. */
export class MessageBody {
  #text = byId('message-text');
  #attachments = byId('attachment-list');
  #headers = byId('header-list');
  /** @type {string[]} */
  #urls = [];
  #turn = 0;

  /** @param {Envelope} envelope */
  async show(envelope) {
    const turn = ++this.#turn;
    this.clear();
    this.#showHeaders(envelope.headers ?? []);
    setText(this.#text, 'Reading…');
    /** @type {Body} */
    let body;
    try {
      body = await readBody(envelope);
    } catch (error) {
      body = { text: `This message cannot be decoded: ${reason(error)}`, attachments: [] };
    }
    if (turn !== this.#turn) return; // another message was opened meanwhile
    const { text, attachments } = body;
    setText(this.#text, text.length > PREVIEW ? `${text.slice(0, PREVIEW)}…` : text || 'This message has no text.');
    this.#text.classList.toggle('is-faint', text === '');
    byId('attachments').hidden = attachments.length === 0;
    setText(byId('attachments-title'), `Attachments (${attachments.length})`);
    this.#attachments.replaceChildren(...attachments.map((attachment) => this.#item(attachment)));
  }

  /** Lets go of what is shown. */
  clear() {
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
    this.#attachments.replaceChildren();
    byId('attachments').hidden = true;
    setText(this.#text, '');
  }

  /** @param {[string, string][]} headers */
  #showHeaders(headers) {
    setText(byId('header-count'), String(headers.length));
    this.#headers.replaceChildren(...headers.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
  }

  /** @param {Attachment} attachment */
  #item({ filename, mimeType, content }) {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : new Uint8Array(content);
    const name = filename || 'unnamed';
    const picture = PICTURES.has(mimeType);
    // Only a picture keeps its type: nothing else is to be opened by the browser in this page's name.
    const url = URL.createObjectURL(new Blob([bytes], { type: picture ? mimeType : 'application/octet-stream' }));
    this.#urls.push(url);
    return h('li', {},
      picture ? h('img', { src: url, alt: '', className: 'thumbnail' })
        : h('span', { className: 'thumbnail' }, icon('clip')),
      h('span', { className: 'who' },
        h('strong', {}, name),
        h('span', { className: 'address' }, `${mimeType}, ${fileSize(bytes.length)}`)),
      h('a', { href: url, download: name, className: 'icon-button', 'aria-label': `Save ${name}` }, icon('download')));
  }
}
