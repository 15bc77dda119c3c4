//! What a queue can be told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::Patience;
use super::bounce_queue::BounceQueue;
use super::boxed::{BoxError, BoxFuture};
use super::callback::{Backoff, BounceFactory, Listener, OwnerGone};
use super::destination::Destination;
use super::event::Event;
use super::reply::Reply;
#[cfg(not(target_family = "wasm"))]
use crate::error::{Got, Invalid};
use crate::host::Host;
#[cfg(not(target_family = "wasm"))]
use crate::millis;
use crate::send::{MaybeSend, MaybeSync};
use crate::storage::DictStorage;

/// For so long a message waits at most whose deliverer is gone.
#[cfg(not(target_family = "wasm"))]
const LONGEST_LEASE: Duration = Duration::from_secs(86_400);

#[cfg(not(target_family = "wasm"))]
type Bounces<E> = dyn BounceQueue<E> + Send + Sync;
#[cfg(target_family = "wasm")]
type Bounces<E> = dyn BounceQueue<E>;

/// What a queue can be told. A later version may have more fields: `..Options::default()` stands for them.
///
/// Natively a queue refuses options that cannot be meant: no pool is 0, no time is 0 but that of `keep_delivered`, no owner
/// is the empty text.
///
/// ```
/// use slimta_queue_dict::MemoryHost;
/// use slimta_queue_dict::queue::{Destination, Options};
/// use std::time::Duration;
///
/// let options = Options::<MemoryHost>::default()
///     .with_keep_delivered(Duration::from_secs(3600))
///     .with_destination(Destination::default().with_pool(5))
///     .with_listener(|event| println!("{} {:?}", event.kind.name(), event.id));
/// let same_but_one = Options { relay_pool: 10, ..options };
/// ```
pub struct Options<H: Host> {
    /// The name under which the queue claims, generated unless given. Whoever goes on in the place of a queue
    /// that is no more takes its name, and with it what it had claimed; no two that live have the same.
    pub owner: Option<String>,
    /// How the end of other owners is known. Unless given, a claim ends by time, or with its queue where
    /// one process alone can have the [host](Host::is_exclusive).
    pub owner_gone: Option<Box<OwnerGone>>,
    /// For how long a claim holds unless it is renewed, at most a day: five minutes unless given. Queues on one
    /// storage should agree on it.
    pub lease: Duration,
    /// How many attempts may be under way at once: 100 unless given.
    pub relay_pool: usize,
    /// How much goes to one destination; any number of attempts unless given.
    pub destination: Destination,
    /// How many operations of the storage may be under way at once; any number unless given.
    pub store_pool: Option<usize>,
    /// For how long an attempt may last, then its recipients are tried again later; for any time
    /// unless given.
    pub attempt_timeout: Option<Duration>,
    /// When to try again. Unless given: after a minute, then after longer and longer waits of up to
    /// four hours, until five days have passed since the first attempt and six were made that were due.
    pub backoff: Option<Box<Backoff<H::Envelope>>>,
    /// What senders are told; a delivery status notification after
    /// [RFC 3464](https://www.rfc-editor.org/rfc/rfc3464) unless given, and where it fails or answers nothing within
    /// [`attempt_timeout`](Self::attempt_timeout) or a quarter of the [`lease`](Self::lease).
    pub bounce_factory: Option<Box<BounceFactory<H::Envelope>>>,
    /// Where bounces are queued; the queue itself unless given.
    pub bounce_queue: Option<Box<Bounces<H::Envelope>>>,
    /// For how long a message stays that was delivered, marked and attempted by nobody: a repeat of its
    /// [`key`](super::EnqueueOptions::key) finds it there. Not at all unless given.
    pub keep_delivered: Duration,
    /// Where messages are kept that are given up: another storage than that of the queue.
    pub dead_letter: Option<Arc<DictStorage<H>>>,
    /// Who hears of events.
    pub listener: Option<Box<Listener<H::Envelope, H::Error>>>,
    /// By how much the oldest message that waits may be late before [`Kind::Overdue`](super::Kind) tells: 15
    /// minutes unless given.
    pub overdue_after: Duration,
    /// How often everything is looked through, since a host may say nothing of what others write: every five
    /// seconds unless given.
    pub scan: Duration,
}

impl<H: Host> Default for Options<H> {
    fn default() -> Self {
        Self {
            owner: None,
            owner_gone: None,
            lease: Duration::from_secs(300),
            relay_pool: 100,
            destination: Destination::default(),
            store_pool: None,
            attempt_timeout: None,
            backoff: None,
            bounce_factory: None,
            bounce_queue: None,
            keep_delivered: Duration::ZERO,
            dead_letter: None,
            listener: None,
            overdue_after: Duration::from_secs(900),
            scan: Duration::from_secs(5),
        }
    }
}

impl<H: Host> fmt::Debug for Options<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("lease", &self.lease)
            .field("relay_pool", &self.relay_pool)
            .field("destination", &self.destination)
            .field("store_pool", &self.store_pool)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("scan", &self.scan)
            .finish_non_exhaustive()
    }
}

