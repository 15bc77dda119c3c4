import { byId, setText } from './dom.js';

/**
 * Asks whether a message is to be removed.
 *
 * @param {string} subject
 * @param {string} consequence
 * @returns {Promise<boolean>}
 */
export function confirmRemoval(subject, consequence) {
  /** @type {HTMLDialogElement} */
  const dialog = byId('confirm');
  setText(byId('confirm-title'), `Remove “${subject}”?`);
  setText(byId('confirm-text'), consequence);
  dialog.returnValue = 'keep';
  dialog.showModal();
  byId('confirm-keep').focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'remove'), { once: true });
  });
}
