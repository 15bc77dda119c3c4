/**
 * A commit and whoever waits for it.
 *
 * @template T
 * @typedef {T & { resolve: (made: boolean) => void, reject: (error: unknown) => void }} Pending
 */

/**
 * Commits that are made together.
 *
 * @template T
 * @typedef {object} Group
 * @property {(pending: Pending<T>) => boolean} take whether it takes this one too; a new group takes any
 * @property {() => Promise<void>} commit settles each, and is fulfilled when the next group may begin
 */

/**
 * The commits of a host that wait while others are made. Those that come meanwhile share the next group.
 *
 * @template T
 */
export class PendingCommits {
  #begin;
  /** @type {Pending<T>[]} */
  #pending = [];
  /** @type {Group<T> | undefined} the last one, which may still take commits */
  #group;
  #isCommitting = false;

  /** @param {() => Group<T>} begin */
  constructor(begin) {
    this.#begin = begin;
  }

  /**
   * @param {T} commit
   * @returns {Promise<boolean>} whether it was made
   */
  add(commit) {
    return new Promise((resolve, reject) => {
      const pending = { ...commit, resolve, reject };
      if (this.#group?.take(pending)) return;
      // On a stack of its own: that of the caller may end anywhere.
      if (!this.#isCommitting) queueMicrotask(() => this.#commitAll());
      this.#isCommitting = true;
      this.#pending.push(pending);
    });
  }

  async #commitAll() {
    while (this.#pending.length > 0) {
      const group = (this.#group = this.#begin());
      this.#pending = this.#pending.filter((each) => !group.take(each));
      await group.commit().catch(() => {}); // whatever becomes of one group, the next one is made
    }
    this.#isCommitting = false;
    this.#group = undefined;
  }
}

/**
 * The commits that are handed over in one task, so many at most, and about so many bytes.
 *
 * @template {{ bytes: number }} T
 * @implements {Group<T>}
 */
export class TaskGroup {
  #limits;
  #commit;
  /** @type {Pending<T>[]} */
  #writers = [];
  #bytes = 0;
  #isOpen = true;

  /**
   * @param {{ bytes: number, commits?: number }} limits
   * @param {(writers: Pending<T>[]) => Promise<void> | void} commit
   */
  constructor(limits, commit) {
    this.#limits = limits;
    this.#commit = commit;
  }

  /** @param {Pending<T>} pending */
  take(pending) {
    const { bytes, commits = Infinity } = this.#limits;
    this.#isOpen &&= this.#bytes < bytes && this.#writers.length < commits;
    if (!this.#isOpen) return false;
    this.#writers.push(pending);
    this.#bytes += pending.bytes;
    return true;
  }

  async commit() {
    await undefined;
    this.#isOpen = false;
    await this.#commit(this.#writers);
  }
}
