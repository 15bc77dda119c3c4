//! How a queue hears of the messages of its storage.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::event::{Cause, Kind};
use super::queue::Queue;
use super::timer::Timer;
use crate::error::Error;
use crate::host::{Host, Stored};
use crate::id::Id;
use crate::load::Position;
use crate::meta::Meta;
use crate::storage::Result;
use crate::watch::{Latest, Subscriber};

/// For how long a failing storage is left alone, twice as long after each failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How many messages are taken over before anything else may run.
const AT_ONCE: usize = 500;

impl<H: Host, R, T: Timer> Queue<H, R, T> {
    /// Schedules what is there, then what is written or given another timestamp, until the storage is
    /// closed.
    pub(super) async fn watch(&self) {
        let subscriber = self.storage.watchers.subscribe();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.scan_and_listen(&subscriber).await {
                Ok(()) => pause = FIRST_PAUSE,
                Err(Error::Closed) => return,
                Err(error) => {
                    self.emit(None, None, 0, Kind::Error(Cause::Storage(error)));
                    self.timer.sleep(pause).await;
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Schedules everything that is there.
    pub(super) async fn scan(&self) -> Result<(), H> {
        let mut position = Position::Start;
        let mut count = 0_usize;
        while !matches!(position, Position::End) {
            for (id, meta) in self.storage.load_records(&mut position).await? {
                self.put_found(id, &meta);
                count = count.wrapping_add(1);
                if count.is_multiple_of(AT_ONCE) {
                    self.timer.yield_now().await;
                }
            }
        }
        Ok(())
    }

    /// Schedules a message as its record says.
    fn put_found(&self, id: Id, meta: &Meta) {
        match &meta.lease {
            Some(lease) if lease.owner == self.settings.owner => {
                self.shared.update_now(&self.timer, |state| state.scheduler.put_own(id, meta.timestamp));
            }
            _ => self.put(id, meta.timestamp),
        }
    }

    fn forget(&self, id: Id) {
        self.shared.update(|state| state.scheduler.forget(id));
    }

    /// One scan of everything, then the changes until it is time for the next one.
    async fn scan_and_listen(&self, subscriber: &Subscriber) -> Result<(), H> {
        self.scan().await?;
        let mut timer = pin!(self.timer.sleep(self.options.scan));
        loop {
            if let Either::Right(_) = select(pin!(subscriber.heard()), timer.as_mut()).await {
                return Ok(());
            }
            let changes = subscriber.take();
            for (id, latest) in changes.messages {
                match latest {
                    Latest::At(timestamp) => self.put(id, timestamp),
                    Latest::Gone => self.forget(id),
                    Latest::Changed => match self.storage.get_meta(&id).await? {
                        Some(Stored::Good(meta)) => self.put_found(id, &meta),
                        _ => self.forget(id),
                    },
                }
            }
            if changes.closed {
                return Err(Error::Closed);
            }
            if changes.rescan {
                return Ok(());
            }
        }
    }
}
