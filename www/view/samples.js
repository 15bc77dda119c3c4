import { h, icon } from './dom.js';
import { reason } from './format.js';

/** The messages in samples/, and what each is good for. */
const SAMPLES = [
  ['plain-note.eml', 'A short note', 'Plain text, one recipient'],
  ['photo-attached.eml', 'A picture attached', 'Two attachments, a Cc'],
  ['encoded-headers.eml', 'Encoded headers', 'RFC 2047, three scripts'],
  ['many-recipients.eml', 'Many recipients', 'A folded To, a Bcc'],
  ['newsletter.eml', 'A newsletter', 'HTML only, a bounce address'],
  ['utf8-headers.eml', 'UTF-8 as it stands', '8-bit headers and addresses'],
];

/**
 * Buttons that queue the samples.
 *
 * @param {Element} list
 * @param {(files: File[]) => void} add
 * @param {(text: string) => void} say
 */
export function offerSamples(list, add, say) {
  for (const [file, title, about] of SAMPLES) {
    list.append(h('li', {}, h('button', {
      type: 'button',
      className: 'sample',
      'data-sample': file,
      onclick: async () => {
        try {
          add([await fetchSample(file)]);
        } catch (error) {
          say(`The sample could not be loaded: ${reason(error)}`);
        }
      },
    }, icon('envelope'), h('span', {}, h('strong', {}, title), h('small', {}, about)))));
  }
}

/**
 * Lets a menu close as menus do: by the Escape key, and when something else is pressed.
 *
 * @param {HTMLDetailsElement} menu
 */
export function closeLikeMenu(menu) {
  menu.addEventListener('keydown', ({ key }) => {
    if (key !== 'Escape' || !menu.open) return;
    menu.open = false;
    menu.querySelector('summary')?.focus();
  });
  document.addEventListener('pointerdown', ({ target }) => {
    if (target instanceof Node && !menu.contains(target)) menu.open = false;
  });
}

/** @param {string} file */
async function fetchSample(file) {
  const response = await fetch(`samples/${file}`);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return new File([await response.arrayBuffer()], file, { type: 'message/rfc822' });
}
