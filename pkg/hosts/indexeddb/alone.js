// Which queue attempts what nobody can claim while a database is full.

/** @type {Map<string, string>} the owners in this page, by the names of their databases */
const owners = new Map();

/**
 * Whether this owner alone does so: it has, or now takes, a Web Lock, until its page or worker ends.
 *
 * @param {string} name of the database
 * @param {string} owner
 * @returns {Promise<boolean>}
 */
export async function attemptAlone(name, owner) {
  const { locks } = globalThis.navigator;
  if (owners.has(name) || !locks) return owners.get(name) === owner;
  return new Promise((resolve) => {
    locks.request(`slimta-queue-dict: ${name} is full`, { ifAvailable: true }, (lock) => {
      if (lock) owners.set(name, owner);
      resolve(lock !== null);
      return lock && new Promise(() => {});
    }).catch(() => resolve(false)); // where a context may have no locks
  });
}
