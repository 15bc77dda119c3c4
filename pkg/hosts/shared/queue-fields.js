/** The fields of a meta record that only queues set. */
export const QUEUE_FIELDS = /** @type {const} */ (['failed', 'firstAttempt', 'expires', 'scheduled', 'untold', 'notice', 'replies']);
