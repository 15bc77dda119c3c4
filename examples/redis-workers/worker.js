// One of several processes that send. It tells its parent of each message, and ends when it is told.
import nodemailer from 'nodemailer';
import { smtpRelay } from 'slimta-queue-dict/relays';
import { SMTP_URL, openQueue } from './queue.js';

const transport = nodemailer.createTransport(SMTP_URL);
const { queue, close } = await openQueue(smtpRelay(transport));
queue.addEventListener('delivered', ({ detail }) => process.send?.(detail.recipients.length));
queue.start();

process.once('SIGTERM', async () => {
  await close();
  transport.close();
  if (process.connected) process.disconnect();
});
