/** @import { Dials } from '../relay.js' */
/** @import { OtherSide } from '../other-side.js' */
import { html, nothing } from 'lit-html';
import { live } from 'lit-html/directives/live.js';
import { repeat } from 'lit-html/directives/repeat.js';
import { clearInbox, setDials } from '../relay.js';
import { attempt, icon } from './parts.js';

const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
/** How many arrivals are drawn. */
const SHOWN = 50;
const DIALS = /** @type {const} */ ([
  ['slow', 'Slow', 3_000, 250, (/** @type {number} */ value) => `${value / 1000} s`],
  ['defer', 'Defers', 100, 10, (/** @type {number} */ value) => `${value} %`],
  ['refuse', 'Refuses', 100, 10, (/** @type {number} */ value) => `${value} %`],
]);

/**
 * The other side: what has arrived there, and how it is told to behave.
 *
 * @param {OtherSide} otherSide
 */
export function inbox(otherSide) {
  const arrivals = [...(otherSide.inbox?.arrivals ?? [])].sort((one, other) => other.time - one.time);
  const { total = 0, twice = 0 } = otherSide.inbox ?? {};
  return html`
    <section class="inbox" aria-labelledby="inbox-title">
      <div class="section-head">
        <div>
          <h2 id="inbox-title" tabindex="-1">Inbox</h2>
          <p class="hint">What arrived at the other side${otherSide.inbox?.server ? html`, by SMTP at ${otherSide.inbox.server}` : nothing}.</p>
        </div>
        <dl class="figures">
          <div><dt>arrived</dt><dd id="arrived">${total.toLocaleString('en')}</dd></div>
          <div class=${twice > 0 ? 'is-bad' : ''}><dt>twice</dt><dd id="twice">${twice.toLocaleString('en')}</dd></div>
        </dl>
      </div>
      ${otherSide.answers ? dials(otherSide.inbox?.dials) : html`<p class="notice-line">${icon('warning')}The other side cannot be reached. Mail waits here meanwhile.</p>`}
      ${arrivals.length === 0 ? html`<p class="empty">Nothing has arrived yet.</p>` : nothing}
      <ul class="arrivals" id="arrivals">${repeat(arrivals.slice(0, SHOWN), ({ key, to }) => `${key} ${to}`, ({ key, to, from, subject, time: when, copies }) => html`
        <li data-key=${key} class=${copies > 1 ? 'is-bad' : ''}>
          <span class="arrival-subject" dir="auto">${subject || '(no subject)'}</span>
          <time datetime=${new Date(when).toISOString()}>${time.format(when)}</time>
          <span class="hint">to ${to}, from ${from}${copies > 1 ? html` <strong>${copies} copies</strong>` : nothing}</span>
        </li>`)}</ul>
      ${arrivals.length > 0 ? html`<button type="button" id="clear-inbox" class="button is-quiet" @click=${() => attempt(async () => {
        await clearInbox();
        await otherSide.look();
      })}>Empty the inbox</button>` : nothing}
    </section>`;

  /** @param {Dials | undefined} dials */
  function dials(dials) {
    if (!dials) return nothing;
    return html`
      <fieldset class="dials">
        <legend>How the other side behaves</legend>
        ${DIALS.map(([name, word, max, step, unit]) => html`<label class="dial"><span>${word}</span><output>${unit(dials[name])}</output>
          <input type="range" name=${name} min="0" max=${max} step=${step} .value=${live(String(dials[name]))}
            @change=${(/** @type {any} */ { target }) => turn({ [name]: Number(target.value) })}></label>`)}
        <label class="switch"><input type="checkbox" role="switch" name="away" .checked=${live(dials.away)}
          @change=${(/** @type {any} */ { target }) => turn({ away: target.checked })}><span>Gone away</span></label>
      </fieldset>`;
  }

  /** @param {Partial<Dials>} changes */
  function turn(changes) {
    void attempt(async () => {
      await setDials(changes);
      await otherSide.look();
    });
  }
}
