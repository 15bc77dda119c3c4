/** @import { Command, Context } from '../context.js' */
/** @import { ListedMessage } from '../../types.js' */
import { Failure } from '../failures.js';
import { listed } from '../places/part.js';
import { PLACE_OPTIONS, queueOn, whereOf } from '../places/place.js';
import { writeHead, writeRow } from '../row.js';

/** @type {Command} */
export const watch = {
  summary: 'Follows what comes and what changes, until ctrl-c',
  about: [
    'Writes a line for each message that comes, changes or goes (removed). What changes again at once may have one line for both.',
    'It needs a place that several programs can have open, which a LevelDB is not.',
  ],
  options: { ...PLACE_OPTIONS, all: { help: 'begins with what is there' } },
  async run(context) {
    const where = whereOf(context.values);
    if ('level' in where) {
      throw new Failure('watch sees nothing on a LevelDB: it lets in one program at a time, so nobody could change anything');
    }
    const place = await context.open(where);
    await new Watcher(context, place).run();
  },
};

/** What is known of the messages, and what of them is to be looked at again. */
class Watcher {
  #context;
  #place;
  /** What was known last of each message that is there. @type {Map<string, string>} */
  #known = new Map();
  /** @type {Set<string>} */
  #changed = new Set();
  #wake = () => {};

  /**
   * @param {Context} context
   * @param {import('../places/place.js').Place} place
   */
  constructor(context, place) {
    this.#context = context;
    this.#place = place;
  }

  async run() {
    const { signal, values, out } = this.#context;
    const { host, storage } = this.#place;
    // Removals are told of by the host alone; where it has missed some, each message that is known is looked at.
    const leave = host.subscribe?.((id) => this.#touch(id === undefined ? this.#known.keys() : [id]));
    const coming = storage.wait();
    const end = () => {
      leave?.();
      coming.return?.();
      this.#wake();
    };
    signal.addEventListener('abort', end);
    if (!values.json) await writeHead(out);
    for await (const message of queueOn(storage, undefined).list()) {
      if (values.all) await this.#write(message);
      this.#known.set(message.id, JSON.stringify(message));
    }
    /** @type {{ error: unknown } | undefined} */
    let failure;
    this.#hear(coming).catch((error) => {
      failure = { error };
      this.#wake();
    });
    while (!signal.aborted) {
      for (const id of this.#changed) {
        if (signal.aborted) return;
        this.#changed.delete(id);
        await this.#look(id);
      }
      const woken = new Promise((resolve) => (this.#wake = () => resolve(undefined)));
      if (failure) throw failure.error;
      if (this.#changed.size === 0 && !signal.aborted) await woken;
    }
  }

  /**
   * Hears of what comes and changes; rejects when that cannot be heard of any more.
   *
   * @param {AsyncIterable<[timestamp: number, id: string]>} coming
   */
  async #hear(coming) {
    for await (const [, id] of coming) this.#touch([id]);
  }

  /** @param {Iterable<string>} ids */
  #touch(ids) {
    for (const id of ids) this.#changed.add(id);
    this.#wake();
  }

  /** @param {string} id */
  async #look(id) {
    const message = await listed(this.#place.host, id);
    if (!message) {
      if (this.#known.delete(id)) await this.#write({ id, state: 'removed' });
      return;
    }
    const text = JSON.stringify(message);
    if (this.#known.get(id) === text) return;
    this.#known.set(id, text);
    await this.#write(message);
  }

  /** @param {ListedMessage | { id: string, state: 'removed' }} message */
  #write(message) {
    const { values, out } = this.#context;
    return values.json ? out.json(message) : writeRow(out, message);
  }
}
