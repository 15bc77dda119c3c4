/** @import { Recipient } from '../record.js' */
/** @import { Message, Store } from '../store.js' */
import { html, nothing, svg } from 'lit-html';
import { isOpen, recipientsAfter } from '../record.js';

const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const KINDS = /** @type {const} */ ([['delivered', 'Delivered'], ['failed', 'Failed'], ['waiting', 'Waiting']]);
/** How many times of the history are drawn. */
const POINTS = 40;
const [WIDTH, HEIGHT] = [600, 140];
/** Areas differ by their patterns too: not everybody sees their colours, and forced colours are all the same. */
const FILLS = { delivered: 'currentcolor', failed: 'url(#stripes)', waiting: 'url(#lines)' };
const PATTERNS = svg`<defs>
  <pattern id="stripes" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
    <rect class="is-failed" width="5" height="8"></rect></pattern>
  <pattern id="lines" width="8" height="4" patternUnits="userSpaceOnUse"><rect class="is-waiting" width="8" height="2"></rect></pattern>
</defs>`;

/** @typedef {{ time: number, waiting: number, delivered: number, failed: number }} Point people in each state at a time */

/**
 * How many people waited, had their mail, or were given up, over time.
 *
 * @param {Store} store
 * @param {boolean} opened nothing is reckoned before somebody looks
 * @param {(opened: boolean) => void} toggle
 */
export const chart = (store, opened, toggle) => html`
  <details class="chart" id="chart" .open=${opened} @toggle=${(/** @type {any} */ { target }) => toggle(target.open)}>
    <summary>Over time</summary>
    ${opened ? drawing(pointsOf(store.messages)) : nothing}
  </details>`;

/** @param {Point[]} points */
function drawing(points) {
  if (points.length < 2) return html`<p class="hint">Nothing has happened yet.</p>`;
  const [first, last] = [points[0].time, points[points.length - 1].time];
  const most = Math.max(1, ...points.map(({ waiting, delivered, failed }) => waiting + delivered + failed));
  const x = (/** @type {number} */ time) => (((time - first) / Math.max(1, last - first)) * WIDTH).toFixed(1);
  const y = (/** @type {number} */ people) => (HEIGHT - (people / most) * HEIGHT).toFixed(1);
  const floor = points.map(() => 0);
  const areas = KINDS.map(([kind]) => {
    const below = points.map(({ time }, place) => `${x(time)},${y(floor[place])}`);
    points.forEach((point, place) => (floor[place] += point[kind]));
    const above = points.map(({ time }, place) => `${x(time)},${y(floor[place])}`);
    return svg`<polygon class="is-${kind}" fill=${FILLS[kind]} points=${[...above, ...below.reverse()].join(' ')}></polygon>`;
  });
  return html`
    <svg class="drawing" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">${PATTERNS}${areas}</svg>
    <p class="legend hint" aria-hidden="true"><span>${time.format(first)}</span>${KINDS.map(keyOf)}<span>${time.format(last)}</span></p>
    <div class="visually-hidden"><table>
      <caption>People by state over time</caption>
      <thead><tr><th scope="col">Time</th>${KINDS.map(([, word]) => html`<th scope="col">${word}</th>`)}</tr></thead>
      <tbody>${points.map((point) => html`<tr><th scope="row">${time.format(point.time)}</th>${KINDS.map(([kind]) => html`<td>${point[kind]}</td>`)}</tr>`)}</tbody>
    </table></div>`;
}

/** @param {typeof KINDS[number]} kind */
const keyOf = ([kind, word]) => html`<span class="key">
  <svg><rect class="is-${kind}" fill=${FILLS[kind]} width="100%" height="100%"></rect></svg>${word}</span>`;

/**
 * @param {Message[]} messages
 * @returns {Point[]}
 */
function pointsOf(messages) {
  const steps = messages.flatMap(stepsOf).sort((one, other) => one.time - other.time);
  if (steps.length === 0) return [];
  const [first, last] = [steps[0].time, Math.max(Date.now(), steps[steps.length - 1].time)];
  const now = { waiting: 0, delivered: 0, failed: 0 };
  let next = 0;
  return Array.from({ length: POINTS }, (_, place) => {
    const time = first + ((last - first) * place) / (POINTS - 1);
    for (; next < steps.length && steps[next].time <= time; next++) {
      for (const [kind] of KINDS) now[kind] += steps[next][kind];
    }
    return { time, ...now };
  });
}

/**
 * How many more people, or fewer, were in each state after each happening of a message.
 *
 * @param {Message} message
 * @returns {Point[]}
 */
function stepsOf({ created, changed, recipients, happenings }) {
  /** @type {Point[]} */
  const steps = [];
  let before = { waiting: 0, delivered: 0, failed: 0 };
  const add = (/** @type {number} */ time, /** @type {Recipient[]} */ people) => {
    const now = tally(people);
    steps.push({
      time, waiting: now.waiting - before.waiting, delivered: now.delivered - before.delivered, failed: now.failed - before.failed,
    });
    before = now;
  };
  let people = recipients.map((one) => ({ ...one, state: /** @type {Recipient['state']} */ ('waiting') }));
  add(created, people);
  for (const happening of happenings) {
    people = recipientsAfter(people, happening);
    add(happening.time, people);
  }
  add(changed, recipients); // what no happening tells of
  return steps;
}

/** @param {Recipient[]} people */
function tally(people) {
  const count = (/** @type {(state: Recipient['state']) => boolean} */ is) => people.filter(({ state }) => is(state)).length;
  return { waiting: count(isOpen), delivered: count((state) => state === 'delivered'), failed: count((state) => state === 'failed') };
}
