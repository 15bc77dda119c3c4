import { followPage, unfollowPage } from '../../page-lifecycle.js';

// Which queue attempts what nobody can claim while a database is full.

/** @type {Map<string, string>} the owners in this page, by the names of their databases */
const owners = new Map();

/**
 * Whether this owner alone does so: it has, or now takes, a Web Lock, until its page or worker ends or is put aside.
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
      resolve(lock !== null);
      if (!lock) return undefined;
      owners.set(name, owner);
      return new Promise((release) => {
        const holder = {
          putAside() {
            unfollowPage(holder);
            owners.delete(name);
            release(undefined);
          },
        };
        followPage(holder);
      });
    }).catch(() => resolve(false)); // where a context may have no locks
  });
}
