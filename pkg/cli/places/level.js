import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { levelHost } from '../../hosts/level.js';
import { Failure } from '../failures.js';
import { installed } from '../libraries.js';
import { printable } from '../printable.js';

/** @import { Opened } from './place.js' */

/**
 * The dictionaries in a LevelDB.
 *
 * @param {string} path
 * @param {boolean} create whether a new one is made where there is none
 * @returns {Promise<Opened>}
 */
export async function openLevel(path, create) {
  const name = printable(path);
  const isThere = existsSync(path);
  if (isThere && !statSync(path).isDirectory()) throw new Failure(`${name} is a file; a LevelDB is a folder`);
  const isEmpty = !isThere || readdirSync(path).length === 0;
  if (isEmpty && !create) throw new Failure(`there is no LevelDB at ${name}`);
  if (!isEmpty && !existsSync(`${path}/CURRENT`)) {
    throw new Failure(`${name} is a folder with something else in it than a LevelDB`);
  }
  const { library } = await installed('--level', 'classic-level');
  const db = new library.ClassicLevel(path, { createIfMissing: create });
  return {
    host: levelHost(db),
    blocked: `${name} is open in another program, and LevelDB lets in one at a time: stop that program first`,
    close: () => db.close(),
  };
}

/**
 * What tells one LevelDB from another.
 *
 * @param {string} path
 */
export function nameOfLevel(path) {
  return `level:${existsSync(path) ? realpathSync(path) : path}`;
}
