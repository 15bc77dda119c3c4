/**
 * Names the method by which a `Queue` reads the meta record of one message: its timestamp, its attempts, and its lease
 * or `null`. Copies of this module share it.
 *
 * @type {unique symbol}
 */
export const LOOK = /** @type {any} */ (Symbol.for('slimta-queue-dict.look'));
