//! Hearing of messages that become due.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::sync::Arc;

use crate::host::{Dict, Host, HostId, Page, Stored};
use crate::id::Id;
use crate::meta::Meta;
use crate::rules::{Operation, Outcome};
use crate::storage::{DictStorage, Result};
use crate::sync::{Mutex, lock};
use crate::table::IdMap;

/// Everybody who waits at one storage.
#[derive(Debug, Default)]
pub(crate) struct Watches(Mutex<Vec<Arc<Watch>>>);

#[derive(Debug, Default)]
struct Watch(Mutex<News>);

#[derive(Debug, Default)]
struct News {
    changed: Vec<Id>,
    scan: bool,
    closed: bool,
    waker: Option<Waker>,
}

impl Watches {
    // Without the standard library there is one thread only.
    #[allow(clippy::arc_with_non_send_sync)]
    fn watch(&self) -> Arc<Watch> {
        let watch = Arc::new(Watch::default());
        let mut watches = lock(&self.0);
        watches.retain(|other| Arc::strong_count(other) > 1);
        watches.push(watch.clone());
        watch
    }

    pub(crate) fn notify(&self, id: Id) {
        // A watcher that does not keep up scans instead of hearing of each one.
        self.tell(|news| if news.changed.len() < 1000 { news.changed.push(id) } else { news.scan = true });
    }

    pub(crate) fn rescan(&self) {
        self.tell(|news| news.scan = true);
    }

    pub(crate) fn close(&self) {
        self.tell(|news| news.closed = true);
    }

    fn tell(&self, change: impl Fn(&mut News)) {
        let watches = lock(&self.0).clone();
        for watch in watches {
            watch.tell(&change);
        }
    }
}

