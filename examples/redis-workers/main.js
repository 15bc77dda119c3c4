// Puts messages into the queue, has three processes send them, and says how many each has sent.
import { fork } from 'node:child_process';
import nodemailer from 'nodemailer';
import { addDateHeader, addMessageIdHeader } from 'slimta-queue-dict/policies';
import { SMTP_URL, openQueue } from './queue.js';

const MESSAGES = Number(process.env.MESSAGES ?? 30);

const transport = nodemailer.createTransport(SMTP_URL);
await transport.verify().catch((error) => {
  console.error(`There is no SMTP server at ${SMTP_URL} (${error.message}). SMTP_URL names another.`);
  process.exit(1);
});
transport.close();
const { queue, close } = await openQueue(null);
for (const policy of [addDateHeader(), addMessageIdHeader()]) queue.addPolicy(policy);

const workers = [1, 2, 3].map((number) => ({
  number, sent: 0, child: fork(new URL('worker.js', import.meta.url)),
}));
const allSent = new Promise((resolve) => {
  for (const worker of workers) {
    worker.child.on('message', (count) => {
      worker.sent += Number(count);
      if (workers.reduce((sum, { sent }) => sum + sent, 0) >= MESSAGES) resolve(undefined);
    });
  }
});

await Promise.all(Array.from({ length: MESSAGES }, (_, i) => queue.enqueue({
  sender: 'news@example.com',
  recipients: [`reader-${i}@example.com`],
  headers: [['From', 'news@example.com'], ['To', `reader-${i}@example.com`], ['Subject', 'News']],
  message: `This is for reader ${i}.\r\n`,
})));
console.log(`${MESSAGES} messages are in the queue`);
await allSent;

await Promise.all(workers.map(({ child }) => new Promise((resolve) => {
  child.once('exit', resolve);
  child.kill('SIGTERM');
})));
for (const { number, sent } of workers) console.log(`worker ${number} has sent ${sent}`);
const { waiting, sending, deferred } = await queue.count();
console.log(`${waiting + sending + deferred} messages are left`);
await close();
