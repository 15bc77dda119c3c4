import { AsyncDictStorage } from 'slimta-queue-dict';
import { indexedDBHost } from 'slimta-queue-dict/indexeddb';
import { Outbox } from './outbox.js';
import { Sending } from './sending.js';
import { confirmRemoval } from './view/confirm.js';
import { showCounts } from './view/counts.js';
import { byId } from './view/dom.js';
import { count, reason, titleOf } from './view/format.js';
import { Health } from './view/health.js';
import { Intake } from './view/intake.js';
import { MessagePanel } from './view/message.js';
import { closeLikeMenu, offerSamples } from './view/samples.js';
import { SendingPanel } from './view/sending.js';
import { say, trouble } from './view/status.js';
import { QueueTable } from './view/table.js';

/** How often “in 5 seconds” is worded anew, in milliseconds. */
const REWORD = 1000;

try {
  const host = indexedDBHost('outbox');
  const storage = new AsyncDictStorage(host);
  start(new Outbox(storage, host), new Sending(storage), host);
} catch (error) {
  trouble(`This browser cannot keep a queue: ${reason(error)}.`);
}

/**
 * @param {Outbox} outbox
 * @param {Sending} sending
 * @param {ReturnType<typeof indexedDBHost>} host
 */
function start(outbox, sending, host) {
  const intake = new Intake(outbox, say);
  const health = new Health(outbox, host);
  const table = new QueueTable(outbox, sending, { open: (id) => void panel.open(id).then(show), remove });
  const panel = new MessagePanel(outbox, sending, {
    say,
    remove,
    closed: (id) => {
      show();
      table.focus(id);
    },
  });
  for (const list of ['samples-empty', 'samples-menu']) {
    offerSamples(byId(list), (files) => intake.add(files), say);
  }

  closeLikeMenu(byId('samples-more'));
  new SendingPanel(sending, say);
  sending.addEventListener('touched', (event) => void outbox.refresh(/** @type {CustomEvent} */ (event).detail));

  let shown = true;
  outbox.addEventListener('change', () => {
    if (!shown) return;
    // Changes that come together are shown together.
    shown = false;
    setTimeout(() => {
      shown = true;
      show();
      void recount();
    });
  });
  outbox.addEventListener('error', (event) => {
    report(/** @type {CustomEvent} */ (event).detail);
  });
  outbox.addEventListener('recovered', () => trouble(''));
  // A page that slept has not heard what others did.
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') outbox.load().then(() => trouble(''), report);
  });
  setInterval(show, REWORD);
  outbox.open().catch(report);

  function show() {
    panel.update();
    table.show(panel.id);
    showCounts(outbox);
  }

  let counting = false;
  let recounts = false;
  async function recount() {
    recounts = true;
    if (counting) return;
    counting = true;
    try {
      while (recounts) {
        recounts = false;
        await outbox.count();
        showCounts(outbox);
      }
      await health.showSpace();
    } catch (error) {
      report(error);
    } finally {
      counting = false;
    }
  }

  /** @param {string} id */
  async function remove(id) {
    const letter = outbox.letters.find((one) => one.id === id);
    if (!letter) return;
    const subject = titleOf(letter);
    const left = letter.recipients.filter(({ delivered }) => !delivered).length;
    const consequence = left > 0 ? `${count(left, 'recipient')} will not get it. This cannot be undone.`
      : letter.problem ? 'Who has not got it yet is not known. This cannot be undone.' : 'Every recipient has got it.';
    if (!await confirmRemoval(subject, consequence)) return;
    try {
      await outbox.remove(id);
      say(`“${subject}” removed`);
    } catch (error) {
      say(`“${subject}” could not be removed: ${reason(error)}`);
    }
  }

  /** @param {unknown} error */
  function report(error) {
    trouble(`The queue cannot be read: ${reason(error)}.`);
  }
}
