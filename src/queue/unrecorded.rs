//! Attempts that were cut off before their outcomes were recorded.

use std::sync::Arc;

use super::attempt::AttemptState;

/// An attempt whose outcome is not in the storage, and the envelope as it was read.
pub(super) struct Unrecorded<E> {
    pub(super) state: AttemptState,
    pub(super) envelope: Option<Arc<E>>,
}
