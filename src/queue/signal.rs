//! How those who work for an attempt hear that it ends now.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Says when to stop. Clones share what they say.
#[derive(Clone, Debug, Default)]
pub struct AbortSignal(Arc<State>);

#[derive(Debug, Default)]
struct State {
    aborted: AtomicBool,
    notify: Notify,
}

impl AbortSignal {
    /// Whether it is time to stop.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.0.aborted.load(Ordering::Acquire)
    }

    /// Is ready when it is time to stop.
    pub async fn aborted(&self) {
        let mut notified = pin!(self.0.notify.notified());
        notified.as_mut().enable(); // before the look, or the signal could be given in between
        if !self.is_aborted() {
            notified.await;
        }
    }

    /// Says that it is time to stop.
    pub fn abort(&self) {
        self.0.aborted.store(true, Ordering::Release);
        self.0.notify.notify_waiters();
    }
}
