/** The one fake host: atomic, for many writers, in memory. */

const soon = () => Promise.resolve();

/** What several hosts, as in several tabs, keep together. */
export class Store {
  envelope = new Map();
  meta = new Map();
  /** @type {Set<{ host: MemoryHost, notify: (id: string) => void }>} */
  listeners = new Set();
}

/**
 * Commits at once and all or nothing. A version is a token that says nothing about the record; a page is small and
 * ordered by id.
 */
export class MemoryHost {
  supports = { atomic: true, writers: 'many', exactlyOnceLoad: true, durable: 'none' };
  commits = 0;
  closes = 0;
  #store;
  #pageSize;
  #pause;

  /**
   * @param {Store} store
   * @param {{ pageSize?: number, pause?: () => Promise<unknown>, silent?: boolean }} [options] a silent host cannot
   *   tell what others do
   */
  constructor(store = new Store(), { pageSize = 7, pause = soon, silent = false } = {}) {
    this.#store = store;
    this.#pageSize = pageSize;
    this.#pause = pause;
    if (silent) this.subscribe = undefined;
  }

  async read(dict, id) {
    await this.#pause();
    const stored = this.#store[dict].get(id);
    await this.#pause();
    return stored === undefined ? undefined : { value: structuredClone(stored), version: new Token(stored) };
  }

  async commit({ checks, writes }) {
    const copies = writes.map(({ value }) => structuredClone(value));
    await this.#pause();
    this.commits++;
    const holds = checks.every(({ dict, id, version }) => {
      const stored = this.#store[dict].get(id);
      return version === null ? stored === undefined : version.isOf(stored);
    });
    if (holds) {
      writes.forEach(({ dict, id }, i) => {
        if (copies[i] === undefined) this.#store[dict].delete(id);
        else this.#store[dict].set(id, copies[i]);
      });
    }
    await this.#pause();
    if (holds) this.#tellOthers(new Set(writes.map(({ id }) => id)));
    return holds;
  }

  async page(dict, cursor, limit) {
    await this.#pause();
    const ids = [...this.#store[dict].keys()].filter((id) => cursor === undefined || id > cursor).sort();
    const page = ids.slice(0, Math.min(limit, this.#pageSize));
    const entries = page.map((id) => (dict === 'meta' ? [id, structuredClone(this.#store.meta.get(id))] : [id]));
    return page.length < ids.length ? { entries, next: page.at(-1) } : { entries };
  }

  async sizes() {
    await this.#pause();
    return { size: this.#store.envelope.size, metaSize: this.#store.meta.size };
  }

  subscribe(notify) {
    const listener = { host: this, notify };
    this.#store.listeners.add(listener);
    return () => this.#store.listeners.delete(listener);
  }

  async close() {
    await this.#pause();
    this.closes++;
  }

  #tellOthers(ids) {
    for (const { host, notify } of this.#store.listeners) {
      if (host !== this) ids.forEach((id) => notify(id));
    }
  }
}

class Token {
  #stored;

  constructor(stored) {
    this.#stored = stored;
  }

  isOf(stored) {
    return stored !== undefined && this.#stored === stored;
  }
}
