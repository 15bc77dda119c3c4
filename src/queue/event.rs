//! What a queue tells of.

use std::sync::Arc;

use super::boxed::BoxError;
use super::reply::Reply;
use crate::error::Error;
use crate::id::Id;
use crate::timestamp::Timestamp;

/// A transition of a message. `E` is what the host keeps as an envelope, `X` what it throws.
#[derive(Debug)]
#[non_exhaustive]
pub struct Event<'a, E, X> {
    /// Which message, where it is about one.
    pub id: Option<Id>,
    /// Its envelope, with the recipients of the attempt, once it was read.
    pub envelope: Option<&'a E>,
    /// How often delivery was attempted.
    pub attempts: u32,
    /// What happened.
    pub kind: Kind<'a, E, X>,
}

/// What happened to a message.
#[derive(Debug)]
#[non_exhaustive]
pub enum Kind<'a, E, X> {
    /// It was stored.
    Queued,
    /// An attempt begins: the message is claimed.
    Attempt,
    /// Recipients have it.
    Delivered(Vec<Recipient>),
    /// Recipients wait for the next attempt.
    #[non_exhaustive]
    Deferred {
        /// Who.
        recipients: Vec<Recipient>,
        /// The time of the next attempt.
        timestamp: Timestamp,
    },
    /// Recipients were given up.
    Failed(Vec<Recipient>),
    /// A bounce was stored.
    #[non_exhaustive]
    Bounced {
        /// Who was given up.
        recipients: Vec<Recipient>,
        /// What was said of them.
        reply: &'a Reply,
        /// What tells the sender.
        bounce: &'a E,
        /// The id of the bounce.
        id: Id,
    },
    /// It is gone, by another hand than an attempt of this queue: others have delivered or removed it, or
    /// it was cancelled.
    Removed,
    /// It is the oldest that waits, and late by more than [`Options::overdue_after`](super::Options). This
    /// is told again once nothing was late in between.
    #[non_exhaustive]
    Overdue {
        /// When it was due.
        timestamp: Timestamp,
    },
    /// Something went wrong, and the queue goes on.
    Error(Cause<X>),
}

impl<E, X> Kind<'_, E, X> {
    /// The name of the event, the same that JavaScript sees as its type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Attempt => "attempt",
            Self::Delivered(_) => "delivered",
            Self::Deferred { .. } => "deferred",
            Self::Failed(_) => "failed",
            Self::Bounced { .. } => "bounced",
            Self::Removed => "removed",
            Self::Overdue { .. } => "overdue",
            Self::Error(_) => "error",
        }
    }

    /// Who was delivered to, deferred or given up, or is told of in a bounce; nobody where it is about none.
    #[must_use]
    pub fn recipients(&self) -> &[Recipient] {
        match self {
            Self::Delivered(recipients)
            | Self::Failed(recipients)
            | Self::Deferred { recipients, .. }
            | Self::Bounced { recipients, .. } => recipients,
            Self::Queued | Self::Attempt | Self::Removed | Self::Overdue { .. } | Self::Error(_) => &[],
        }
    }
}

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause<X> {
    /// The storage failed.
    Storage(Error<X>),
    /// Somebody else had claimed the message before its outcome was stored.
    LeaseLost,
    /// The relay failed without an answer for the recipients.
    Relay(BoxError),
    /// The answer of the relay means nothing, for this reason.
    Unrecognised(&'static str),
    /// A function of the caller failed.
    Callback(BoxError),
}

/// A recipient and what was said of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Recipient {
    /// Its position in the original list.
    pub index: u32,
    /// Its position in the envelope of the attempt.
    pub place: usize,
    /// The reply of the relay, if there was one.
    pub reply: Option<Arc<Reply>>,
}
