//! The queue as programs see it.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use tokio::sync::Semaphore;

use super::backoff::LONGEST_WAIT;
use super::boxed::BoxError;
use super::callback::{Policy, caught, caught_async};
use super::command::Settings;
use super::destinations::Destinations;
use super::enqueue_error::{EnqueueError, Results};
use super::enqueue_options::EnqueueOptions;
use super::envelope::QueueEnvelope;
use super::event::{Event, Kind};
use super::info::Info;
use super::on_drop::OnDrop;
use super::options::Options;
#[cfg(not(target_family = "wasm"))]
use super::owners::here;
use super::relay::Relay;
use super::scheduler::Scheduler;
use super::state::Shared;
use super::timer::{Timer, UsualTimer};
use super::unrecorded::Unrecorded;
use crate::error::Error;
use crate::host::Host;
use crate::id::Id;
use crate::meta::{Meta, Notice};
use crate::millis;
use crate::storage::{DictStorage, Result};
use crate::sync::{Mutex, lock};
use crate::timestamp::Timestamp;

/// How many messages a queue remembers that it has stored while it attempts nothing: others may attempt them.
const MOST_UNATTENDED: usize = 10_000;
/// How long a call waits at most that lets attempts go on.
const LONGEST_TURN: Duration = Duration::from_millis(50);

/// Envelopes that are stored, each with its id.
pub type Enqueued<H> = Vec<(<H as Host>::Envelope, Id)>;

/// Attempts the messages of a storage, tries again, gives up and tells the sender. After slimta's
/// [`Queue`](https://slimta.org/en/latest/api/slimta.queue.html).
///
/// Several queues may work on one storage: an attempt claims its message for the time of a lease, and
/// while a claim holds nobody else attempts it. A queue
/// does nothing by itself: [`Queue::start`] is the future that does the work, on any executor.
pub struct Queue<H: Host, R, T = UsualTimer> {
    pub(super) storage: Arc<DictStorage<H>>,
    pub(super) relay: R,
    pub(super) timer: T,
    pub(super) options: Options<H>,
    settings: Mutex<Arc<Settings>>,
    pub(super) shared: Shared,
    #[cfg(not(target_family = "wasm"))]
    _live: Option<here::Live>,
    policies: Mutex<Vec<Arc<Policy<H::Envelope>>>>,
    /// Attempts that were cut off before their outcomes were recorded. The next ones of their messages go on with them.
    pub(super) unrecorded: Mutex<HashMap<Id, Unrecorded<H::Envelope>>>,
    store_pool: Option<Semaphore>,
    /// Whoever scans has it.
    pub(super) scans: tokio::sync::Mutex<()>,
}

impl<H: Host, R, T> fmt::Debug for Queue<H, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(not(target_family = "wasm"))]
impl<H: Host, R> Queue<H, R, super::timer::SystemTimer> {
    /// A queue on the clocks of the operating system.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an option that cannot be meant, such as a pool of 0 or its own storage for the
    /// dead letters; [`Error::Random`] if there is no randomness for the name under which it claims.
    pub fn new(storage: impl Into<Arc<DictStorage<H>>>, relay: R, options: Options<H>) -> Result<Self, H> {
        Self::with_timer(storage, relay, options, super::timer::SystemTimer::default())
    }
}

impl<H: Host, R, T: Timer> Queue<H, R, T> {
    /// A queue on clocks of the caller.
    ///
    /// # Errors
    /// Natively [`Error::Invalid`] for an option that cannot be meant, such as a pool of 0 or its own storage for the
    /// dead letters; [`Error::Random`] if there is no randomness for the name under which it claims.
    pub fn with_timer(
        storage: impl Into<Arc<DictStorage<H>>>,
        relay: R,
        options: Options<H>,
        timer: T,
    ) -> Result<Self, H> {
        let storage: Arc<DictStorage<H>> = storage.into();
        #[cfg(not(target_family = "wasm"))]
        options.check(&storage)?;
        let generated = Id::generate().map_err(Error::Random)?.to_string();
        #[cfg(not(target_family = "wasm"))]
        let live = (options.owner.is_none() && storage.host().is_exclusive()).then(|| here::Live::new(&generated));
        #[cfg(not(target_family = "wasm"))]
        let generated = live.as_ref().map_or(generated, |live| live.name().to_owned());
        let destinations = Destinations::new(options.destination.pool, options.destination.per_second);
        let settings = Settings {
            owner: options.owner.clone().unwrap_or(generated),
            lease: millis::of(options.lease),
            has_backoff: options.backoff.is_some(),
            has_destinations: destinations.is_limited(),
            has_dead_letter: options.dead_letter.is_some(),
            keep_delivered: millis::of(options.keep_delivered),
        };
        let longest_wait =
            if options.backoff.is_some() { f64::INFINITY } else { LONGEST_WAIT.max(settings.keep_delivered) };
        let mut scheduler = Scheduler::new(options.relay_pool, longest_wait, destinations);
        scheduler.tick(timer.wall(), timer.steady());
        Ok(Self {
            storage,
            relay,
            timer,
            store_pool: options.store_pool.map(|size| Semaphore::new(size.min(Semaphore::MAX_PERMITS))),
            options,
            settings: Mutex::new(Arc::new(settings)),
            shared: Shared::new(scheduler),
            policies: Mutex::default(),
            unrecorded: Mutex::default(),
            scans: tokio::sync::Mutex::default(),
            #[cfg(not(target_family = "wasm"))]
            _live: live,
        })
    }

