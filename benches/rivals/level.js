/** What one would write by hand on LevelDB: a batch a change, synced, and nothing that watches over it. */
export class LevelByHand {
  #db;

  /** @param {import('classic-level').ClassicLevel<string, any>} db */
  constructor(db) {
    this.#db = db;
  }

  /**
   * @param {any} envelope
   * @param {number} timestamp
   * @param {{ id: string }} options
   */
  async write({ message, ...envelope }, timestamp, { id }) {
    await this.#db.batch([
      { type: 'put', key: `envelope:${id}`, value: JSON.stringify(envelope) },
      { type: 'put', key: `message:${id}`, value: message, valueEncoding: 'view' },
      { type: 'put', key: `meta:${id}`, value: JSON.stringify({ timestamp, attempts: 0 }) },
    ], { sync: true });
    return id;
  }

  /**
   * @param {string} id
   * @param {number} timestamp
   */
  async setTimestamp(id, timestamp) {
    await this.#change(id, (meta) => ({ ...meta, timestamp }));
  }

  /** @param {string} id */
  async incrementAttempts(id) {
    return (await this.#change(id, (meta) => ({ ...meta, attempts: meta.attempts + 1 }))).attempts;
  }

  /**
   * @param {string} id
   * @param {number[]} indexes
   */
  async setRecipientsDelivered(id, indexes) {
    await this.#change(id, ({ deliveredIndexes = [], ...meta }) =>
      ({ ...meta, deliveredIndexes: [...new Set([...deliveredIndexes, ...indexes])] }));
  }

  /** @param {string} id */
  async get(id) {
    const [envelope, message, meta] = await Promise.all([
      this.#db.get(`envelope:${id}`), this.#db.get(`message:${id}`, { valueEncoding: 'view' }),
      this.#db.get(`meta:${id}`),
    ]);
    const { attempts, deliveredIndexes = [] } = JSON.parse(meta);
    const { recipients, ...rest } = JSON.parse(envelope);
    const left = [...recipients.keys()].filter((i) => !deliveredIndexes.includes(i));
    return [{ ...rest, message, recipients: left.map((i) => recipients[i]) }, attempts, left];
  }

  /** @param {string} id */
  async remove(id) {
    await this.#db.batch(['meta', 'envelope', 'message'].map((name) => ({ type: 'del', key: `${name}:${id}` })), {
      sync: true,
    });
  }

  /**
   * @param {string} id
   * @param {(meta: any) => any} change
   */
  async #change(id, change) {
    const meta = change(JSON.parse(await this.#db.get(`meta:${id}`)));
    await this.#db.batch([{ type: 'put', key: `meta:${id}`, value: JSON.stringify(meta) }], { sync: true });
    return meta;
  }
}
