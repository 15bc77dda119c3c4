/**
 * A Worker that takes mail in and keeps it: over HTTP, and from the mail servers of its network. Whoever hands a
 * message in hears that it was accepted when it is on disk, and not before.
 *
 *     POST /?from=me@example.com&to=you@example.com&to=them@example.com    the message as the body
 *     GET /                                                                the queue
 */
import { DurableObject } from 'cloudflare:workers';
import { AsyncDictStorage } from 'slimta-queue-dict';
import { durableObjectHost } from 'slimta-queue-dict/durable-object';

/** The queue. There is one object of this class, and what it says it has is stored. */
export class Outbox extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.storage = new AsyncDictStorage(durableObjectHost(ctx.storage));
  }

  /** Stores a message, due now, and returns its id. */
  accept(envelope) {
    return this.storage.write(envelope, Date.now());
  }

  /** What waits, soonest first. */
  async list() {
    const rows = [];
    for await (const [due, id] of this.storage.load()) {
      const [{ sender, recipients, message }, attempts] = await this.storage.get(id);
      rows.push({ id, due: new Date(due).toISOString(), attempts, sender, recipients, bytes: message.length });
    }
    return rows.sort((one, other) => (one.due < other.due ? -1 : 1));
  }
}

const outboxOf = (env) => env.OUTBOX.get(env.OUTBOX.idFromName('outbox'));
const bytesOf = async (stream) => new Uint8Array(await new Response(stream).arrayBuffer());

export default {
  async fetch(request, env) {
    if (request.method === 'GET') return Response.json(await outboxOf(env).list());
    if (request.method !== 'POST') return new Response(null, { status: 405 });
    const { searchParams } = new URL(request.url);
    const [sender, recipients] = [searchParams.get('from'), searchParams.getAll('to')];
    if (recipients.length === 0) return new Response('to: expected at least one address\n', { status: 400 });
    try {
      const id = await outboxOf(env).accept({ sender, recipients, message: await bytesOf(request.body) });
      return Response.json({ id }, { status: 202 });
    } catch (error) {
      return new Response(`${error.message}\n`, { status: error instanceof TypeError ? 400 : 503 });
    }
  },

  /** What this throws is a temporary failure for the sending server, which will try again. */
  async email(message, env) {
    await outboxOf(env).accept({
      sender: message.from, recipients: [message.to], message: await bytesOf(message.raw),
    });
  },
};
