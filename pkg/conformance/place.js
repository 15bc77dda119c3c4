/** @import { DictHost, MaybePromise, StorageOptions } from '../types.js' */
import { AsyncDictStorage } from 'slimta-queue-dict';

/**
 * How the suite gets at the hosts it tries.
 *
 * @typedef {object} Hosts
 * @property {() => MaybePromise<DictHost>} open a host on a place of its own, with nothing in it
 * @property {(host: DictHost) => MaybePromise<DictHost>} reopen another host on the place of this one, which may still
 *   be open: as another program would where many may write, else as the same program would
 */

/** Where one test keeps its messages. Whatever it opens there is closed when it ends. */
export class Place {
  #hosts;
  /** @type {DictHost | undefined} */
  #first;
  /** @type {(() => MaybePromise<void> | undefined)[]} */
  #opened = [];

  /** @param {Hosts} hosts */
  constructor(hosts) {
    this.#hosts = hosts;
  }

  /**
   * One more host on this place.
   *
   * @returns {Promise<DictHost>}
   */
  async host() {
    const host = await this.#open();
    this.#opened.push(() => host.close?.());
    return host;
  }

  /**
   * A storage over one more host.
   *
   * @param {StorageOptions} [options]
   */
  async storage(options) {
    return this.over(await this.#open(), options);
  }

  /**
   * A storage over this host.
   *
   * @param {DictHost} host
   * @param {StorageOptions} [options]
   */
  over(host, options) {
    const storage = new AsyncDictStorage(host, { poll: 50, ...options });
    this.#opened.push(() => storage.close());
    return storage;
  }

  /** Closes all there is; what is opened then finds what was left. */
  async end() {
    for (const close of this.#opened.splice(0).reverse()) await close();
  }

  async #open() {
    this.#first = this.#first ? await this.#hosts.reopen(this.#first) : await this.#hosts.open();
    return this.#first;
  }
}
