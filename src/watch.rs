//! Hearing of messages that are written, removed or given another time.

use std::collections::HashMap;
use std::future::poll_fn;
use std::mem::take;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};

use crate::id::Id;
use crate::sync::{Mutex, lock};

/// Of how many messages a subscriber keeps the changes at most. One that does not keep up looks
/// through everything instead.
const MOST_CHANGES: usize = 10_000;

/// What was heard last of a message. What was heard before would be wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Latest {
    /// It is due at this time, after so many attempts.
    At(f64, u32),
    /// It was removed.
    Gone,
    /// Somebody else has changed it.
    Changed,
}

/// Everybody who has subscribed to the changes of one storage.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Arc<Mutex<Vec<Subscriber>>>);

/// Where a host tells a storage of what others have changed; see
/// [`Host::subscribe`](crate::Host::subscribe).
#[derive(Clone, Debug)]
pub struct ChangeListener(Weak<Mutex<Vec<Subscriber>>>);

impl ChangeListener {
    /// Somebody else has changed this message.
    pub fn notify(&self, id: Id) {
        if let Some(watchers) = self.0.upgrade() {
            Watchers(watchers).notify(id, Latest::Changed);
        }
    }

    /// Anything may have changed.
    pub fn rescan(&self) {
        if let Some(watchers) = self.0.upgrade() {
            Watchers(watchers).rescan();
        }
    }

    /// Whether the storage is gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// What one subscriber has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// By message, what was heard last of it.
    pub(crate) messages: HashMap<Id, Latest>,
    /// Whether anything else may have changed.
    pub(crate) rescan: bool,
    /// Whether there will be no more.
    pub(crate) closed: bool,
    waker: Option<Waker>,
}

impl Watchers {
    /// Everything from now on.
    pub(crate) fn subscribe(&self) -> Subscriber {
        let subscriber = Subscriber(Arc::default());
        let mut watchers = lock(&self.0);
        watchers.retain(|other| Arc::strong_count(&other.0) > 1);
        watchers.push(subscriber.clone());
        subscriber
    }

    /// For the host.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn listener(&self) -> ChangeListener {
        ChangeListener(Arc::downgrade(&self.0))
    }

    pub(crate) fn notify(&self, id: Id, latest: Latest) {
        self.publish(|changes| {
            if changes.messages.len() < MOST_CHANGES || changes.messages.contains_key(&id) {
                changes.messages.insert(id, latest);
            } else {
                changes.rescan = true;
            }
        });
    }

    pub(crate) fn rescan(&self) {
        self.publish(|changes| changes.rescan = true);
    }

    pub(crate) fn close(&self) {
        self.publish(|changes| changes.closed = true);
    }

    fn publish(&self, change: impl Fn(&mut Changes)) {
        let watchers = lock(&self.0).clone();
        for subscriber in watchers {
            subscriber.update(&change);
        }
    }
}

/// Somebody who hears of every change made through one storage, and of what its host tells of
/// others.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber(Arc<Mutex<Changes>>);

impl Subscriber {
    fn update(&self, change: impl Fn(&mut Changes)) {
        let waker = {
            let mut changes = lock(&self.0);
            change(&mut changes);
            changes.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the changes so far.
    pub(crate) fn take(&self) -> Changes {
        let mut changes = lock(&self.0);
        let closed = changes.closed;
        Changes { messages: take(&mut changes.messages), rescan: take(&mut changes.rescan), closed, waker: None }
    }

    /// Ends when there is something to take.
    pub(crate) async fn heard(&self) {
        poll_fn(|cx| {
            let mut changes = lock(&self.0);
            if !changes.messages.is_empty() || changes.rescan || changes.closed {
                return Poll::Ready(());
            }
            changes.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Lets this subscriber hear of nothing more.
    #[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
    pub(crate) fn end(&self) {
        self.update(|changes| changes.closed = true);
    }
}
