import assert from 'node:assert/strict';
import { all, idOf, outcome } from './calls.js';

const OWNERS = ['one', 'two', ''];

/** What a storage must do, said with one plain Map and no thought of speed, hosts or failures. */
export class Model {
  /** @type {Map<string, { envelope: any, timestamp: number, attempts: number, delivered: Set<number>, lease: any }>} */
  messages = new Map();
  /** Ids of messages that were removed. */
  gone = [];

  write(id, envelope, timestamp) {
    if (this.messages.has(id)) return;
    this.messages.set(id, { envelope, timestamp, attempts: 0, delivered: new Set(), lease: undefined });
  }

  /** @returns {any} what `get` shows */
  show(id) {
    const { envelope, attempts, delivered } = this.messages.get(id);
    const left = envelope.recipients.map((_, i) => i).filter((i) => !delivered.has(i));
    return [{ ...envelope, recipients: left.map((i) => envelope.recipients[i]) }, attempts, left];
  }

  change(id, expect, next) {
    const message = this.messages.get(id);
    const same = (one, other) => (one ?? null) === (other ?? null) ||
      (!!one && !!other && one.until === other.until && one.owner === other.owner);
    if (expect?.timestamp !== undefined && expect.timestamp !== message.timestamp) return false;
    if (expect?.attempts !== undefined && expect.attempts !== message.attempts) return false;
    if (expect?.lease !== undefined && !same(expect.lease, message.lease)) return false;
    message.timestamp = next.timestamp ?? message.timestamp;
    message.attempts = next.attempts ?? message.attempts;
    if (next.lease !== undefined) message.lease = next.lease ?? undefined;
    for (const index of next.delivered ?? []) message.delivered.add(index);
    return true;
  }

  remove(id) {
    if (this.messages.delete(id)) this.gone.push(id);
  }

  /** Everything, to compare with `contents`. */
  contents() {
    return new Map([...this.messages].map(([id, { timestamp }]) => [id, [timestamp, ...this.show(id)]]));
  }
}

/** Everything that a storage shows. */
export async function contents(storage) {
  const shown = new Map();
  for (const [timestamp, id] of await all(storage.load())) {
    assert.ok(!shown.has(id), `${id} is listed twice`);
    shown.set(id, [timestamp, ...(await storage.get(id))]);
  }
  return shown;
}

let envelopes = 0;

/** @param {import('./random.js').Random} random */
export function randomEnvelope(random) {
  const recipients = Array.from({ length: 1 + random.below(6) }, () => `r${random.below(4)}@example.com`);
  const envelope = { sender: random.pick([null, '', 's@example.com']), recipients, number: envelopes++ };
  if (random.chance(2)) envelope.message = random.pick(['', 'text', new Uint8Array([1, 2, 3])]);
  if (random.chance(3)) envelope.headers = [['Subject', `${random.below(100)}`]];
  if (random.chance(4)) envelope.note = { list: [random.below(9), new Map([['k', null]])], when: new Date(5) };
  return envelope;
}

/** One operation chosen at random, made on the storage and on the model, which must agree. */
export async function step(storage, model, random) {
  const there = [...model.messages.keys()];
  const strange = [...model.gone.slice(-5), idOf(random.below(99))];
  const id = random.pick(there.length > 0 && !random.chance(8) ? there : strange);
  const missing = !model.messages.has(id);
  const recipients = missing ? [0] : model.messages.get(id).envelope.recipients.map((_, i) => i);
  const expectKeyError = async (call) => {
    const { error } = await outcome(call);
    assert.deepEqual([error?.name, error?.id], ['KeyError', id], String(error));
  };
  const either = async (call, inModel) => {
    if (missing) return expectKeyError(call);
    assert.deepEqual(await call(), inModel());
  };
  const lease = () => random.pick([null, { until: random.below(3), owner: random.pick(OWNERS) }]);
  const timestamp = () => random.pick([random.below(5), -1, 0.5, 1e12]);
  switch (random.below(there.length > 40 ? 13 : 11)) {
    case 0:
    case 1: {
      const [envelope, due] = [randomEnvelope(random), timestamp()];
      model.write(await storage.write(envelope, due), envelope, due);
      break;
    }
    case 2: {
      const [envelope, due] = [randomEnvelope(random), timestamp()];
      assert.equal(await storage.write(envelope, due, { id }), id);
      model.write(id, envelope, due);
      break;
    }
    case 3: {
      const due = timestamp();
      await either(() => storage.setTimestamp(id, due), () => void (model.messages.get(id).timestamp = due));
      break;
    }
    case 4:
      await either(() => storage.incrementAttempts(id), () => ++model.messages.get(id).attempts);
      break;
    case 5: {
      const marks = random.some(recipients);
      await either(() => storage.setRecipientsDelivered(id, marks),
        () => void model.change(id, null, { delivered: marks }));
      break;
    }
    case 6: {
      const expect = {};
      const next = {};
      const message = model.messages.get(id);
      if (random.chance(3)) expect.timestamp = random.pick([message?.timestamp ?? 0, timestamp()]);
      if (random.chance(3)) expect.attempts = random.below(2);
      if (random.chance(3)) expect.lease = random.pick([message?.lease ?? null, lease()]);
      if (random.chance(2)) next.timestamp = timestamp();
      if (random.chance(2)) next.attempts = random.below(3);
      if (random.chance(2)) next.lease = lease();
      if (random.chance(2)) next.delivered = random.some(recipients);
      const anything = Object.keys(expect).length === 0 && random.chance(2);
      await either(() => storage.change(id, anything ? null : expect, next), () => model.change(id, expect, next));
      break;
    }
    case 7:
      await either(() => storage.get(id), () => model.show(id));
      break;
    case 8: {
      const wrong = random.pick([() => storage.setTimestamp(id, NaN), () => storage.write({ sender: 5 }, 1, { id }),
        () => storage.change(id, null, { attempts: 3, delivered: [99] }),
        () => storage.setRecipientsDelivered(id, [0, 99])]);
      const { error } = await outcome(wrong);
      assert.match(String(error?.name), /^(TypeError|RangeError|KeyError)$/);
      break;
    }
    case 9:
      assert.deepEqual(await storage.getInfo(), { size: there.length, metaSize: there.length });
      assert.deepEqual(new Map((await all(storage.load())).map(([due, id]) => [id, due])),
        new Map([...model.messages].map(([id, message]) => [id, message.timestamp])));
      break;
    default:
      await storage.remove(id);
      model.remove(id);
  }
}
