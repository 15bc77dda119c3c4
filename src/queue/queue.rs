//! The queue for Rust programs.

use std::boxed::Box;
use std::fmt;
use std::format;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use super::bounce::derived;
use super::command::Settings;
use super::deliveries::{Deliveries, Tally};
use super::event::{Event, Kind};
use super::outcome::Answer;
use super::reply::Reply;
use super::time::{SystemTimer, Timer};
use crate::envelope::Envelope;
use crate::error::Error;
use crate::host::Host;
use crate::id::Id;
use crate::meta::{Attempts, Change, Expect};
use crate::storage::{DictStorage, Result};
use crate::sync::{Mutex, lock};

/// Delivers messages.
pub trait Relay {
    /// Attempts to deliver a message to all its recipients, after so many attempts before.
    fn attempt(&self, envelope: &Envelope, attempts: u32) -> impl Future<Output = Answer>;
}

/// Decides when to try again: by the envelope, how often delivery was attempted, and the replies to
/// the recipients that are left. Milliseconds, or nothing to give up.
pub type Backoff = dyn Fn(&Envelope, u32, &[Reply]) -> Option<f64> + Send + Sync;
/// Makes what tells the sender of recipients, those of the envelope, who were given up with one
/// reply; nothing for no bounce.
pub type BounceFactory = dyn Fn(&Envelope, &Reply) -> Option<Envelope> + Send + Sync;
/// Changes an envelope before it is stored, or replaces it by several.
pub type Policy = dyn Fn(Envelope) -> Vec<Envelope> + Send + Sync;
/// Hears of events.
pub type Listener = dyn Fn(&Event) + Send + Sync;

/// What a queue can be told.
pub struct Options<H: Host> {
    /// For how long a claim holds unless it is renewed. Queues on one storage should agree on it.
    pub lease: Duration,
    /// How many attempts may be under way at once.
    pub relay_pool: usize,
    /// When to try again; [`Delay::usual`](super::Delay::usual) unless given.
    pub backoff: Option<Box<Backoff>>,
    /// What senders are told; [`Failure`](super::Failure) unless given.
    pub bounce_factory: Option<Box<BounceFactory>>,
    /// Where bounces are queued; the queue's own storage unless given.
    pub bounces: Option<DictStorage<H>>,
    /// Where messages are kept that are given up.
    pub dead_letters: Option<DictStorage<H>>,
    /// Who hears of events.
    pub listener: Option<Box<Listener>>,
    /// How often everything is looked through, since a host may say nothing of what others write.
    pub scan: Duration,
}

impl<H: Host> Default for Options<H> {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(300),
            relay_pool: 100,
            backoff: None,
            bounce_factory: None,
            bounces: None,
            dead_letters: None,
            listener: None,
            scan: Duration::from_secs(5),
        }
    }
}

impl<H: Host> fmt::Debug for Options<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// Attempts the messages of a storage, tries again, gives up and tells the sender. After slimta's
/// [`Queue`](https://slimta.org/en/latest/api/slimta.queue.html).
///
/// Several queues may work on one storage. Timestamps are milliseconds since the epoch. A queue does
/// nothing by itself: [`Queue::start`] is the future that does the work, on any executor.
pub struct Queue<H: Host, R, T = SystemTimer> {
    pub(super) storage: DictStorage<H>,
    pub(super) relay: R,
    pub(super) timer: T,
    pub(super) options: Options<H>,
    pub(super) state: Mutex<State>,
    policies: Vec<Box<Policy>>,
}

pub(super) struct State {
    pub(super) deliveries: Deliveries,
    pub(super) paused: bool,
    /// How often the queue was stopped so far.
    pub(super) stops: u64,
    /// Who drives attempts now: each as the number of stops before it began. One that began before
    /// the last stop begins no more attempts.
    pub(super) drivers: Vec<u64>,
    wakers: Vec<Waker>,
    /// Grows with every change that somebody may wait for.
    changes: u64,
}