#[cfg(not(target_family = "wasm"))]
impl<H: Host> Options<H> {
    /// Refuses what cannot be meant, such as a pool without room. What JavaScript gives was judged there.
    pub(super) fn check(&self, storage: &Arc<DictStorage<H>>) -> Result<(), Invalid> {
        let refuse = |is_refused, argument, expected, got| match is_refused {
            true => Err(Invalid::new(argument, expected, got)),
            false => Ok(()),
        };
        let refuse_number =
            |is_refused, argument, expected, number| refuse(is_refused, argument, expected, Got::Number(number));
        if let Some(owner) = self.owner.as_ref().filter(|owner| owner.is_empty()) {
            refuse(true, "options.owner", "a text that is not empty", Got::Text(owner.clone()))?;
        }
        for (argument, time) in [
            ("options.lease", Some(self.lease)),
            ("options.overdue_after", Some(self.overdue_after)),
            ("options.attempt_timeout", self.attempt_timeout),
            ("options.scan", Some(self.scan)),
        ] {
            refuse_number(time == Some(Duration::ZERO), argument, "more than 0 milliseconds", 0.0)?;
        }
        let (lease, expected) = (millis::of(self.lease), "at most 86400000 milliseconds");
        refuse_number(self.lease > LONGEST_LEASE, "options.lease", expected, lease)?;
        for (argument, size) in [
            ("options.relay_pool", Some(self.relay_pool)),
            ("options.store_pool", self.store_pool),
            ("options.destination.pool", self.destination.pool),
        ] {
            refuse_number(size == Some(0), argument, "a whole number from 1 on", 0.0)?;
        }
        if let Some(rate) = self.destination.per_second {
            let expected = "a number of attempts, more than 0";
            refuse_number(rate.is_nan() || rate <= 0.0, "options.destination.per_second", expected, rate)?;
        }
        let is_own = |dead: &Arc<DictStorage<H>>| Arc::ptr_eq(dead, storage) || dead.host.is_same_place(&storage.host);
        let expected = "another storage than that of the queue";
        refuse(self.dead_letter.as_ref().is_some_and(is_own), "options.dead_letter", expected, Got::Other("the same"))
    }
}

impl<H: Host> Options<H> {
    /// The same, with [`Options::owner`].
    #[must_use]
    pub fn with_owner(self, owner: impl Into<String>) -> Self {
        Self { owner: Some(owner.into()), ..self }
    }

    /// The same, with [`Options::lease`].
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// The same, with [`Options::relay_pool`].
    #[must_use]
    pub fn with_relay_pool(self, relay_pool: usize) -> Self {
        Self { relay_pool, ..self }
    }

    /// The same, with [`Options::destination`].
    #[must_use]
    pub fn with_destination(self, destination: Destination) -> Self {
        Self { destination, ..self }
    }

    /// The same, with [`Options::store_pool`].
    #[must_use]
    pub fn with_store_pool(self, store_pool: usize) -> Self {
        Self { store_pool: Some(store_pool), ..self }
    }

    /// The same, with [`Options::attempt_timeout`].
    #[must_use]
    pub fn with_attempt_timeout(self, attempt_timeout: Duration) -> Self {
        Self { attempt_timeout: Some(attempt_timeout), ..self }
    }

    /// The same, with [`Options::keep_delivered`].
    #[must_use]
    pub fn with_keep_delivered(self, keep_delivered: Duration) -> Self {
        Self { keep_delivered, ..self }
    }

    /// The same, with [`Options::dead_letter`].
    #[must_use]
    pub fn with_dead_letter(self, dead_letter: impl Into<Arc<DictStorage<H>>>) -> Self {
        Self { dead_letter: Some(dead_letter.into()), ..self }
    }

    /// The same, with [`Options::overdue_after`].
    #[must_use]
    pub fn with_overdue_after(self, overdue_after: Duration) -> Self {
        Self { overdue_after, ..self }
    }

    /// The same, with [`Options::scan`].
    #[must_use]
    pub fn with_scan(self, scan: Duration) -> Self {
        Self { scan, ..self }
    }

    /// The same, with [`Options::owner_gone`].
    #[must_use]
    pub fn with_owner_gone(
        self,
        owner_gone: impl Fn(&str) -> BoxFuture<'static, ()> + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        Self { owner_gone: Some(Box::new(owner_gone)), ..self }
    }

    /// The same, with [`Options::backoff`].
    #[must_use]
    pub fn with_backoff<F>(self, backoff: F) -> Self
    where
        F: Fn(&H::Envelope, u32, &[Arc<Reply>], Patience) -> Result<Option<Duration>, BoxError>,
        F: MaybeSend + MaybeSync + 'static,
    {
        Self { backoff: Some(Box::new(backoff)), ..self }
    }

    /// The same, with [`Options::bounce_factory`].
    #[must_use]
    pub fn with_bounce_factory<F>(self, factory: F) -> Self
    where
        F: Fn(&H::Envelope, &Reply, &[Arc<Reply>]) -> BoxFuture<'static, Result<Option<H::Envelope>, BoxError>>,
        F: MaybeSend + MaybeSync + 'static,
    {
        Self { bounce_factory: Some(Box::new(factory)), ..self }
    }

    /// The same, with [`Options::bounce_queue`].
    #[must_use]
    pub fn with_bounce_queue<B>(self, bounce_queue: B) -> Self
    where
        B: BounceQueue<H::Envelope> + MaybeSend + MaybeSync + 'static,
    {
        Self { bounce_queue: Some(Box::new(bounce_queue)), ..self }
    }

    /// The same, with [`Options::listener`].
    #[must_use]
    pub fn with_listener<F>(self, listener: F) -> Self
    where
        F: Fn(&Event<'_, H::Envelope, H::Error>) + MaybeSend + MaybeSync + 'static,
    {
        Self { listener: Some(Box::new(listener)), ..self }
    }
}
