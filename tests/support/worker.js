/** A worker of any kind that makes the calls it is sent and answers by the ports that come with them. */
import { perform } from './contexts.js';

async function answer({ data: call, ports: [port] }) {
  try {
    port.postMessage({ value: await perform(call, (told) => port.postMessage({ told })) });
  } catch (error) {
    port.postMessage({ error: String(error) });
  }
}

addEventListener('message', (event) => {
  const work = answer(event);
  event.waitUntil?.(work);
});
addEventListener('connect', ({ ports: [port] }) => {
  port.onmessage = answer;
});
