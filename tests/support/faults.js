/** Dictionaries and hosts of which one call, whichever a test names by its number, goes wrong. */

/** Counts calls; tells one of them what to do instead of its work. */
export class Faults {
  /** @type {string[]} the names of the calls so far */
  calls = [];
  #at = -1;
  #act;
  hit = false;

  /**
   * @param {number} at the number of the call, counted from now
   * @param {(proceed: () => any, name: string) => any} act what happens then; `proceed` does the work
   */
  plan(at, act) {
    this.calls = [];
    this.#at = at;
    this.#act = act;
    this.hit = false;
  }

  heal() {
    this.#at = -1;
  }

  run(name, proceed) {
    const number = this.calls.push(name) - 1;
    if (number !== this.#at) return proceed();
    this.hit = true;
    return this.#act(proceed, name);
  }
}

/**
 * @param {any} dict
 * @param {Faults} faults
 * @param {string} which `envelope` or `meta`, for the names of the calls
 */
export function faultyDict(dict, faults, which) {
  const run = (name, proceed) => faults.run(`${which} ${name}`, proceed);
  const faulty = {
    get: (key) => run('get', () => dict.get(key)),
    has: (key) => run('has', () => dict.has(key)),
    set: (key, value) => run('set', () => dict.set(key, value)),
    delete: (key) => run('delete', () => dict.delete(key)),
    keys: () => run('keys', () => faultyIterator(dict.keys(), run)),
    get size() {
      return run('size', () => dict.size);
    },
  };
  if (dict.entries) faulty.entries = () => run('entries', () => faultyIterator(dict.entries(), run));
  return faulty;
}

function faultyIterator(iterator, run) {
  const wrapped = { next: () => run('next', () => iterator.next()) };
  wrapped[iterator[Symbol.asyncIterator] ? Symbol.asyncIterator : Symbol.iterator] = () => wrapped;
  return wrapped;
}

/**
 * @param {import('./host.js').MemoryHost} host
 * @param {Faults} faults
 */
export function faultyHost(host, faults) {
  const methods = ['read', 'commit', 'page', 'sizes', 'close'];
  const wrap = (name) => (...args) => faults.run(name, () => host[name](...args));
  return { supports: host.supports, ...Object.fromEntries(methods.map((name) => [name, wrap(name)])) };
}