impl State {
    /// Wakes whoever waits for a change.
    pub(super) fn changed(&mut self) {
        self.deliveries.open(self.drivers.contains(&self.stops) && !self.paused);
        self.changes = self.changes.wrapping_add(1);
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

/// What a queue has to do and has done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Info {
    /// Messages that it knows: those that wait and those being attempted.
    pub size: usize,
    /// The timestamp of the one that is due first, of those that wait.
    pub oldest_due: Option<f64>,
    /// Messages being attempted.
    pub in_attempt: usize,
    /// What attempts came to so far.
    pub tally: Tally,
}

impl<H: Host, R, T> fmt::Debug for Queue<H, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<H: Host, R> Queue<H, R> {
    /// A queue on the clocks of the operating system.
    ///
    /// # Errors
    /// [`Error::Random`] if there is no randomness for the name under which it claims.
    pub fn new(storage: DictStorage<H>, relay: R, options: Options<H>) -> Result<Self, H> {
        Self::with_timer(storage, relay, options, SystemTimer::default())
    }
}

impl<H: Host, R, T: Timer> Queue<H, R, T> {
    /// A queue on clocks of the caller.
    ///
    /// # Errors
    /// [`Error::Random`] if there is no randomness for the name under which it claims.
    pub fn with_timer(storage: DictStorage<H>, relay: R, options: Options<H>, timer: T) -> Result<Self, H> {
        let settings = Settings {
            owner: format!("{}", Id::generate().map_err(Error::Random)?),
            lease: options.lease.as_secs_f64() * 1000.0,
            asks_backoff: options.backoff.is_some(),
            keeps: options.dead_letters.is_some(),
        };
        let mut deliveries = Deliveries::new(settings, options.relay_pool);
        deliveries.tick(timer.wall(), timer.steady());
        let state = State { deliveries, paused: false, stops: 0, drivers: Vec::new(), wakers: Vec::new(), changes: 0 };
        Ok(Self { storage, relay, timer, options, state: Mutex::new(state), policies: Vec::new() })
    }

    /// Adds a policy; those added first are applied first.
    #[must_use]
    pub fn with_policy(mut self, policy: Box<Policy>) -> Self {
        self.policies.push(policy);
        self
    }

    /// The storage.
    pub fn storage(&self) -> &DictStorage<H> {
        &self.storage
    }

    /// Claims nothing until [`Queue::resume`]; attempts under way end.
    pub fn pause(&self) {
        self.change(|state| state.paused = true);
    }

    /// Claims again.
    pub fn resume(&self) {
        self.change(|state| state.paused = false);
    }

    /// What the queue has to do and has done.
    pub fn get_info(&self) -> Info {
        let state = lock(&self.state);
        Info {
            size: state.deliveries.size(),
            oldest_due: state.deliveries.oldest_due(),
            in_attempt: state.deliveries.in_attempt(),
            tally: state.deliveries.tally(),
        }
    }

    /// Begins no more attempts; those who drive them end when those under way have ended, and then
    /// this does too. The queue can be started again at any time, also where this future was dropped.
    pub async fn stop(&self) {
        let mut stops = 0;
        self.change(|state| {
            state.stops = state.stops.wrapping_add(1);
            stops = state.stops;
        });
        self.until(|state| state.drivers.iter().all(|began| *began >= stops)).await;
    }

    /// For how many milliseconds a claim holds.
    fn lease(&self) -> f64 {
        self.options.lease.as_secs_f64() * 1000.0
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        change(&mut state);
        state.changed();
    }

