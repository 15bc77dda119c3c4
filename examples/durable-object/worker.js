// Takes mail, has a Durable Object keep it, and sends it when the alarm of the object comes.
import { DurableObject } from 'cloudflare:workers';
import { AsyncDictStorage, Queue } from 'slimta-queue-dict';
import { durableObjectHost } from 'slimta-queue-dict/durable-object';
import { addDateHeader, addMessageIdHeader } from 'slimta-queue-dict/policies';
import { httpRelay } from 'slimta-queue-dict/relays';

export class Outbox extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.queue = new Queue(new AsyncDictStorage(durableObjectHost(ctx.storage)), httpRelay(env.SEND_URL), {
      backoff: env.BACKOFF ? () => Number(env.BACKOFF) : undefined,
    });
    for (const policy of [addDateHeader(), addMessageIdHeader()]) this.queue.addPolicy(policy);
  }

  async send(envelope) {
    await this.wake(Date.now()); // first: what is stored is sent whatever happens then
    const [[, id]] = await this.queue.enqueue(envelope);
    return id;
  }

  count() {
    return this.queue.count();
  }

  async alarm() {
    try {
      const { nextDue } = await this.queue.run({ until: Date.now() + 600_000 });
      if (nextDue !== null) await this.wake(Math.max(nextDue, Date.now() + 1_000));
    } catch (error) {
      console.error(error);
      await this.wake(Date.now() + 60_000); // the platform repeats an alarm that throws, and stops after six times
    }
  }

  async wake(time) {
    const set = await this.ctx.storage.getAlarm();
    if (set === null || time < set) await this.ctx.storage.setAlarm(time);
  }
}

export default {
  async fetch(request, env) {
    const outbox = env.OUTBOX.get(env.OUTBOX.idFromName('outbox'));
    if (request.method !== 'POST') return Response.json(await outbox.count());
    try {
      const { from, to, text } = await request.json();
      const id = await outbox.send({
        sender: from, recipients: [to].flat(), headers: [['From', from], ['To', [to].flat().join(', ')]], message: text,
      });
      return Response.json({ id }, { status: 202 });
    } catch (error) {
      // Errors of an object have their name in front of their text.
      const isWrong = /^(Type|Range|Syntax)Error/.test(`${error.name}: ${error.message}`);
      return Response.json({ error: error.message }, { status: isWrong ? 400 : 503 });
    }
  },
};
