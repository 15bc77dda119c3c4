//! The storage's host and the clocks of one deliverer.

use std::fmt;
use std::future::Future;
use std::ops::Bound;
use std::time::Duration;

use slimta_queue_dict::host::{BatchOf, Check, Dict, Page, Record, Sizes, Stored, Write};
use slimta_queue_dict::queue::Timer;
use slimta_queue_dict::{Envelope, Host, Id, Meta};

use super::executor::sleep;
use super::{Setting, Shared};

/// Which deliverer it is: another number after every restart.
#[derive(Clone)]
pub struct SimHost {
    pub world: Shared,
    pub deliverer: u64,
    pub foretells: bool,
    /// Whether this is the storage where what is given up is kept.
    pub kept: bool,
}

/// What the host throws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was done.
    Failed,
    /// Nobody knows.
    Lost,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

impl SimHost {
    async fn call<T>(&self, changes: bool, act: impl FnOnce(&Self) -> T) -> Result<T, Failure> {
        let (before, fails, after, loses) = {
            let world = &mut *self.world.borrow_mut();
            let away = if self.kept { world.kept_away } else { world.away };
            let faults = if away { 0 } else { world.faults };
            let delay = |world: &mut super::World| {
                let most = if world.random.chance(faults) { 3_000 } else { 4 };
                world.random.below(most) as f64
            };
            let (before, after) = (delay(world), delay(world));
            let (fails, loses) = (world.random.chance(faults), world.random.chance(faults));
            if away {
                let fails = world.random.chance(80);
                (before, fails, after, !fails)
            } else {
                (before, fails, after, loses)
            }
        };
        if before > 0.0 {
            sleep(&self.world, before).await;
        }
        if fails {
            return Err(Failure::Failed);
        }
        let done = act(self);
        if after > 0.0 {
            sleep(&self.world, after).await;
        }
        if loses {
            return Err(if changes { Failure::Lost } else { Failure::Failed });
        }
        Ok(done)
    }
}

impl Host for SimHost {
    type Envelope = Envelope;
    type Version = Meta;
    type Cursor = Id;
    type Error = Failure;

    async fn read_meta(&self, id: Id) -> Result<Option<Record<Meta>>, Failure> {
        let meta = self.call(false, |host| host.world.borrow_mut().dicts(host.kept).1.get(&id).cloned()).await?;
        Ok(meta.map(|meta| Record { meta: Stored::Good(meta.clone()), version: meta }))
    }

    async fn read_envelope(&self, id: Id) -> Result<Option<Stored<Envelope>>, Failure> {
        self.call(false, |host| host.world.borrow_mut().dicts(host.kept).0.get(&id).cloned().map(Stored::Good)).await
    }

    async fn commit(&self, batch: BatchOf<Self>) -> Result<bool, Failure> {
        let (id, writes) = (batch.id, batch.writes.clone());
        let needs_room = |tight: bool| {
            batch.writes.iter().any(|write| match write {
                Write::Envelope(_) => true,
                Write::Meta(_) => tight,
                Write::Delete(_) => false,
            })
        };
        let is_full = {
            let world = self.world.borrow();
            !self.kept && world.full && needs_room(world.is_tight)
        };
        if is_full {
            self.call(false, |_| ()).await?;
            return Err(Failure::Failed);
        }
        let holds = self
            .call(true, |host| {
                let world = &mut *host.world.borrow_mut();
                let (envelopes, metas) = world.dicts(host.kept);
                let holds = batch.checks.iter().all(|check| match check {
                    Check::Absent(Dict::Envelope) => !envelopes.contains_key(&id),
                    Check::Absent(Dict::Meta) => !metas.contains_key(&id),
                    Check::Unchanged(version) => metas.get(&id) == Some(version),
                });
                if holds {
                    for write in batch.writes {
                        if host.kept {
                            world.ledger.keeps(id, &write);
                        } else {
                            world.ledger.writes(host.deliverer, world.meta.get(&id), id, &write);
                        }
                        let (envelopes, metas) = world.dicts(host.kept);
                        match write {
                            Write::Envelope(envelope) => drop(envelopes.insert(id, envelope)),
                            Write::Meta(meta) => drop(metas.insert(id, meta)),
                            Write::Delete(Dict::Envelope) => drop(envelopes.remove(&id)),
                            Write::Delete(Dict::Meta) => drop(metas.remove(&id)),
                        }
                    }
                }
                holds
            })
            .await?;
        if holds && !self.kept {
            self.world.borrow_mut().ledger.acknowledged(id, &writes);
        }
        Ok(holds)
    }

    async fn page(&self, dict: Dict, cursor: Option<Id>, limit: u32) -> Result<Page<Id>, Failure> {
        let range = (cursor.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        self.call(false, |host| {
            let world = &mut *host.world.borrow_mut();
            let (envelopes, metas) = world.dicts(host.kept);
            let entries: Vec<_> = match dict {
                Dict::Envelope => envelopes.range(range).take(limit as usize).map(|(id, _)| (*id, None)).collect(),
                Dict::Meta => {
                    let entry = |(id, meta): (&Id, &Meta)| (*id, Some(Stored::Good(meta.clone())));
                    metas.range(range).take(limit as usize).map(entry).collect()
                }
            };
            let next = if entries.len() < limit as usize { None } else { entries.last().map(|(id, _)| *id) };
            Page { entries, foreign_keys: Vec::new(), next }
        })
        .await
    }

    async fn sizes(&self) -> Result<Sizes, Failure> {
        self.call(false, |host| {
            let world = &mut *host.world.borrow_mut();
            let (envelopes, metas) = world.dicts(host.kept);
            Sizes { size: envelopes.len() as u64, meta_size: metas.len() as u64 }
        })
        .await
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        let mut milliseconds = time.as_secs_f64() * 1000.0;
        if milliseconds <= 256.0 {
            // Pauses after conflicts are random: here the seed decides.
            milliseconds = self.world.borrow_mut().random.below(64) as f64;
        }
        async move { sleep(&self.world, milliseconds).await }
    }

    fn now(&self) -> f64 {
        self.world.borrow().now
    }

    fn version_of(&self, meta: &Meta) -> Option<Meta> {
        self.foretells.then(|| meta.clone())
    }

    fn is_unknown_outcome(error: &Failure) -> bool {
        *error == Failure::Lost
    }
}

/// The clocks of one deliverer.
#[derive(Clone)]
pub struct SimTimer {
    pub world: Shared,
    /// By how much its clock on the wall is wrong.
    pub skew: Setting<f64>,
}

impl Timer for SimTimer {
    fn wall(&self) -> f64 {
        self.world.borrow().now + self.skew.get()
    }

    fn steady(&self) -> f64 {
        self.world.borrow().now
    }

    fn random(&self) -> f64 {
        self.world.borrow_mut().random.below(1_000) as f64 / 999.0
    }

    async fn sleep(&self, time: Duration) {
        sleep(&self.world, time.as_secs_f64() * 1000.0).await;
    }
}
