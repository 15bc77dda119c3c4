import { byId } from './dom.js';

/** How long a sentence stays on the page, in milliseconds. */
const STAYS = 6000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/**
 * Says something short, also to those who listen to the page.
 *
 * @param {string} text
 */
export function say(text) {
  placeStatus();
  const status = byId('status');
  status.textContent = text;
  status.classList.add('is-shown');
  clearTimeout(timer);
  timer = setTimeout(() => status.classList.remove('is-shown'), STAYS);
}

/** Puts the status where it is seen and heard: what is not in an open modal dialog is neither. */
export function placeStatus() {
  const status = byId('status');
  const place = [...document.querySelectorAll('dialog:modal')].at(-1) ?? document.body;
  if (status.parentElement !== place) place.append(status);
}

/**
 * Says what keeps the page from working; stays until it is gone.
 *
 * @param {string} text empty: nothing does any more
 */
export function trouble(text) {
  const element = byId('trouble');
  element.textContent = text;
  element.hidden = text === '';
}
