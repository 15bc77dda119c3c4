/**
 * Draws, and keeps the focus near where it was: whatever a drawing takes away would drop the focus to the top of the page.
 *
 * @param {HTMLElement} root
 * @param {() => void} draw
 */
export function keepFocus(root, draw) {
  const focused = document.activeElement;
  const places = focused && root.contains(focused) ? placesFrom(focused) : [];
  draw();
  if (!focused?.isConnected) places.find((place) => place?.isConnected)?.focus();
}

/**
 * Where the focus may go from an element, the best place first: its message, those below it, the heading above it.
 *
 * @param {Element} focused
 * @returns {(HTMLElement | null | undefined)[]}
 */
function placesFrom(focused) {
  const places = [];
  for (let letter = focused.closest('.letter'); letter; letter = letter.nextElementSibling) places.push(letter.querySelector('.letter-open'));
  return /** @type {HTMLElement[]} */ ([
    ...places, focused.closest('section, footer')?.querySelector('h2'), document.getElementById('outbox-title'),
  ]);
}
