// The form, and the list of what waits.
import { host, queue } from './outbox.js';

const form = document.querySelector('form');
const status = document.querySelector('[role=status]');
const list = document.querySelector('ul');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { from, text } = Object.fromEntries(new FormData(form));
  try {
    await queue.enqueue({
      sender: from,
      recipients: ['office@example.com'],
      headers: [['From', from], ['To', 'office@example.com'], ['Subject', 'From the form'],
        ['Content-Type', 'text/plain; charset=utf-8']],
      message: text,
    });
  } catch (error) {
    status.textContent = `It was not accepted: ${error.message}`;
    return;
  }
  form.elements.text.value = '';
  status.textContent = 'It is kept, and is sent as soon as there is a network.';
  await host.persist();
  const registration = await navigator.serviceWorker?.ready;
  await registration?.sync?.register('outbox').catch(() => {}); // while the page is open it sends by itself
});

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
navigator.serviceWorker?.register('./sw.js', { type: 'module' });
show();
