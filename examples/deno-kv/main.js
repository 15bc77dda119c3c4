// Takes mail over HTTP, keeps it in Deno KV, and posts it to a mail service.
import { AsyncDictStorage, Queue, QueueError } from 'slimta-queue-dict';
import { denoKvHost } from 'slimta-queue-dict/deno-kv';
import { addDateHeader, addMessageIdHeader } from 'slimta-queue-dict/policies';
import { httpRelay } from 'slimta-queue-dict/relays';

const url = Deno.env.get('SEND_URL');
if (!url) {
  console.error('SEND_URL is missing: the address of the service that sends mail, such as https://mail.example.com/send');
  Deno.exit(1);
}
if (!Deno.openKv) {
  console.error('There is no Deno KV: start this with --unstable-kv');
  Deno.exit(1);
}
const kv = await Deno.openKv(Deno.env.get('QUEUE') ?? 'mail.kv');
const storage = new AsyncDictStorage(denoKvHost(kv));
const queue = new Queue(storage, httpRelay(url));
for (const policy of [addDateHeader(), addMessageIdHeader()]) queue.addPolicy(policy);
queue.addEventListener('delivered', ({ detail }) => console.log(`${detail.id}: delivered to ${detail.recipients.join(', ')}`));
queue.addEventListener('deferred', ({ detail }) => console.log(`${detail.id}: again later: ${detail.reply?.message}`));
queue.addEventListener('error', ({ detail }) => console.error(detail.id, detail.error));
queue.start();

const server = Deno.serve({
  port: Number(Deno.env.get('PORT') ?? 8000), hostname: '127.0.0.1',
  onListen: ({ port }) => console.log(`takes mail at http://127.0.0.1:${port}/`),
}, async (request) => {
  if (request.method !== 'POST') return Response.json(await queue.count());
  try {
    const { from, to, text } = await request.json();
    const [[, id]] = await queue.enqueue({
      sender: from, recipients: [to].flat(), headers: [['From', from], ['To', [to].flat().join(', ')]], message: text,
    });
    return Response.json({ id }, { status: 202 });
  } catch (error) {
    const status = error instanceof QueueError ? 503 : 400;
    return Response.json({ error: error.message }, { status });
  }
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  Deno.addSignalListener(signal, async () => {
    await server.shutdown();
    await queue.stop();
    await storage.close();
    kv.close();
    Deno.exit();
  });
}
