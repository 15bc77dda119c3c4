/** @import { Store } from './store.js' */
import { EmlError } from './eml.js';
import { newId, readFile } from './mail.js';

/** How many files are read and written at once: what is in memory is bounded, small files still share a commit. */
const AT_ONCE = 8;

/**
 * The keys of the messages of a file that was queued in part, and how many of them are queued: the same file, added again,
 * goes on from there.
 *
 * @type {Map<string, { keys: string[], queued: number }>}
 */
const inPart = new Map();

/**
 * A file that could not be queued, or only in part. `same` is the same text when the same file is added again.
 *
 * @typedef {{ file: string, same: string, problem: string }} Problem
 */

/** @param {File} file */
const sameFile = ({ name, size, lastModified }) => JSON.stringify([name, size, lastModified]);

/**
 * The problems that nobody has dismissed yet, and those of files that were added then. Of a file that was added again only
 * the new one is left.
 *
 * @param {Problem[]} unread
 * @param {File[]} files
 * @param {Problem[]} problems
 */
export function problemsAfter(unread, files, problems) {
  const again = new Set(files.map(sameFile));
  return [...unread.filter(({ same }) => !again.has(same)), ...problems];
}

/**
 * Queues what is in files.
 *
 * @param {Store} store
 * @param {File[]} files
 * @param {(done: number) => void} progress
 * @returns {Promise<{ queued: number, problems: Problem[] }>}
 */
export async function takeFiles(store, files, progress) {
  /** @type {Problem[]} */
  const problems = [];
  const left = files.values();
  let [done, queued] = [0, 0];
  const work = async () => {
    for (const file of left) {
      const add = (/** @type {string} */ problem) => problems.push({ file: file.name, same: sameFile(file), problem });
      try {
        const bytes = new Uint8Array(await file.arrayBuffer());
        const problem = await takeMessages(store, sameFile(file), readFile(bytes, file.name), () => queued++);
        if (problem) add(problem);
      } catch (error) {
        add(error instanceof EmlError ? error.message : `could not be queued: ${textOf(error)}`);
      }
      progress(++done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { queued, problems };
}

/**
 * Queues the messages of a file, those that are not queued yet.
 *
 * @param {Store} store
 * @param {string} file
 * @param {ReturnType<typeof readFile>} envelopes
 * @param {() => void} tell is called for each message that is queued
 * @returns {Promise<string | undefined>} what went wrong
 */
async function takeMessages(store, file, envelopes, tell) {
  const known = inPart.get(file);
  let { keys, queued } = known?.keys.length === envelopes.length ? known : { keys: envelopes.map(() => newId()), queued: 0 };
  inPart.delete(file);
  try {
    for (; queued < envelopes.length; queued++) {
      await store.actions.send(envelopes[queued], keys[queued]);
      tell();
    }
    return undefined;
  } catch (error) {
    inPart.set(file, { keys, queued });
    if (queued === 0) return `could not be queued: ${textOf(error)}`;
    return `is queued in part: the first ${queued} of ${envelopes.length} messages are queued, the others are not: ${
      textOf(error)}. Add the file again to queue the others`;
  }
}

/** @param {unknown} error */
const textOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Takes files that are dropped anywhere: one that is dropped beside a zone would replace the page.
 *
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
