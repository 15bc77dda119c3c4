/** @import { Seam } from './seam.js' */
/** @import { Slot } from './slot.js' */
import { KeyError, QueueError } from '../errors.js';
import { Method } from './names.js';
import { refused } from './extras.js';

/** What a call returns whose id is none, or who waits for nothing more. */
const NOTHING = -Infinity;

/**
 * What a call returns to its caller, or throws.
 *
 * @param {Seam} seam
 * @param {Slot} slot
 * @param {number} method
 * @param {number} number what the core returned
 * @returns {any}
 */
export function resultOf(seam, slot, method, number) {
  if (Number.isNaN(number)) throw takeError(seam);
  if (number === NOTHING) {
    if (method === Method.Remove || method === Method.Wait) return undefined;
    if (method === Method.Write) throw refused('options.id', '32 lower-case hexadecimal digits', slot.id);
    throw new KeyError(/** @type {string} */ (slot.id));
  }
  switch (method) {
    case Method.Write:
      return slot.id;
    case Method.IncrementAttempts:
      return number;
    case Method.Change:
      return number === 1;
    case Method.Get: {
      const { places, envelope } = slot;
      const { recipients } = /** @type {NonNullable<typeof envelope>} */ (envelope);
      if (places.length < recipients.length) {
        /** @type {any} */ (envelope).recipients = places.map((place) => recipients[place]);
      }
      return [envelope, number, places];
    }
    case Method.Look: {
      const { id, looked } = slot;
      if (number === 1 || !looked) throw new QueueError('corrupt', 'the record of this message cannot be read', { id });
      const { timestamp, attempts, owner, until } = looked;
      return { timestamp, attempts, lease: owner === undefined ? null : { until, owner } };
    }
    case Method.Load:
      return rowsOf(slot);
    case Method.Wait:
      return [number, slot.id];
    case Method.GetInfo: {
      const [size, metaSize] = seam.frame.numbers;
      return { size, metaSize };
    }
    case Method.Check:
    case Method.Repair:
      return slot.findings;
  }
}

/** @param {Slot} slot */
function rowsOf({ places, page: { metas, keys } }) {
  const rows = new Array(places.length);
  for (let i = 0; i < rows.length; i++) {
    const place = places[i];
    rows[i] = [metas[place]?.timestamp, keys[place]];
  }
  return rows;
}

/** @param {Seam} seam */
function takeError(seam) {
  const { error } = seam;
  seam.error = undefined;
  return error;
}
