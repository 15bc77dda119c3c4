//! Where notifications of failures are queued.

use super::boxed::{BoxError, BoxFuture};
use crate::id::Id;

/// Takes the notifications that a queue sends, in the place of the queue itself.
pub trait BounceQueue<E> {
    /// Stores a notification, under `id` where it can. It is called again, with the same id, where the
    /// queue was cut short before it had recorded that the sender was told.
    ///
    /// # Errors
    /// Whatever keeps it from being stored: an event tells of it, and it is called again after longer and longer waits,
    /// for some five days. Then nobody is told.
    fn enqueue(&self, bounce: E, id: Id) -> BoxFuture<'_, Result<(), BoxError>>;
}
