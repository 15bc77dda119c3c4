/** @import { Store } from './store.js' */
import { EmlError } from './eml.js';
import { readFile } from './mail.js';

/** How many files are read and written at once: what is in memory is bounded, small files still share a commit. */
const AT_ONCE = 8;

/**
 * Queues what is in files.
 *
 * @param {Store} store
 * @param {File[]} files
 * @param {(done: number) => void} progress
 * @returns {Promise<{ queued: number, problems: { file: string, problem: string }[] }>}
 */
export async function takeFiles(store, files, progress) {
  /** @type {{ file: string, problem: string }[]} */
  const problems = [];
  const left = files.values();
  let [done, queued] = [0, 0];
  const work = async () => {
    for (const file of left) {
      try {
        const bytes = new Uint8Array(await file.arrayBuffer());
        for (const envelope of readFile(bytes, file.name)) {
          await store.actions.send(envelope);
          queued++;
        }
      } catch (error) {
        const problem = error instanceof EmlError ? error.message : `could not be queued: ${error instanceof Error ? error.message : error}`;
        problems.push({ file: file.name, problem });
      }
      progress(++done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { queued, problems };
}

/**
 * Takes files that are dropped anywhere: one that is dropped beside a zone would replace the page.
 * *
 * @param {(files: File[]) => void} take
 */
export function takeDrops(take) {
  let depth = 0;
  const mark = () => document.body.classList.toggle('is-over', depth > 0);
  /** @param {string} type @param {(transfer: DataTransfer) => void} work */
  const listen = (type, work) => document.addEventListener(type, (event) => {
    const { dataTransfer } = /** @type {DragEvent} */ (event);
    if (!dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    work(dataTransfer);
    mark();
  });
  listen('dragenter', () => depth++);
  listen('dragleave', () => (depth = Math.max(0, depth - 1)));
  listen('dragover', (transfer) => (transfer.dropEffect = 'copy'));
  listen('drop', ({ files }) => {
    depth = 0;
    take([...files]);
  });
}
