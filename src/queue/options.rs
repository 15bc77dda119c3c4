//! What a queue can be told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::bounce_queue::BounceQueue;
use super::callback::{Backoff, BounceFactory, DestinationOf, Listener, OwnerGone};
use crate::error::{Got, Invalid};
use crate::host::Host;
use crate::id::Id;
use crate::storage::DictStorage;

#[cfg(not(target_family = "wasm"))]
type Bounces<E> = dyn BounceQueue<E> + Send + Sync;
#[cfg(target_family = "wasm")]
type Bounces<E> = dyn BounceQueue<E>;

/// What a queue can be told.
pub struct Options<H: Host> {
    /// The name under which the queue claims, drawn unless given. Whoever goes on in the place of a queue
    /// that is no more takes its name, and with it what it had claimed; no two that live have the same.
    pub owner: Option<String>,
    /// How the end of other owners is known. Unless given, a claim ends by time, or with its queue where
    /// one process alone can have the [host](Host::is_exclusive).
    pub owner_gone: Option<Box<OwnerGone>>,
    /// For how long a claim holds unless it is renewed. Queues on one storage should agree on it.
    pub lease: Duration,
    /// How many attempts may be under way at once.
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
    /// [RFC 3464](https://www.rfc-editor.org/rfc/rfc3464) unless given.
    pub bounce_factory: Option<Box<BounceFactory<H::Envelope>>>,
    /// Where bounces are queued; the queue itself unless given.
    pub bounce_queue: Option<Box<Bounces<H::Envelope>>>,
    /// For how long a message stays that was delivered, marked and attempted by nobody: a repeat of its
    /// [`key`](EnqueueOptions::key) finds it there. Not at all unless given.
    pub keep_delivered: Duration,
    /// Where messages are kept that are given up: another storage than that of the queue.
    pub dead_letter: Option<Arc<DictStorage<H>>>,
    /// Who hears of events.
    pub listener: Option<Box<Listener<H::Envelope, H::Error>>>,
    /// By how much the oldest message that waits may be late before [`Kind::Overdue`](super::Kind) tells.
    pub overdue_after: Duration,
    /// How often everything is looked through, since a host may say nothing of what others write.
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

/// How much a queue lets go to one destination. Other queues on the same storage know nothing of it. A
/// message counts for each destination of its recipients, for which its envelope is read once more when it
/// is due.
///
/// What waits for a destination lets what goes elsewhere pass, as long as no more than 10,000 messages
/// wait so.
#[derive(Default)]
pub struct Destination {
    /// Which destination an address belongs to. Unless given, it is what follows the last `@`, in lower
    /// case.
    pub of: Option<Box<DestinationOf>>,
    /// How many attempts may be under way at once, at least 1; any number unless given.
    pub pool: Option<usize>,
    /// How many attempts may begin in a second, evenly: 0.5 is one every two seconds. Any number unless
    /// this is a positive number.
    pub per_second: Option<f64>,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("pool", &self.pool)
            .field("per_second", &self.per_second)
            .finish_non_exhaustive()
    }
}

/// How a message is queued.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnqueueOptions {
    /// The id of the first message that it becomes, those of the others follow from it; drawn unless
    /// given. What is there already under an id stays as it is.
    pub id: Option<Id>,
    /// Any text that stands for the message: the ids follow from it where `id` is not given. A repeat
    /// with the same key stores only what is missing, as long as the message is there.
    pub key: Option<String>,
    /// When the first attempt is due, in milliseconds since the epoch; now unless given.
    pub at: Option<f64>,
    /// When nobody wants the message any more, in milliseconds since the epoch, which is after `at`, or after now. Whoever has not
    /// got it by then is given up: [`Kind::Failed`](super::Kind) tells of it, the sender and the dead letter hear
    /// nothing. Never unless given.
    pub expires: Option<f64>,
}

/// The name space of the ids that follow from a key; drawn once, for this crate.
const KEYS: u128 = 0x6f0d_3c52_9b1e_4d6a_8c57_21e4_b0a9_7d35;

impl EnqueueOptions {
    /// Refuses a message that nobody would want when it is due first.
    pub(super) fn check(&self, now: f64) -> Result<(), Invalid> {
        let invalid = |argument, expected, number| {
            Err(Invalid { argument, index: None, part: None, expected, got: Got::Number(number) })
        };
        match (self.at, self.expires) {
            (Some(at), _) if !at.is_finite() => invalid("options.at", "a finite number", at),
            (_, Some(expires)) if !expires.is_finite() => invalid("options.expires", "a finite number", expires),
            (at, Some(expires)) if expires <= at.unwrap_or(now) => {
                invalid("options.expires", "a time after options.at, or after now", expires)
            }
            _ => Ok(()),
        }
    }

    /// The id of the first message. A key that is an id stands for itself.
    pub(super) fn first_id(&self) -> Result<Id, getrandom::Error> {
        match (self.id, &self.key) {
            (Some(id), _) => Ok(id),
            (None, Some(key)) => Ok(key.parse().unwrap_or_else(|_| Id::new_v5(Id::from_u128(KEYS), key.as_bytes()))),
            (None, None) => Id::generate(),
        }
    }
}
