//! Where notifications of failures are queued.

use super::boxed::{BoxError, BoxFuture};
use crate::id::Id;

/// Takes the notifications that a queue sends, in the place of the queue itself.
pub trait BounceQueue<E> {
    /// Stores a notification, under `id` and due at `at` where it can, and returns the ids of what it
    /// has become. It is called again, with the same id, where the queue was cut short meanwhile. A
    /// place that knows no time may send at once.
    fn enqueue(&self, bounce: E, id: Id, at: f64) -> BoxFuture<'_, Result<Vec<Id>, BoxError>>;

    /// Lets a notification be sent now that was stored to be due later: its message is marked.
    fn send(&self, id: Id) -> BoxFuture<'_, Result<(), BoxError>> {
        let _ = id;
        Box::pin(std::future::ready(Ok(())))
    }
}
