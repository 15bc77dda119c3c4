//! How a queue hears of the messages of its storage.

use std::collections::HashMap;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::event::{Cause, Kind};
use super::on_drop::OnDrop;
use super::owners::MOST;
#[cfg(not(target_family = "wasm"))]
use super::owners::here;
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
use crate::sync::lock;
use crate::watch::{Latest, Subscriber};

/// How long a run waits to know whether an owner of a claim is gone.
const KNOWN_SOON: Duration = Duration::from_millis(100);
/// How many records are looked at one by one, rather than all that are there by pages.
const LOOKS: usize = 1_000;
/// How many messages are taken over before anything else may run.
pub(super) const AT_ONCE: usize = 500;

impl<H: Host, R, T: Timer> Queue<H, R, T> {
    /// Schedules what is there, then what is written or given another timestamp, until the storage is
    /// closed.
    pub(super) async fn watch(&self) {
        let subscriber = self.storage.subscribe();
        let mut leaving = FuturesUnordered::new();
        self.shared.lock().owners.ask_again();
        let leave = |owner: String| async move {
            self.until_gone(&owner).await;
            owner
        };
        loop {
            match self.scan_and_listen(&subscriber, &mut leaving, &leave).await {
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
        {
            let state = &mut *self.shared.lock();
            if state.owners.are_many() {
                state.owners.forget();
            }
            state.scheduler.begin_scan();
        }
        let mut position = Position::Start;
        let mut count = 0_usize;
        let mut alive = Vec::new();
        while !matches!(position, Position::End) {
            let (ends, _reading) = self.begin_read();
            for (id, stored) in self.storage.load_entries(&mut position).await? {
                if let Some(Stored::Good(meta)) = stored {
                    self.put_found(id, &meta, ends);
                    if let Some(pass) = &mut pass {
                        let is_gone = self.learn(&meta, &mut alive).await;
                        if is_gone {
                            self.put_found(id, &meta, ends);
                        }
                        pass.find(&self.shared.lock().scheduler, &self.settings().owner, is_gone, id, &meta);
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

    /// Records are read until this is dropped; how many attempts have ended before, of those that
    /// [`Scheduler::has_ended_since`](super::scheduler::Scheduler::has_ended_since) knows.
    fn begin_read(&self) -> (usize, OnDrop<impl FnMut()>) {
        let ends = self.shared.lock().scheduler.begin_read();
        (ends, OnDrop(|| self.shared.lock().scheduler.end_read()))
    }

    /// Schedules a message as its record says, which was read when so many attempts had ended.
    fn put_found(&self, id: Id, meta: &Meta, ends: usize) {
        if self.shared.lock().scheduler.has_ended_since(id, ends) {
            return self.shared.lock().scheduler.see(id);
        }
        match &meta.lease {
            Some(lease) if lease.owner == self.settings().owner => {
                self.shared.update_now(&self.timer, |state| state.scheduler.put_own(id, meta.timestamp));
            }
            Some(lease) if self.shared.lock().owners.is_gone(&lease.owner) => {
                let (timestamp, attempts) = (meta.timestamp, meta.attempts);
                self.shared.update_now(&self.timer, |state| state.scheduler.put_now(id, timestamp, attempts));
            }
            Some(lease) if meta.timestamp <= lease.until => {
                let longest = self.settings().lease;
                self.shared.update_now(&self.timer, |state| {
                    state.scheduler.put_claimed(id, meta.timestamp, meta.attempts, longest);
                });
            }
            _ => {
                let (timestamp, attempts) = (meta.timestamp, meta.attempts);
                self.shared.update_now(&self.timer, |state| state.scheduler.put_found(id, timestamp, attempts));
            }
        }
    }

    /// Whether the owner of a claim is gone, as far as that can be known soon. Those who are not join those `alive`, who
    /// are not waited for again.
    async fn learn(&self, meta: &Meta, alive: &mut Vec<String>) -> bool {
        let Some(lease) = meta.claim(self.timer.wall()).filter(|lease| lease.owner != self.settings().owner) else {
            return false;
        };
        if !self.shared.lock().owners.is_gone(&lease.owner) {
            if alive.contains(&lease.owner) || !self.can_know_owners() {
                return false;
            }
            let (gone, soon) = (pin!(self.until_gone(&lease.owner)), pin!(self.timer.sleep(KNOWN_SOON)));
            if matches!(select(gone, soon).await, Either::Right(_)) {
                alive.push(lease.owner.clone());
                return false;
            }
            self.shared.lock().owners.leave(lease.owner.clone());
        }
        true
    }

    /// Whether anybody can know of an owner that it is gone.
    fn can_know_owners(&self) -> bool {
        self.options.owner_gone.is_some() || self.storage.host().is_exclusive()
    }

    /// Waits until an owner is known to be gone.
    async fn until_gone(&self, owner: &str) {
        match &self.options.owner_gone {
            Some(gone) => gone(owner).await,
            #[cfg(not(target_family = "wasm"))]
            None if self.storage.host().is_exclusive() && here::is_gone(owner) => {}
            None => pending().await,
        }
    }

    pub(super) fn forget(&self, id: Id) {
        if let Some(message) = self.shared.update(|state| state.scheduler.forget(id)) {
            self.removed(message);
        }
    }

    fn removed(&self, QueuedMessage { id, attempts, .. }: QueuedMessage) {
        lock(&self.unrecorded).remove(&id);
        self.emit(Some(id), None, attempts, Kind::Removed);
    }

    /// Schedules, or forgets, what has changed until now.
    pub(super) async fn take_over(&self, messages: HashMap<Id, Latest>) -> Result<(), H> {
        let (ends, _reading) = self.begin_read();
        for (id, latest) in messages {
            let is_old = self.shared.lock().scheduler.has_ended_since(id, ends);
            match latest {
                Latest::At(timestamp, attempts) if !is_old => self.put(id, timestamp, Some(attempts)),
                Latest::Gone if !is_old => self.forget(id),
                _ => self.look_at(id).await?,
            }
        }
        Ok(())
    }

    /// Schedules, or forgets, a message whose record somebody has changed.
    async fn look_at(&self, id: Id) -> Result<(), H> {
        loop {
            let (ends, _reading) = self.begin_read();
            let found = self.storage.get_meta(&id).await?;
            if self.shared.lock().scheduler.has_ended_since(id, ends) {
                continue;
            }
            match found {
                Some(Stored::Good(meta)) => self.put_found(id, &meta, ends),
                _ => self.forget(id),
            }
            return Ok(());
        }
    }

    /// One scan of everything, then the changes until it is time for the next one.
    async fn scan_and_listen<L: Future<Output = String>>(
        &self,
        subscriber: &Subscriber,
        leaving: &mut FuturesUnordered<L>,
        leave: &impl Fn(String) -> L,
    ) -> Result<(), H> {
        if leaving.len() > MOST {
            leaving.clear();
            self.shared.lock().owners.forget();
        }
        self.scan(None).await?;
        let mut timer = pin!(self.timer.sleep(self.options.scan));
        let has_met = Arc::clone(&self.shared.lock().owners.has_met);
        loop {
            let new_owners = self.shared.lock().owners.take_met();
            leaving.extend(new_owners.into_iter().map(leave));
            let next_leaving = pin!(async {
                match leaving.next().await {
                    Some(owner) => owner,
                    None => pending().await,
                }
            });
            let interrupted = select(next_leaving, timer.as_mut());
            // An attempt may meet an owner, too.
            let (told, met) = (pin!(subscriber.heard()), pin!(has_met.notified()));
            match select(select(told, met), interrupted).await {
                Either::Left(_) => {}
                Either::Right((Either::Left((owner, _)), _)) => {
                    self.shared.lock().owners.leave(owner);
                    return Ok(());
                }
                Either::Right((Either::Right(_), _)) => return Ok(()),
            }
            let changes = subscriber.take();
            if changes.closed {
                return Err(Error::Closed);
            }
            let unknown = changes.messages.values().filter(|latest| matches!(latest, Latest::Changed)).count();
            if changes.rescan || unknown > LOOKS {
                return Ok(()); // a scan finds them all
            }
            self.take_over(changes.messages).await?;
        }
    }
}
