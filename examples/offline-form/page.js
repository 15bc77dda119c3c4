// The form, and the list of what waits.
import { host, queue } from './outbox.js';

const form = document.querySelector('form');
const button = document.querySelector('button');
const status = document.querySelector('[role=status]');
const list = document.querySelector('ul');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { from, text } = Object.fromEntries(new FormData(form));
  button.disabled = true; // a double click sends once
  try {
    await keep({
      sender: from,
      recipients: ['office@example.com'],
      headers: [['From', from], ['To', 'office@example.com'], ['Subject', 'From the form'],
        ['Content-Type', 'text/plain; charset=utf-8']],
      message: text,
    });
  } catch (error) {
    status.textContent = `It was not accepted: ${error.message}`;
    return;
  } finally {
    button.disabled = false;
  }
  form.elements.text.value = '';
  status.textContent = 'It is kept, and is sent as soon as there is a network.';
  // The message is kept whatever comes of these, and while the page is open it sends by itself.
  host.persist().catch(() => {});
  navigator.serviceWorker?.ready.then(({ sync }) => sync?.register('outbox')).catch(() => {});
});

/** @param {import('slimta-queue-dict').Envelope} envelope */
async function keep(envelope) {
  try {
    await queue.enqueue(envelope);
  } catch (error) {
    if (error.code !== 'unknown-outcome') throw error;
    await queue.enqueue(envelope, { key: error.key }); // perhaps it is stored: its key stores it once
  }
}

async function show() {
  const items = [];
  for await (const { id, state, replies, envelope } of queue.list({ envelopes: true, limit: 50 })) {
    const item = document.createElement('li');
    item.dataset.id = id;
    const text = String(envelope?.message ?? '').slice(0, 40);
    item.textContent = `${text}: ${replies[0] ? `${state}, ${replies[0].message}` : state}`;
    items.push(item);
  }
  list.replaceChildren(...items);
}

for (const type of /** @type {const} */ (['queued', 'delivered', 'deferred', 'failed', 'removed'])) queue.addEventListener(type, show);
queue.addEventListener('error', ({ detail }) => console.warn(detail.error));
queue.start();
navigator.serviceWorker?.register('./sw.js', { type: 'module' }).catch((error) => console.warn(error));
show();