    /// The storage.
    pub fn storage(&self) -> &Arc<DictStorage<H>> {
        &self.storage
    }

    /// What its attempts have in common that begin now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&lock(&self.settings))
    }

    /// Claims under another name from now on: for others, whoever had the last one is gone. Attempts under way
    /// keep that one to their ends.
    #[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
    pub(crate) fn rename(&self, owner: String) {
        {
            let settings = &mut *lock(&self.settings);
            *settings = Arc::new(Settings { owner, ..Settings::clone(settings) });
        }
        let alone = self.shared.lock().alone.take();
        drop(alone);
    }

    /// Adds a policy; those added first are applied first.
    pub fn add_policy(&self, policy: Arc<Policy<H::Envelope>>) {
        lock(&self.policies).push(policy);
    }

    /// Lets everything that was deferred be due now: the way to the recipients is open again.
    /// [`Queue::flush`] also waits until it was attempted.
    pub fn wake(&self) {
        self.shared.update_now(&self.timer, |state| state.scheduler.flush());
    }

    /// Looks at the clocks now and not within a minute: the machine may have slept.
    pub fn check_clocks(&self) {
        self.shared.update_now(&self.timer, |_| ());
    }

    /// Claims nothing until [`Queue::resume`]; attempts under way end.
    pub fn pause(&self) {
        self.shared.update(|state| state.paused = true);
    }

    /// Claims again.
    pub fn resume(&self) {
        self.shared.update(|state| state.paused = false);
    }

    /// What the queue has to do and has done.
    pub fn get_info(&self) -> Info {
        self.shared.lock().scheduler.info()
    }

    /// Begins no more attempts; those who make them end when those under way have ended, and then this
    /// does too. The queue can be started again at any time, also where this future was dropped.
    pub async fn stop(&self) {
        let stops = self.begin_stop();
        self.stopped(stops).await;
    }

    /// The same, but attempts that are under way after this time end then: their relays hear of it by
    /// their signal, and their messages are tried again later.
    pub async fn stop_within(&self, time: Duration) {
        let stops = self.begin_stop();
        let mut stopped = pin!(self.stopped(stops));
        if let Either::Right(_) = select(stopped.as_mut(), pin!(self.timer.sleep(time))).await {
            self.shared.update(|state| state.aborted = state.aborted.max(stops));
            self.shared.at_relay.notify_waiters();
            stopped.await;
        }
    }

    fn begin_stop(&self) -> u64 {
        self.shared.update(|state| {
            state.stops = state.stops.saturating_add(1);
            state.stops
        })
    }

    async fn stopped(&self, stops: u64) {
        self.shared.until(|state| state.workers.iter().all(|began| *began >= stops)).await;
    }

    pub(super) async fn apply_policies(
        &self,
        envelope: H::Envelope,
    ) -> std::result::Result<Vec<H::Envelope>, BoxError> {
        let policies = lock(&self.policies).clone();
        let mut all = vec![envelope];
        for policy in policies {
            let mut next = Vec::with_capacity(all.len());
            for envelope in all {
                next.extend(caught_async(async { policy(envelope).await }).await??);
            }
            all = next;
        }
        Ok(all)
    }
}

impl<H: Host<Envelope: QueueEnvelope>, R, T: Timer> Queue<H, R, T> {
    /// Stores a message, or what the policies make of it, due now: see [`Queue::enqueue_with`].
    ///
    /// # Errors
    /// See [`Queue::enqueue_with`].
    pub async fn enqueue(&self, envelope: H::Envelope) -> std::result::Result<Enqueued<H>, EnqueueError<H>> {
        self.enqueue_with(envelope, EnqueueOptions::default()).await
    }