    /// Waits until something holds.
    async fn until(&self, holds: impl Fn(&State) -> bool) {
        poll_fn(|cx| {
            let mut state = lock(&self.state);
            if holds(&state) {
                return Poll::Ready(());
            }
            state.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// How often something has changed so far.
    pub(super) fn changes(&self) -> u64 {
        lock(&self.state).changes
    }

    /// Waits for the change after these.
    pub(super) async fn after(&self, changes: u64) {
        self.until(|state| state.changes != changes).await;
    }

    pub(super) fn tick(&self) {
        lock(&self.state).deliveries.tick(self.timer.wall(), self.timer.steady());
    }

    pub(super) fn tell(&self, id: Id, envelope: &Arc<Envelope>, attempts: u32, kind: Kind) {
        if let Some(listener) = &self.options.listener {
            let event = Event { id, envelope: envelope.clone(), attempts, kind };
            let _ = caught(|| listener(&event)); // a listener that panics harms nobody
        }
    }
}

impl<H: Host<Envelope = Envelope>, R, T: Timer> Queue<H, R, T> {
    /// Stores a message, or what the policies make of it, due now: each envelope with its id or with
    /// the error that kept it from being stored.
    pub async fn enqueue(&self, envelope: Envelope) -> Vec<(Envelope, Result<Id, H>)> {
        let mut results = Vec::new();
        for envelope in self.applied(envelope) {
            let result = self.write(&self.storage, &envelope, None, 0.0).await;
            results.push((envelope, result));
        }
        results
    }

    /// Stores a bounce that waits until its message is marked: after a crash in between, a repeat
    /// finds it there. Returns the ids of what it has become.
    pub(super) async fn store_bounce(&self, bounce: Envelope, id: Id) -> Result<Vec<Id>, H> {
        let storage = self.options.bounces.as_ref().unwrap_or(&self.storage);
        let delay = 2.0 * self.lease();
        let mut ids = Vec::new();
        for (number, envelope) in self.applied(bounce).into_iter().enumerate() {
            let id = if number == 0 { id } else { derived(id, &number.to_le_bytes()) };
            ids.push(self.write(storage, &envelope, Some(id), delay).await?);
        }
        Ok(ids)
    }

    /// Lets bounces be due that were stored; one that cannot be moved is sent later.
    pub(super) async fn send_bounces(&self, ids: &[Id]) {
        let storage = self.options.bounces.as_ref().unwrap_or(&self.storage);
        for id in ids {
            let now = self.timer.wall();
            if storage.set_timestamp(id, now).await.is_ok() && std::ptr::eq(storage, &self.storage) {
                self.tick();
                self.change(|state| state.deliveries.put(*id, now));
            }
        }
    }

    /// Queues a message again that was given up and kept, or lets one that waits be due now.
    ///
    /// # Errors
    /// [`Error::NoSuchMessage`] for any other id, and those of a storage.
    pub async fn retry(&self, id: &Id) -> Result<(), H> {
        let mut ids = Vec::new();
        if let Some(dead_letters) = &self.options.dead_letters {
            let mut kept = Vec::new();
            for number in 0.. {
                let place = kept_at(*id, number);
                let Some(envelope) = find(dead_letters, &place).await? else { break };
                kept.push((place, envelope));
            }
            // The first one goes last: by it the others are found.
            while let Some((place, envelope)) = kept.pop() {
                let again = self.id_to_queue(dead_letters, place).await?;
                // If this ends before it is taken off, a repeat finds it here.
                ids.push(self.write(&self.storage, &envelope, Some(again), 2.0 * self.lease()).await?);
                dead_letters.remove(&place).await?;
            }
        }
        if ids.is_empty() {
            ids.push(*id);
        }
        for id in ids {
            let now = self.timer.wall();
            self.storage.set_timestamp(&id, now).await?;
            self.tick();
            self.change(|state| state.deliveries.put(id, now));
        }
        Ok(())
    }

    /// The id under which a dead letter is queued again: its own, unless the message is here still for
    /// those of its recipients that were not given up. The dead letter remembers it, as its attempts:
    /// a repeat does not queue it twice.
    async fn id_to_queue(&self, dead_letters: &DictStorage<H>, place: Id) -> Result<Id, H> {
        const SAME: u32 = 1;
        const ANOTHER: u32 = 2;
        let mut chosen = dead_letters.get(&place).await?.attempts;
        if chosen == 0 {
            chosen = if find(&self.storage, &place).await?.is_some() { ANOTHER } else { SAME };
            let change = Change {
                expect: Expect { attempts: Some(0), ..Expect::default() },
                attempts: Some(Attempts::Set(chosen)),
                ..Change::default()
            };
            if !dead_letters.change(&place, change).await? {
                chosen = dead_letters.get(&place).await?.attempts;
            }
        }
        Ok(if chosen == SAME { place } else { derived(place, b"again") })
    }

    /// Keeps recipients that are given up; a repeat keeps them once.
    pub(super) async fn keep(&self, id: Id, envelope: Envelope) -> Result<(), H> {
        let Some(dead_letters) = &self.options.dead_letters else { return Ok(()) };
        for number in 0.. {
            let place = kept_at(id, number);
            match find(dead_letters, &place).await? {
                Some(kept) if kept.recipients == envelope.recipients => return Ok(()),
                Some(_) => {}
                None => return dead_letters.write(envelope, self.timer.wall(), Some(place)).await.map(drop),
            }
        }
        Ok(())
    }

    async fn write(&self, storage: &DictStorage<H>, envelope: &Envelope, id: Option<Id>, delay: f64) -> Result<Id, H> {
        let due = self.timer.wall() + delay;
        let id = storage.write(envelope.clone(), due, id).await?;
        self.tell(id, &Arc::new(envelope.clone()), 0, Kind::Queued);
        if std::ptr::eq(storage, &self.storage) {
            self.tick();
            self.change(|state| state.deliveries.put(id, due));
        }
        Ok(id)
    }

    fn applied(&self, envelope: Envelope) -> Vec<Envelope> {
        self.policies.iter().fold(vec![envelope], |all, policy| all.into_iter().flat_map(policy).collect())
    }
}

/// The envelope of a message, if it is there.
async fn find<H: Host>(storage: &DictStorage<H>, id: &Id) -> Result<Option<H::Envelope>, H> {
    match storage.get(id).await {
        Ok(queued) => Ok(Some(queued.envelope)),
        Err(Error::NoSuchMessage(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a function of the caller returns, unless it panics.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// Where recipients are kept that one attempt after another has given up.
fn kept_at(id: Id, number: u32) -> Id {
    if number == 0 { id } else { derived(id, format!("given up {number}").as_bytes()) }
}
