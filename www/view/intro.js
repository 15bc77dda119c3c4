/** @import { Demo, Step } from '../demo.js' */
import { html, nothing } from 'lit-html';
import source from '../outbox.js?text';
import { SAMPLES, STEPS } from '../demo.js';
import { icon, say } from './parts.js';

const INSTALL = 'npm install slimta-queue-dict';
/** What of `outbox.js` makes the queue. */
const CODE = source.slice(source.indexOf('  const host ='), source.lastIndexOf('  return ')).replace(/^ {2}/gm, '').trim();

/**
 * Name, promise, how to install it, and the code that this page runs on.
 *
 * @param {Demo} demo
 * @param {{ write: () => void, unusable: boolean }} page
 */
export const intro = (demo, { write, unusable }) => html`
  <section class="intro" aria-labelledby="promise">
    <div class="pitch">
      <p class="name">slimta-queue-dict</p>
      <h1 id="promise">Mail that outlives the tab. Sent <em>once</em>.</h1>
      <p class="lead">A mail queue for browsers, workers and servers. What it has accepted is sent when the tab is closed, the
        network is gone or the sender dies in the middle, and nobody gets it twice.</p>
      <p class="install"><code>${INSTALL}</code><button type="button" class="icon-button" aria-label="Copy the command"
        @click=${copy}>${icon('copy')}</button></p>
      <div class="button-row">
        <button type="button" id="run-demo" class="button is-primary is-large" ?disabled=${demo.running || unusable}
          @click=${() => demo.run()}>${icon('play')}${demo.running ? 'The demo runs' : demo.state ? 'Run the demo again' : 'Run the demo'}</button>
        <button type="button" id="write" class="button is-large" ?disabled=${unusable} @click=${write}>${icon('pen')}Write a mail</button>
      </div>
    </div>
    <figure class="code">
      <figcaption>All of the set-up that this page runs on</figcaption>
      <pre tabindex="0" role="region" aria-label="The code that drives this page"><code>${CODE}</code></pre>
    </figure>
  </section>`;

/**
 * What the demo will do, does and has done.
 *
 * @param {Demo} demo
 */
export function stage({ state }) {
  const at = state ? STEPS.findIndex(([step]) => step === state.step) : -1;
  const done = state?.step === 'done';
  return html`
    <section class="stage" aria-labelledby="stage-title" ?data-done=${done}>
      <h2 id="stage-title" class="visually-hidden">The demo</h2>
      ${state && state.step !== 'stopped' ? html`
        <ol class="steps" id="steps">${STEPS.map(([step, title, about], place) => stepOf(step, title, about, done || place < at ? 'done' : place === at ? 'now' : 'next'))}</ol>
        ${verdict(state)}` : html`
        <div class="samples">
          ${SAMPLES.map(({ to, subject, about }) => html`<article class="sample">
            <h3>${subject}</h3>
            <p class="sample-to">${to.map((one) => one.replace(/^.*<(.*)>$/, '$1')).join(', ')}</p>
            <p class="hint">${about}</p>
          </article>`)}
        </div>
        ${state?.problem ? html`<p class="trouble" role="alert">The demo has stopped: ${state.problem}.</p>` : nothing}`}
    </section>`;
}

/**
 * @param {Step} step
 * @param {string} title
 * @param {string} about
 * @param {'done' | 'now' | 'next'} when
 */
const stepOf = (step, title, about, when) => html`
  <li class="step is-${when}" data-step=${step} aria-current=${when === 'now' ? 'step' : nothing}>
    <span class="step-mark">${when === 'done' ? icon('check') : nothing}</span>
    <span><strong>${title}</strong><span class="hint">${about}</span>
    <span class="visually-hidden">${when === 'done' ? '(done)' : when === 'now' ? '(now)' : ''}</span></span>
  </li>`;

/** @param {NonNullable<Demo['state']>} state */
function verdict({ verdict, step }) {
  if (!verdict) return html`<p class="verdict is-open" id="verdict">Not counted yet</p>`;
  const { lost, twice, people, arrived, refused } = verdict;
  return html`<p class="verdict ${lost + twice > 0 ? 'is-bad' : 'is-good'}" id="verdict" role="status">
    <strong>${lost} lost, ${twice} twice</strong>
    <span>Counted from what arrived${step === 'done' ? '' : ' so far'}: ${arrived} of ${people} people have one copy,
      ${refused} refused by the other side.</span></p>`;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(INSTALL);
    say('Copied');
  } catch {
    say(INSTALL);
  }
}
