//! How a queue hears of the messages of its storage.

use std::collections::HashMap;
use std::pin::pin;

use futures_util::future::{Either, select};

use super::event::{Cause, Kind};
use super::queue::Queue;
use super::run::Pass;
use super::schedule::QueuedMessage;
use super::scheduler::rest;
use super::timer::{Timer, milliseconds};
use crate::error::Error;
use crate::host::{Host, Stored};
use crate::id::Id;
use crate::load::Position;
use crate::meta::Meta;
use crate::storage::Result;
use crate::watch::{Latest, Subscriber};

/// How many messages are taken over before anything else may run.
pub(super) const AT_ONCE: usize = 500;

impl<H: Host, R, T: Timer> Queue<H, R, T> {
    /// Schedules what is there, then what is written or given another timestamp, until the storage is
    /// closed.
    pub(super) async fn watch(&self) {
        let subscriber = self.storage.watchers.subscribe();
        loop {
            match self.scan_and_listen(&subscriber).await {
                Ok(()) => {}
                Err(Error::Closed) => return,
                Err(error) => {
                    self.emit(None, None, 0, Kind::Error(Cause::Storage(error)));
                    self.timer.sleep(milliseconds(rest(self.timer.random()))).await;
                }
            }
        }
    }

    /// Schedules everything that is there, shows it to a pass, and forgets what is gone.
    pub(super) async fn scan(&self, mut pass: Option<&mut Pass>) -> Result<(), H> {
        let _alone = self.scans.lock().await; // two at once would take what the other one sees for unseen
        self.shared.lock().scheduler.begin_scan();
        let mut position = Position::Start;
        let mut count = 0_usize;
        while !matches!(position, Position::End) {
            for (id, stored) in self.storage.load_entries(&mut position).await? {
                if let Some(Stored::Good(meta)) = stored {
                    self.put_found(id, &meta);
                    if let Some(pass) = &mut pass {
                        pass.find(&self.shared.lock().scheduler, &self.settings.owner, id, &meta);
                    }
                } else {
                    self.shared.lock().scheduler.see(id);
                }
                count = count.wrapping_add(1);
                if count.is_multiple_of(AT_ONCE) {
                    self.timer.yield_now().await;
                }
            }
        }
        let gone = self.shared.update(|state| state.scheduler.end_scan());
        gone.into_iter().for_each(|message| self.removed(message));
        Ok(())
    }

    /// Schedules a message as its record says.
    fn put_found(&self, id: Id, meta: &Meta) {
        match &meta.lease {
            Some(lease) if lease.owner == self.settings.owner => {
                self.shared.update_now(&self.timer, |state| state.scheduler.put_own(id, meta.timestamp));
            }
            Some(lease) if meta.timestamp <= lease.until => {
                let longest = self.settings.lease;
                self.shared.update_now(&self.timer, |state| {
                    state.scheduler.put_claimed(id, meta.timestamp, meta.attempts, longest);
                });
            }
            _ => self.put(id, meta.timestamp, Some(meta.attempts)),
        }
    }

    pub(super) fn forget(&self, id: Id) {
        if let Some(message) = self.shared.update(|state| state.scheduler.forget(id)) {
            self.removed(message);
        }
    }

    fn removed(&self, QueuedMessage { id, attempts, .. }: QueuedMessage) {
        self.emit(Some(id), None, attempts, Kind::Removed);
    }

    /// Schedules, or forgets, what has changed.
    pub(super) async fn take_over(&self, messages: HashMap<Id, Latest>) -> Result<(), H> {
        for (id, latest) in messages {
            match latest {
                Latest::At(timestamp, attempts) => self.put(id, timestamp, Some(attempts)),
                Latest::Gone => self.forget(id),
                Latest::Changed => match self.storage.get_meta(&id).await? {
                    Some(Stored::Good(meta)) => self.put_found(id, &meta),
                    _ => self.forget(id),
                },
            }
        }
        Ok(())
    }

    /// One scan of everything, then the changes until it is time for the next one.
    async fn scan_and_listen(&self, subscriber: &Subscriber) -> Result<(), H> {
        self.scan(None).await?;
        let mut timer = pin!(self.timer.sleep(self.options.scan));
        loop {
            if let Either::Right(_) = select(pin!(subscriber.heard()), timer.as_mut()).await {
                return Ok(());
            }
            let changes = subscriber.take();
            self.take_over(changes.messages).await?;
            if changes.closed {
                return Err(Error::Closed);
            }
            if changes.rescan {
                return Ok(());
            }
        }
    }
}
