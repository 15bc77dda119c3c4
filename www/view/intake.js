import { EmlError } from '../eml.js';
import { readEnvelope } from '../mail.js';
import { byId, h, icon, setText } from './dom.js';
import { count, fileSize, reason, timeOf } from './format.js';

/** @import { Outbox } from '../outbox.js' */

/** How many files are read and written at once: what is in memory is bounded, small files still share a commit. */
const AT_ONCE = 4;

/** Where files come in: the button, the drop zone, the progress, and what could not be read. */
export class Intake {
  #outbox;
  #say;
  #zone = byId('drop-zone');
  /** @type {HTMLInputElement} */
  #input = byId('file-input');
  /** @type {HTMLSelectElement} */
  #first = byId('first-attempt');
  #progress = byId('progress');
  /** @type {HTMLProgressElement} */
  #bar = byId('progress-bar');
  #progressText = byId('progress-text');
  #problems = byId('problems');
  #problemList = byId('problem-list');
  /** What is under way, of all files that were handed in since nothing was. */
  #round = { files: 0, done: 0, queued: 0, bytes: 0, read: 0 };
  #running = 0;
  /** @type {File[]} */
  #waiting = [];

  /**
   * @param {Outbox} outbox
   * @param {(text: string) => void} say tells it to everybody, those included who do not see the page
   */
  constructor(outbox, say) {
    this.#outbox = outbox;
    this.#say = say;
    byId('choose').addEventListener('click', () => this.#input.click());
    byId('problems-clear').addEventListener('click', () => {
      this.#clearProblems();
      byId('choose').focus();
    });
    this.#input.addEventListener('change', () => {
      this.add([...(this.#input.files ?? [])]);
      this.#input.value = ''; // the same file may be chosen again
    });
    this.#listenForDrops();
  }

  /**
   * Queues what is in these files, one after the other.
   *
   * @param {File[]} files
   */
  add(files) {
    if (files.length === 0) return;
    if (this.#running === 0) {
      this.#round = { files: 0, done: 0, queued: 0, bytes: 0, read: 0 };
      this.#clearProblems();
    }
    this.#round.files += files.length;
    this.#round.bytes += files.reduce((sum, file) => sum + file.size, 0);
    this.#waiting.push(...files);
    this.#show();
    while (this.#running < AT_ONCE && this.#waiting.length > 0) void this.#work();
  }

  async #work() {
    this.#running++;
    for (let file; (file = this.#waiting.shift()); ) {
      await this.#queue(file);
      this.#round.done++;
      this.#show();
    }
    this.#running--;
    if (this.#running === 0) this.#finish();
  }

  /** @param {File} file */
  async #queue(file) {
    let read = 0;
    try {
      const bytes = await readFile(file, (length) => {
        read += length;
        this.#round.read += length;
        this.#show();
      });
      await this.#outbox.write(readEnvelope(bytes, file.name), timeOf(this.#first.value, Date.now()));
      this.#round.queued++;
    } catch (error) {
      this.#report(file.name, error instanceof EmlError ? error.message : `could not be queued: ${reason(error)}`);
    }
    this.#round.read += file.size - read;
  }

  #finish() {
    const { queued, files } = this.#round;
    this.#progress.hidden = true;
    const failed = files - queued;
    this.#say(
      failed === 0 ? `${count(queued, 'message')} queued` : `${count(queued, 'message')} queued, ${failed} not`,
    );
  }

  #show() {
    const { files, done, bytes, read } = this.#round;
    this.#progress.hidden = false;
    this.#bar.max = Math.max(1, bytes);
    this.#bar.value = Math.min(read, this.#bar.max);
    setText(this.#progressText, `${done} of ${count(files, 'file')}, ${fileSize(read)} of ${fileSize(bytes)}`);
  }

  /**
   * @param {string} file
   * @param {string} problem
   */
  #report(file, problem) {
    this.#problems.hidden = false;
    this.#problemList.append(h('li', {}, icon('warning'), h('span', {}, h('strong', {}, file), ` ${problem}.`)));
    const shown = this.#problemList.children.length;
    setText(byId('problems-title'), `${count(shown, 'file')} could not be queued`);
  }

  #clearProblems() {
    this.#problems.hidden = true;
    this.#problemList.replaceChildren();
  }

  #listenForDrops() {
    /** How many elements the pointer is inside of: every child sends an enter and a leave of its own. */
    let depth = 0;
    const mark = () => this.#zone.classList.toggle('is-over', depth > 0);
    /** @param {DragEvent} event */
    const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
    // The whole page takes files: one that is dropped beside the zone would replace the page.
    document.addEventListener('dragenter', (event) => {
      if (!hasFiles(event)) return;
      depth++;
      mark();
    });
    document.addEventListener('dragleave', (event) => {
      if (!hasFiles(event)) return;
      depth = Math.max(0, depth - 1);
      mark();
    });
    document.addEventListener('dragover', (event) => {
      if (!hasFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = 'copy';
    });
    document.addEventListener('drop', (event) => {
      if (!hasFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      depth = 0;
      mark();
      this.#take(event.dataTransfer);
    });
  }

  /** @param {DataTransfer} transfer */
  #take(transfer) {
    const folders = [...transfer.items]
      .map((item) => item.webkitGetAsEntry?.())
      .filter((entry) => entry?.isDirectory)
      .map((entry) => /** @type {FileSystemEntry} */ (entry).name);
    this.add([...transfer.files].filter(({ name }) => !folders.includes(name)));
    for (const folder of folders) this.#report(folder, 'is a folder; drop the files that are in it');
  }
}

/**
 * @param {File} file
 * @param {(length: number) => void} advance is told how many more bytes were read
 * @returns {Promise<Uint8Array>}
 */
async function readFile(file, advance) {
  const bytes = new Uint8Array(file.size);
  let end = 0;
  try {
    const reader = file.stream().getReader();
    for (let chunk; !(chunk = await reader.read()).done; end += chunk.value.length) {
      bytes.set(chunk.value, end);
      advance(chunk.value.length);
    }
  } catch {
    throw new EmlError('could not be read; it may have been moved or changed since it was chosen');
  }
  return bytes.subarray(0, end);
}
