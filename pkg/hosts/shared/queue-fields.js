/** The fields of a meta record that only queues set. */
export const QUEUE_FIELDS = /** @type {const} */ (['failed', 'firstAttempt', 'expires', 'scheduled', 'untold', 'notice', 'replies']);
/** The format of a record with any of them: a version that does not know them would drop them. */
export const FORMAT_QUEUE = 2;
