const UNITS = /** @type {const} */ ([['y', 31_557_600_000], ['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1_000]]);

/**
 * How far a time is from now, in at most eight columns: `in 5m`, `119m ago`. A unit begins at two of it.
 *
 * @param {number} time in milliseconds since the epoch
 * @param {number} now
 */
export function fromNow(time, now) {
  const away = Math.abs(time - now);
  const [unit, size] = UNITS.find(([, each]) => away >= 2 * each) ?? ['s', 1_000];
  const number = Math.floor(away / size);
  if (number === 0) return 'now';
  const some = number > 999 ? `>999${unit}` : `${number}${unit}`;
  return time > now ? `in ${some}` : `${some} ago`;
}

/**
 * A time as people read it, in UTC, to the second.
 *
 * @param {number} time
 */
export function asDate(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
}

/**
 * How many milliseconds a text such as `90s`, `15m`, `2h` or `5d` says.
 *
 * @param {string} text
 * @returns {number | undefined} nothing for any other text
 */
export function durationOf(text) {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const [, size] = UNITS.find(([name]) => name === unit) ?? [];
  return size === undefined ? undefined : Number(number) * size;
}

/**
 * The time that a text says: a date of ISO 8601 with its zone, or a time from now, such as `+2h`.
 *
 * @param {string} text
 * @param {number} now
 * @returns {number | undefined} nothing for any other text
 */
export function timeOf(text, now) {
  if (text.startsWith('+')) {
    const duration = durationOf(text.slice(1));
    return duration === undefined ? undefined : now + duration;
  }
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(text)) return undefined;
  const [time, day] = [Date.parse(text), new Date(`${text.slice(0, 10)}T00:00Z`)];
  // `Date` reads 31 February as 3 March.
  const isReal = !Number.isNaN(time) && day.toISOString().startsWith(text.slice(0, 10));
  return isReal ? time : undefined;
}
