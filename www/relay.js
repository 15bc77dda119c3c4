/**
 * What the service behind `relay` tells of itself.
 *
 * @typedef {object} Arrival
 * @property {string} key of the message
 * @property {string} to
 * @property {string} from
 * @property {string} subject
 * @property {number} time
 * @property {number} copies how often it arrived: 1 is right
 *
 * @typedef {object} Dials
 * @property {number} slow how many milliseconds it takes for each message
 * @property {number} defer how many of a hundred recipients it asks to be tried again
 * @property {number} refuse how many of a hundred recipients it refuses
 * @property {boolean} away whether it answers nobody
 *
 * The latest arrivals are told, and how many there were in all.
 *
 * @typedef {{ version: number, dials: Dials, server: string, total: number, twice: number, arrivals?: Arrival[] }} Inbox
 */

/**
 * Reads what has arrived at the other side.
 *
 * @param {number} version what is known already is not told again
 * @returns {Promise<Inbox>}
 */
export const readInbox = (version) => ask(`inbox?known=${version}`);

/** @param {Partial<Dials>} dials */
export const setDials = (dials) => ask('dials', dials);

/** Lets the other side forget what has arrived. */
export const clearInbox = () => ask('clear', {});

/**
 * @param {string} path
 * @param {object} [body]
 */
async function ask(path, body) {
  const response = await fetch(path, body && {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`the relay answered ${response.status}`);
  return response.json();
}
