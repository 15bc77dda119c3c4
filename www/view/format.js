const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const absolute = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const short = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const decimal = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

/**
 * How far away a time is: “in 5 minutes”, “2 days ago”, “now”.
 *
 * @param {number} time
 * @param {number} now
 */
export function fromNow(time, now) {
  const away = time - now;
  const distance = Math.abs(away);
  if (distance < MINUTE / 2) return 'now';
  if (distance < 50 * MINUTE) return relative.format(Math.round(away / MINUTE) || Math.sign(away), 'minute');
  if (distance < 22 * HOUR) return relative.format(Math.round(away / HOUR) || Math.sign(away), 'hour');
  if (distance < 45 * DAY) return relative.format(Math.round(away / DAY) || Math.sign(away), 'day');
  if (distance < 500 * DAY) return relative.format(Math.round(away / (30 * DAY)), 'month');
  return relative.format(Math.round(away / (365 * DAY)), 'year');
}

/**
 * A date and a time of day; the year only if it is another one.
 *
 * @param {number} time
 * @param {number} now
 */
export function shortDate(time, now) {
  const date = new Date(time);
  return date.getFullYear() === new Date(now).getFullYear() ? short.format(date) : dateAndTime(time);
}

/** @param {number} time */
function dateAndTime(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : absolute.format(date);
}

/** @param {number} bytes */
export function fileSize(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let size = bytes / 1000;
  let unit = 0;
  for (; size >= 999.5 && unit < units.length - 1; unit++) size /= 1000;
  return `${decimal.format(size)} ${units[unit]}`;
}

/**
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}
