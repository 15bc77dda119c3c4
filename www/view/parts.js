import { html, svg } from 'lit-html';

/** One of the drawings that index.html defines. @param {string} name */
export const icon = (name) => html`<svg class="icon" aria-hidden="true">${svg`<use href="#icon-${name}"></use>`}</svg>`;

/** How each state of a recipient, or of a message, is drawn and called. */
export const STATES = /** @type {Record<string, { icon: string, word: string, tone: string }>} */ ({
  waiting: { icon: 'envelope', word: 'Waiting', tone: 'plain' },
  trying: { icon: 'plane', word: 'Being tried', tone: 'busy' },
  sending: { icon: 'plane', word: 'Sending', tone: 'busy' },
  elsewhere: { icon: 'plane', word: 'Sending in another tab', tone: 'busy' },
  deferred: { icon: 'clock', word: 'Deferred', tone: 'wait' },
  delivered: { icon: 'check', word: 'Delivered', tone: 'good' },
  failed: { icon: 'close', word: 'Failed', tone: 'bad' },
  cancelled: { icon: 'minus', word: 'Taken back', tone: 'plain' },
  unseen: { icon: 'question', word: 'Gone, outcome not seen', tone: 'plain' },
});

/**
 * A badge with a drawing and a word: colour alone says nothing.
 *
 * @param {string} state
 * @param {string} [word]
 */
export function badge(state, word) {
  const { icon: drawing, word: usual, tone } = STATES[state];
  return html`<span class="badge is-${tone}">${icon(drawing)}${word ?? usual}</span>`;
}

/**
 * Does something that may fail, and says so.
 *
 * @param {() => Promise<unknown>} work
 */
export async function attempt(work) {
  try {
    const text = await work();
    if (typeof text === 'string') say(text);
  } catch (error) {
    say(`That did not work: ${error instanceof Error ? error.message : error}`);
  }
}

/** Puts the status where it is seen and heard: what is not in an open modal dialog is neither. */
export function placeStatus() {
  const status = /** @type {HTMLElement} */ (document.getElementById('status'));
  const place = [...document.querySelectorAll('dialog:modal')].at(-1) ?? document.body;
  if (status.parentElement !== place) place.append(status);
  return status;
}

/** How long a sentence stays on the page, in milliseconds. */
const STAYS = 6_000;
let timer = 0;

/**
 * Says something short, also to those who listen to the page.
 *
 * @param {string} text
 */
export function say(text) {
  const status = placeStatus();
  status.textContent = text;
  status.classList.add('is-shown');
  clearTimeout(timer);
  timer = setTimeout(() => status.classList.remove('is-shown'), STAYS);
}
