// A service that takes mail over HTTP, keeps it in LevelDB, and sends it by SMTP.
import { ClassicLevel } from 'classic-level';
import Fastify from 'fastify';
import nodemailer from 'nodemailer';
import addressparser from 'nodemailer/lib/addressparser/index.js';
import MailComposer from 'nodemailer/lib/mail-composer/index.js';
import { AsyncDictStorage, Queue, QueueError, parseMessage } from 'slimta-queue-dict';
import { levelHost } from 'slimta-queue-dict/level';
import { smtpRelay } from 'slimta-queue-dict/relays';

const { SMTP_URL = 'smtp://localhost:25', PORT = '3000', QUEUE = 'mail-queue' } = process.env;

const transport = nodemailer.createTransport(SMTP_URL);
const db = new ClassicLevel(QUEUE);
const storage = new AsyncDictStorage(levelHost(db));
const queue = new Queue(storage, smtpRelay(transport), { keepDelivered: 3_600_000 });

queue.addEventListener('delivered', ({ detail }) => console.log(`${detail.id}: delivered to ${detail.recipients.join(', ')}`));
queue.addEventListener('deferred', ({ detail }) => {
  console.log(`${detail.id}: again at ${new Date(detail.timestamp).toISOString()}: ${detail.reply?.message}`);
});
queue.addEventListener('failed', ({ detail }) => console.log(`${detail.id}: given up ${detail.recipients.join(', ')}`));
queue.addEventListener('error', ({ detail }) => console.error(detail.id, detail.error));

const service = Fastify();

service.post('/mail', async (request, response) => {
  const { from, to, subject, text, html } = request.body ?? {};
  const refuse = (/** @type {string} */ error) => response.code(400).send({ error });
  // nodemailer reads a file or asks another server where a part of a message is an object with a path or a URL.
  for (const [name, value] of Object.entries({ subject, text, html })) {
    if (typeof (value ?? '') !== 'string') return refuse(`${name}: expected a text`);
  }
  try {
    const composed = new MailComposer({
      from, to, subject, text, html, disableFileAccess: true, disableUrlAccess: true,
    }).compile();
    const { from: sender, to: recipients } = composed.getEnvelope(); // addresses without the names beside them
    if (!sender) return refuse('from: expected an address');
    const asked = addressparser([to].flat().join(', '), { flatten: true });
    // Where one of several is no address, nodemailer leaves it out and says nothing.
    if (recipients.length === 0 || asked.some(({ address }) => !address.includes('@'))) return refuse('to: expected the addresses of recipients');
    const key = request.headers['idempotency-key'];
    const [[, id]] = await queue.enqueue(
      { sender, recipients, ...parseMessage(await composed.build()) },
      { key: key && `${sender} ${key}` }, // what one client chooses, another one may choose too
    );
    return response.code(202).send({ id });
  } catch (error) {
    if (!(error instanceof QueueError)) return refuse(error.message);
    console.error(error); // perhaps it is stored: the same key stores it once
    return response.code(503).header('Retry-After', '60').send({ error: error.code });
  }
});

service.get('/mail', async () => {
  const waiting = [];
  for await (const { id, state, due, attempts, replies } of queue.list()) {
    if (state === 'delivered') continue; // keepDelivered lets it stay for an hour
    waiting.push({ id, state, due: new Date(due), attempts, replies });
    if (waiting.length === 100) break;
  }
  return { counts: await queue.count(), waiting };
});

service.delete('/mail/:id', async (request, response) => (
  response.code(await queue.cancel(request.params.id) ? 204 : 409).send()));

try {
  await storage.getInfo(); // opens the database
} catch (error) {
  console.error(`The folder ${QUEUE} cannot be used: ${error.message}`);
  process.exit(1);
}
await transport.verify().catch((error) => {
  console.error(`There is no SMTP server at ${SMTP_URL} (${error.message}). Messages wait until there is one; SMTP_URL names another.`);
});
queue.start();
console.log(`takes mail at ${await service.listen({ port: Number(PORT) })}/mail`);

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    await service.close();
    await queue.stop({ timeout: 20_000 });
    await storage.close();
    await db.close();
    transport.close();
  });
}