    /// Stores a message, or what the policies make of it, and returns each envelope with its id when
    /// everything is stored. Whoever waits for each message before the next one goes no faster than
    /// attempts are made.
    ///
    /// # Errors
    /// [`EnqueueError::Policy`] and [`EnqueueError::Random`]: nothing was stored. Neither was it with
    /// [`EnqueueError::Invalid`]: where the policies are done, each message must have a recipient, and
    /// header names of printable US-ASCII without a colon.
    /// [`EnqueueError::Storage`]: some envelopes may be stored and are attempted, at least one is not.
    pub async fn enqueue_with(
        &self,
        envelope: H::Envelope,
        options: EnqueueOptions,
    ) -> std::result::Result<Enqueued<H>, EnqueueError<H>> {
        options.check(self.timer.wall()).map_err(|invalid| EnqueueError::Invalid(Box::new(invalid)))?;
        let id = options.first_id().map_err(EnqueueError::Random)?;
        // Only a notice of this queue waits for its original.
        let envelopes = self.apply_policies(envelope.into_message()).await.map_err(EnqueueError::Policy)?;
        for envelope in &envelopes {
            envelope.check_for_sending().map_err(|invalid| EnqueueError::Invalid(Box::new(invalid)))?;
        }
        let [at, expires] = [options.at, options.expires].map(|time| time.map(Timestamp::as_millis));
        let results = self.store_all(envelopes, id, at, expires).await;
        // Where attempts take all the time, everything else has its turn first.
        let turns = self.shared.lock().turns;
        if self.shared.lock().yielding > 0 {
            let turned = self.shared.until(|state| state.yielding == 0 || state.turns != turns);
            // Whoever has to poll the worker may be waiting for this call.
            select(pin!(turned), pin!(self.timer.sleep(LONGEST_TURN))).await;
        }
        if results.iter().any(|(_, stored)| stored.is_err()) {
            let key = options.key.unwrap_or_else(|| id.to_string());
            return Err(EnqueueError::Storage { key, results });
        }
        Ok(results.into_iter().filter_map(|(envelope, stored)| Some((envelope, stored.ok()?))).collect())
    }

    /// Stores what the policies make of a message; the ids of all but the first follow from its id.
    pub(super) async fn store_all(
        &self,
        envelopes: Vec<H::Envelope>,
        id: Id,
        at: Option<f64>,
        expires: Option<f64>,
    ) -> Results<H> {
        let stored = envelopes.into_iter().enumerate().map(async |(number, envelope)| {
            let id = match number {
                0 => id,
                number => Id::new_v5(id, number.to_string().as_bytes()),
            };
            let stored =
                self.store(&envelope, id, Meta { expires, ..Meta::new(at.unwrap_or_else(|| self.timer.wall())) }).await;
            (envelope, stored)
        });
        join_all(stored).await
    }

    /// Stores a message as it is.
    pub(super) async fn store(&self, envelope: &H::Envelope, id: Id, meta: Meta) -> Result<Id, H> {
        let at = meta.timestamp;
        let meta = Meta { notice: envelope.notice_of().map(|_| Notice::Open), ..meta };
        let id = self.pooled(self.storage.write_with(envelope.clone(), meta, Some(id))).await?;
        self.emit(Some(id), Some(envelope), 0, Kind::Queued);
        self.shared.update_now(&self.timer, |state| {
            // Where nobody attempts anything, nobody takes it off either: who begins to looks through the storage first.
            if !state.workers.is_empty() || state.scheduler.info().size < MOST_UNATTENDED {
                state.scheduler.put(id, at, None);
            }
        });
        Ok(id)
    }
}

impl<H: Host<Envelope: QueueEnvelope>, R: Relay<H::Envelope>, T: Timer> Queue<H, R, T> {
    /// Attempts what is due, what is stored and what is written from now on, until [`Queue::stop`].
    ///
    /// # Errors
    /// [`Error::Closed`] when the storage is closed, and the attempts under way have ended.
    pub async fn start(&self) -> Result<(), H> {
        self.start_as(self.enter()).await
    }

    /// The same of a worker that has entered already.
    pub(crate) async fn start_as(&self, stops: u64) -> Result<(), H> {
        let _worker = OnDrop(|| self.leave(stops));
        self.work(stops, None).await
    }
}

impl<H: Host, R, T: Timer> Queue<H, R, T> {
    /// Lets a message that waits be due now.
    pub(super) async fn make_due(&self, id: Id) -> Result<(), H> {
        let now = self.timer.wall();
        self.pooled(self.storage.set_timestamp(&id, now)).await?;
        self.put(id, now, None);
        Ok(())
    }

    /// The time of the schedule.
    pub(super) fn now(&self) -> f64 {
        self.shared.lock_now(&self.timer).scheduler.now()
    }

    /// Schedules a message that was attempted so often; if that is not given, as often as is known.
    pub(super) fn put(&self, id: Id, timestamp: f64, attempts: Option<u32>) {
        self.shared.update_now(&self.timer, |state| state.scheduler.put(id, timestamp, attempts));
    }
}

impl<H: Host, R, T> Queue<H, R, T> {
    /// An operation of the storage, when there is room for it.
    pub(super) async fn pooled<V>(&self, operation: impl Future<Output = Result<V, H>>) -> Result<V, H> {
        let _permit = match &self.store_pool {
            Some(pool) => pool.acquire().await.ok(),
            None => None,
        };
        operation.await
    }

    /// Tells of an event. A listener that panics harms nobody.
    pub(super) fn emit(
        &self,
        id: Option<Id>,
        envelope: Option<&H::Envelope>,
        attempts: u32,
        kind: Kind<'_, H::Envelope, H::Error>,
    ) {
        #[cfg(feature = "tracing")]
        super::trace::event(id, attempts, &kind);
        if let Some(listener) = &self.options.listener {
            let event = Event { id, envelope, attempts, kind };
            let _ = caught(|| listener(&event));
        }
    }
}
