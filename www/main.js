import { html, nothing, render } from 'lit-html';
import { BeforeDemo } from './before-demo.js';
import { Demo } from './demo.js';
import { History } from './history.js';
import { problemsAfter, takeDrops, takeFiles } from './intake.js';
import { Offline } from './offline.js';
import { openOutbox } from './outbox.js';
import { isOpen } from './record.js';
import { Store } from './store.js';
import { PAGE, outbox as outboxView } from './view/board.js';
import { Editor } from './view/editor.js';
import { chart } from './view/chart.js';
import { keepFocus } from './view/focus.js';
import { count } from './view/format.js';
import { footer, notices, unusable } from './view/frame.js';
import { inbox as inboxView } from './view/inbox.js';
import { intro, stage } from './view/intro.js';
import { attempt, icon, say } from './view/parts.js';

/** @import { Problem } from './intake.js' */
/** @import { Looking } from './view/board.js' */

/** How often “in 5 s” is worded anew, in milliseconds. */
const REWORD = 1_000;
/** The least time between two drawings, in milliseconds. */
const FRAME = 60;

const outbox = openOutbox();
const history = new History('tab');
history.follow(outbox.queue);
const store = new Store(outbox, history);
const demo = new Demo(store, new BeforeDemo(history), () => outbox.queue.flush());
const offline = new Offline();
const editor = new Editor(store);

/** @type {Looking} */
let looking = { tab: 'all', words: '', shown: PAGE, open: linked() };
/** @type {Problem[]} */
let problems = [];
let progress = '';
let charted = false;

const input = Object.assign(document.createElement('input'), {
  type: 'file', multiple: true, accept: '.eml,.mbox,message/rfc822', id: 'file-input', hidden: true,
});
document.body.append(input);

const app = /** @type {HTMLElement} */ (document.getElementById('app'));
app.replaceChildren();
let drawn = true;

/** Draws the page anew, once for all changes that come together. */
function changed() {
  if (!drawn) return;
  drawn = false;
  setTimeout(() => {
    drawn = true;
    keepFocus(app, draw);
  }, FRAME);
}

function draw() {
  render(html`
    ${notices(store, { waiting: offline.waiting, take: offline.take })}
    <header>${intro(demo, { write: () => editor.write(), unusable: store.unusable })}</header>
    <main>${store.unusable ? unusable(store) : lists()}</main>
    ${footer(store, offline.state)}`, app);
}

function lists() {
  return html`
    ${stage(demo)}
    ${progress ? html`<p class="notice-line" role="status">${progress}</p>` : nothing}
    ${problems.length > 0 ? html`<section class="problems" role="alert" aria-labelledby="problems-title">
      <h2 id="problems-title">${count(problems.length, 'file')} could not be queued</h2>
      <ul id="problem-list">${problems.map(({ file, problem }) => html`<li>${icon('warning')}<span><strong>${file}</strong> ${problem}.</span></li>`)}</ul>
      <button type="button" class="button is-small" @click=${dismiss}>Dismiss</button></section>` : nothing}
    <div class="board">
      <div class="column">${outboxView(store, looking, {
        look, choose: () => input.click(), edit: (message) => attempt(() => editor.edit(message)),
      })}
      ${chart(store, charted, (opened) => {
        charted = opened;
        changed();
      })}</div>
      ${inboxView(store.otherSide)}
    </div>`;
}

/** @param {Partial<Looking>} changes */
function look(changes) {
  looking = { ...looking, ...changes };
  if (changes.open !== undefined) {
    window.history.replaceState(null, '', changes.open ? `#m-${changes.open}` : location.pathname);
  }
  changed();
}

function dismiss() {
  problems = [];
  changed();
}

/** The message that the address of this page names. */
function linked() {
  return location.hash.startsWith('#m-') ? location.hash.slice('#m-'.length) : '';
}

/** @param {File[]} files */
async function take(files) {
  if (files.length === 0 || store.unusable) return;
  const { queued, problems: found } = await takeFiles(store, files, (done) => {
    progress = `Queuing: ${done} of ${count(files.length, 'file')}`;
    changed();
  });
  progress = '';
  problems = problemsAfter(problems, files, found);
  changed();
  void offline.wish();
  say(`${count(queued, 'message')} queued${found.length > 0 ? `, ${count(found.length, 'file')} not` : ''}`);
}

/** Has what waits sent in the background, should this page be closed. */
function wishIfWaiting() {
  const waits = store.messages.some(({ recipients }) => recipients.some(({ state }) => isOpen(state)));
  if (store.settings.sending && waits) void offline.wish();
}

/** Sends, or does not, as the settings say that all tabs share. */
function obey() {
  if (store.settings.sending) {
    outbox.queue.start();
    outbox.queue.resume();
    wishIfWaiting();
  } else outbox.queue.pause();
}

input.addEventListener('change', () => {
  void take([...(input.files ?? [])]);
  input.value = ''; // the same file may be chosen again
});
takeDrops((files) => (editor.isOpen ? editor.attach(files) : void take(files)));
document.querySelector('.skip')?.addEventListener('click', (event) => {
  event.preventDefault(); // the address of the page goes on naming the opened message
  document.getElementById('outbox-title')?.focus();
});
addEventListener('hashchange', () => look({ open: linked() }));
outbox.queue.addEventListener('queued', () => void offline.wish());
store.addEventListener('settings', obey);
store.addEventListener('abandoned', () => {
  if (store.settings.sending) void outbox.queue.run().catch(() => {}); // the queue tells of errors by events
});
for (const each of [store, demo, offline]) each.addEventListener('change', changed);
setInterval(() => {
  if (store.messages.some(({ state }) => state === 'deferred')) changed();
}, REWORD);

draw();
void offline.open();
if (SIMULATED) await offline.controlled(); // the other side is in the service worker
await store.open();
wishIfWaiting();
draw();
document.getElementById(`m-${looking.open}`)?.scrollIntoView();
if (!store.unusable) void demo.resume();
