// When a page is put aside by the back-forward cache, and when somebody comes back to it.

/**
 * Has something that others may wait for.
 *
 * @typedef {object} Holder
 * @property {() => void} putAside the page is left, and kept as it is without going on: by the back-forward cache
 * @property {() => void} [comeBack] somebody came back to it
 */

/** @type {Set<Holder>} */
const holders = new Set();
let isListening = false;

/**
 * Tells a holder from now on, where there is a page.
 *
 * @param {Holder} holder
 */
export function followPage(holder) {
  holders.add(holder);
  if (isListening) return;
  isListening = true;
  const { addEventListener: listen } = globalThis;
  listen?.call(globalThis, 'pagehide', (event) => {
    if (isPersisted(event)) for (const each of [...holders]) each.putAside();
  });
  listen?.call(globalThis, 'pageshow', (event) => {
    if (isPersisted(event)) for (const each of [...holders]) each.comeBack?.();
  });
}

/** @param {Event} event */
function isPersisted(event) {
  return /** @type {PageTransitionEvent} */ (event).persisted;
}

/** @param {Holder} holder */
export function unfollowPage(holder) {
  holders.delete(holder);
}
