import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Failure } from './failures.js';

// Libraries that the package does not depend on: the user has those that are needed.

/**
 * The first of some libraries that is installed where the program is called, or where this package is.
 *
 * @param {string} what it is needed for
 * @param {string[]} names the first one is recommended
 * @returns {Promise<{ name: string, library: any }>}
 */
export async function installed(what, ...names) {
  for (const place of [pathToFileURL(join(process.cwd(), 'index.js')), import.meta.url]) {
    const { resolve } = createRequire(place);
    for (const name of names) {
      const path = resolved(resolve, name);
      if (path !== undefined) return { name, library: await import(pathToFileURL(path).href) };
    }
  }
  const others = names.slice(1).map((name) => ` (${name} would do, too)`).join('');
  throw new Failure(`${what} needs ${names[0]}, which is not installed here: npm install ${names[0]}${others}`);
}

/**
 * @param {NodeJS.RequireResolve} resolve
 * @param {string} name
 */
function resolved(resolve, name) {
  try {
    return resolve(name);
  } catch (error) {
    if (/** @type {any} */ (error)?.code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
