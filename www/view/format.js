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
 * When a message is attempted next; the last minute is counted down.
 *
 * @param {number} time
 * @param {number} now
 */
export function nextText(time, now) {
  const away = time - now;
  if (away > 0) return away < MINUTE ? `in ${Math.ceil(away / 1000)} s` : fromNow(time, now);
  const since = fromNow(time, now);
  return since === 'now' ? 'due now' : `due ${since}`;
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
export function dateAndTime(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : absolute.format(date);
}

/**
 * A time as an input of type datetime-local takes it.
 *
 * @param {number} time
 */
export function localInput(time) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return '';
  const local = new Date(date.getTime() - date.getTimezoneOffset() * MINUTE);
  return local.toISOString().slice(0, 16);
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

/**
 * The choices of a time that the page offers.
 *
 * @param {string} name
 * @param {number} now
 * @returns {number}
 */
export function timeOf(name, now) {
  if (name === 'tomorrow') {
    const date = new Date(now);
    date.setDate(date.getDate() + 1);
    return date.setHours(9, 0, 0, 0);
  }
  return now + Number(name) * MINUTE;
}

/**
 * What a message is called.
 *
 * @param {{ subject: string, problem?: unknown }} letter
 */
export function titleOf({ subject, problem }) {
  return subject || (problem ? 'An unreadable message' : '(no subject)');
}

/**
 * What went wrong, for people.
 *
 * @param {unknown} error
 */
export function reason(error) {
  const { code, message } = /** @type {{ code?: string, message?: string }} */ (error ?? {});
  switch (code) {
    case 'full':
      return 'the browser has no space left for this site';
    case 'blocked':
      return 'another tab holds the queue open in an older version; close it and reload';
    case 'newer-format':
      return 'a newer version of this page made the queue; reload the page';
    case 'no-such-message':
      return 'this message is not in the queue any more';
    case 'timeout':
      return 'the browser’s database did not answer in time; nothing was changed';
    case 'unknown-outcome':
      return 'the browser’s database did not answer; whether it was done shows after a reload';
    case 'corrupt':
      return 'this message cannot be read; see “Health”';
    default:
      return message || String(error);
  }
}