impl Watch {
    fn tell(&self, change: impl Fn(&mut News)) {
        let waker = {
            let mut news = lock(&self.0);
            change(&mut news);
            news.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Yields every message and every changed timestamp, at least once each, for as long as it is
/// asked; see [`DictStorage::wait`].
#[derive(Debug)]
pub struct Wait<C> {
    watch: Arc<Watch>,
    every: Duration,
    scan: Scan<C>,
    /// The timestamp that was yielded last, and the scan that saw the message last.
    yielded: IdMap<(f64, u64)>,
    round: u64,
    changed: Vec<Id>,
    /// The one of these that is being looked at.
    looking: Option<Id>,
    ready: std::vec::IntoIter<(f64, Id)>,
}

/// What one who waits does next.
pub(crate) enum Step<H: Host> {
    Do(Operation<H>),
    /// Until there is news, at most for so many milliseconds.
    Sleep(f64),
    Done(Option<(f64, Id)>),
}

#[derive(Debug)]
enum Scan<C> {
    Page(Option<C>),
    Next(f64),
}

impl<H: Host> DictStorage<H> {
    /// Waits for messages: what is there, then whatever is written or given another timestamp,
    /// through this storage or, as far as the host says so, elsewhere. All is looked through again
    /// `every` so often, since a host may say nothing.
    pub fn wait(&self, every: Duration) -> Wait<H::Cursor> {
        Wait {
            watch: self.watches.watch(),
            every,
            scan: Scan::Page(None),
            yielded: IdMap::default(),
            round: 0,
            changed: Vec::new(),
            looking: None,
            ready: Vec::new().into_iter(),
        }
    }

    /// Tells those that wait at this storage that somebody else has changed a message.
    pub fn notify(&self, id: Id) {
        self.watches.notify(id);
    }

    /// Lets those that wait at this storage look through all messages now.
    pub fn rescan(&self) {
        self.watches.rescan();
    }
}

/// Ends the waiting of one who waits.
#[derive(Debug)]
#[cfg(target_arch = "wasm32")]
pub(crate) struct End(Arc<Watch>);

#[cfg(target_arch = "wasm32")]
impl End {
    /// What is asked for now, and from now on, comes to nothing.
    pub(crate) fn end(&self) {
        self.0.tell(|news| news.closed = true);
    }
}

impl<C> Wait<C> {
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn ending(&self) -> End {
        End(self.watch.clone())
    }

    /// The next message and its timestamp; `None` once the storage is closed.
    ///
    /// # Errors
    /// [`Error::Host`](crate::Error::Host) and [`Error::Timeout`](crate::Error::Timeout); the next
    /// call goes on, with a new scan.
    pub async fn next<H: Host<Cursor = C>>(&mut self, storage: &DictStorage<H>) -> Result<Option<(f64, Id)>, H> {
        let mut outcome = None;
        loop {
            match self.step(storage, outcome.take())? {
                Step::Do(operation) => outcome = Some(storage.ask(operation).await),
                Step::Sleep(milliseconds) => self.sleep(storage, milliseconds).await,
                Step::Done(message) => return Ok(message),
            }
        }
    }

    pub(crate) fn step<H: Host<Cursor = C>>(
        &mut self,
        storage: &DictStorage<H>,
        outcome: Option<Result<Outcome<H>, H>>,
    ) -> Result<Step<H>, H> {
        match outcome {
            Some(Ok(Outcome::Looked(meta))) => self.looked(meta),
            Some(Ok(Outcome::Page(page))) => self.turn(page, storage.host.now()),
            Some(Err(error)) => {
                if let Some(id) = self.looking.take() {
                    self.changed.pop();
                    self.yielded.remove(id);
                }
                self.scan = Scan::Page(None);
                return Err(error);
            }
            _ => self.looking = None, // the call before was given up while it looked
        }
        loop {
            if let Some(message) = self.ready.next() {
                return Ok(Step::Done(Some(message)));
            }
            let (scan, closed) = {
                let mut news = lock(&self.watch.0);
                self.changed.append(&mut news.changed);
                (core::mem::take(&mut news.scan), news.closed)
            };
            if closed {
                return Ok(Step::Done(None));
            }
            if scan && matches!(self.scan, Scan::Next(_)) {
                self.scan = Scan::Page(None);
            } else if scan {
                lock(&self.watch.0).scan = true; // what this scan has passed may have changed
            }
            if let Some(id) = self.changed.last().copied() {
                // Taken off only then: this call may be given up while it looks.
                self.looking = Some(id);
                return Ok(Step::Do(Operation::Look(storage.host.name(id))));
            }
            match core::mem::replace(&mut self.scan, Scan::Page(None)) {
                Scan::Page(cursor) => {
                    if cursor.is_none() {
                        self.round = self.round.wrapping_add(1);
                    }
                    return Ok(Step::Do(Operation::Page(Dict::Meta, cursor)));
                }
                Scan::Next(at) => {
                    let left = at - storage.host.now();
                    if left > 0.0 {
                        self.scan = Scan::Next(at);
                        return Ok(Step::Sleep(left.min(self.every.as_secs_f64() * 1000.0)));
                    }
                }
            }
        }
    }

    /// A message that was said to have changed was looked at.
    fn looked(&mut self, meta: Option<Stored<Meta>>) {
        let Some(id) = self.looking.take() else { return };
        self.changed.pop();
        match meta {
            Some(Stored::Good(meta)) => {
                self.yielded.insert(id, (meta.timestamp, self.round));
                self.ready = vec![(meta.timestamp, id)].into_iter();
            }
            Some(_) => {}
            None => self.yielded.remove(id),
        }
    }

    /// A page of a scan is there.
    fn turn<I: HostId>(&mut self, page: Page<I, C>, now: f64) {
        let mut ready = Vec::new();
        for (id, meta) in page.entries {
            let Some(Stored::Good(meta)) = meta else { continue };
            let last = self.yielded.insert(id.id(), (meta.timestamp, self.round));
            if last.is_none_or(|(timestamp, _)| timestamp != meta.timestamp) {
                ready.push((meta.timestamp, id.id()));
            }
        }
        self.ready = ready.into_iter();
        self.scan = match page.next {
            Some(cursor) => Scan::Page(Some(cursor)),
            None => {
                let round = self.round;
                self.yielded.retain(|_, (_, seen)| *seen == round);
                Scan::Next(now + self.every.as_secs_f64() * 1000.0)
            }
        };
    }

    pub(crate) async fn sleep<H: Host<Cursor = C>>(&self, storage: &DictStorage<H>, milliseconds: f64) {
        let time = Duration::from_millis(milliseconds.max(1.0) as u64);
        let mut timer = pin!(storage.host.sleep(time));
        poll_fn(|cx| {
            {
                let mut news = lock(&self.watch.0);
                if !news.changed.is_empty() || news.scan || news.closed {
                    return Poll::Ready(());
                }
                news.waker = Some(cx.waker().clone());
            }
            timer.as_mut().poll(cx)
        })
        .await;
    }
}
