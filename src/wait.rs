//! Waiting for messages.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use std::vec;

use crate::host::{Dict, Host, Stored};
use crate::id::Id;
use crate::millis;
use crate::storage::{DictStorage, Result};
use crate::watch::{Changes, Latest, Subscriber};

/// Yields every message and every changed timestamp, at least once each, for as long as it is
/// asked; see [`DictStorage::wait`].
#[derive(Debug)]
pub struct Wait<C> {
    subscriber: Subscriber,
    every: Duration,
    scan: Scan<C>,
    /// The timestamp that was returned last, and the round that saw the message last.
    returned: HashMap<Id, (f64, u64)>,
    round: u64,
    ready: vec::IntoIter<(f64, Id)>,
    changes: HashMap<Id, Latest>,
    rescan: bool,
}

/// How far the look through all messages is.
#[derive(Debug)]
enum Scan<C> {
    Page(Option<C>),
    /// The next one begins then, on the host's clock.
    Next(f64),
}

impl<H: Host> DictStorage<H> {
    /// Waits for messages: what is there, then whatever is written or given another timestamp,
    /// through this storage or, as far as the host says so, elsewhere. All is looked through again
    /// `every` so often, since a host may say nothing.
    pub fn wait(&self, every: Duration) -> Wait<H::Cursor> {
        Wait {
            subscriber: self.subscribe(),
            every,
            scan: Scan::Page(None),
            returned: HashMap::new(),
            round: 0,
            ready: Vec::new().into_iter(),
            changes: HashMap::new(),
            rescan: false,
        }
    }

    /// Hears of every change from now on. The host is asked once to tell of those that others make: in
    /// JavaScript the classes do that.
    pub(crate) fn subscribe(&self) -> Subscriber {
        #[cfg(not(target_family = "wasm"))]
        if !self.subscribed.swap(true, std::sync::atomic::Ordering::Relaxed) {
            self.host.subscribe(self.watchers.listener());
        }
        self.watchers.subscribe()
    }

    /// Tells those that wait at this storage that somebody else has changed a message.
    pub fn notify(&self, id: Id) {
        self.watchers.notify(id, Latest::Changed);
    }

    /// Lets those that wait at this storage look through all messages now.
    pub fn rescan(&self) {
        self.watchers.rescan();
    }
}

impl<C> Wait<C> {
    /// Who ends the waiting, also a [`Wait::next`] under way.
    #[cfg(target_family = "wasm")]
    pub(crate) fn subscriber(&self) -> Subscriber {
        self.subscriber.clone()
    }

    /// The next message and its timestamp; `None` once the storage is closed.
    ///
    /// # Errors
    /// [`Error::Host`](crate::Error::Host) and [`Error::Timeout`](crate::Error::Timeout); the next
    /// call goes on, with a new scan. [`Error::Closed`](crate::Error::Closed) where the storage is closed while this looks
    /// through it.
    pub async fn next<H: Host<Cursor = C>>(&mut self, storage: &DictStorage<H>) -> Result<Option<(f64, Id)>, H> {
        let next = self.step(storage).await;
        if next.is_err() {
            self.scan = Scan::Page(None);
        }
        next
    }

    // What is taken out of `self` stays there until it is dealt with: this call may be given up at
    // every await.
    async fn step<H: Host<Cursor = C>>(&mut self, storage: &DictStorage<H>) -> Result<Option<(f64, Id)>, H> {
        loop {
            if let Some(message) = self.ready.next() {
                return Ok(Some(message));
            }
            let Changes { messages, rescan, closed, .. } = self.subscriber.take();
            if closed {
                return Ok(None);
            }
            self.changes.extend(messages);
            self.rescan |= rescan;
            if let Some((id, latest)) = self.changes.iter().next().map(|(id, latest)| (*id, *latest)) {
                let due = match latest {
                    Latest::At(timestamp, _) => Some(timestamp),
                    Latest::Gone => None,
                    Latest::Changed => self.look_up(storage, id).await?,
                };
                self.changes.remove(&id);
                let Some(timestamp) = due else {
                    self.returned.remove(&id);
                    continue;
                };
                self.returned.insert(id, (timestamp, self.round));
                return Ok(Some((timestamp, id)));
            }
            if self.rescan && matches!(self.scan, Scan::Next(_)) {
                self.rescan = false;
                self.scan = Scan::Page(None);
            }
            match &self.scan {
                Scan::Page(cursor) => {
                    if cursor.is_none() {
                        self.round = self.round.wrapping_add(1);
                    }
                    self.read_page(storage).await?;
                }
                Scan::Next(at) => {
                    let left = *at - storage.host.now();
                    if left > 0.0 {
                        self.sleep(storage, left).await;
                    } else {
                        self.scan = Scan::Page(None);
                    }
                }
            }
        }
    }

    /// When a message is due that was said to have changed.
    async fn look_up<H: Host<Cursor = C>>(&mut self, storage: &DictStorage<H>, id: Id) -> Result<Option<f64>, H> {
        Ok(match storage.get_meta(&id).await? {
            Some(Stored::Good(meta)) => Some(meta.timestamp),
            _ => None,
        })
    }

    /// The page that the scan is at.
    async fn read_page<H: Host<Cursor = C>>(&mut self, storage: &DictStorage<H>) -> Result<(), H> {
        let Scan::Page(cursor) = &self.scan else { return Ok(()) };
        let page = storage.page(Dict::Meta, cursor.as_ref()).await?;
        let mut ready = Vec::new();
        for (id, meta) in page.entries {
            let Some(Stored::Good(meta)) = meta else { continue };
            let last = self.returned.insert(id, (meta.timestamp, self.round));
            if last.is_none_or(|(timestamp, _)| timestamp != meta.timestamp) {
                ready.push((meta.timestamp, id));
            }
        }
        self.ready = ready.into_iter();
        self.scan = match page.next {
            Some(cursor) => Scan::Page(Some(cursor)),
            None => {
                let round = self.round;
                self.returned.retain(|_, (_, seen)| *seen == round);
                Scan::Next(storage.host.now() + millis::of(self.every))
            }
        };
        Ok(())
    }

    /// Until something has changed, at most for so long.
    async fn sleep<H: Host<Cursor = C>>(&self, storage: &DictStorage<H>, milliseconds: f64) {
        let time = millis::duration(milliseconds).min(self.every).max(Duration::from_millis(1));
        let mut timer = pin!(storage.host.sleep(time));
        let mut heard = pin!(self.subscriber.heard());
        poll_fn(|cx| match heard.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => timer.as_mut().poll(cx),
        })
        .await;
    }
}
