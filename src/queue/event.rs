//! What a queue tells of.

use std::sync::Arc;
use std::vec::Vec;

use super::reply::Reply;
use crate::envelope::Envelope;
use crate::id::Id;

/// A transition of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Which message.
    pub id: Id,
    /// Its envelope, with the recipients of the attempt.
    pub envelope: Arc<Envelope>,
    /// How often delivery was attempted.
    pub attempts: u32,
    /// What happened.
    pub kind: Kind,
}

/// What happened to a message.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// It was stored.
    Queued,
    /// An attempt begins: the message is claimed.
    Attempt,
    /// Recipients have it.
    Delivered(Vec<Recipient>),
    /// Recipients wait for the next attempt.
    Deferred {
        /// Who.
        recipients: Vec<Recipient>,
        /// The time of the next attempt.
        timestamp: f64,
    },
    /// Recipients were given up.
    Failed(Vec<Recipient>),
    /// A bounce was stored under this id.
    Bounced(Id),
    /// The storage failed, or the relay gave no answer; the code of the storage's error or what was
    /// wrong with the answer.
    Trouble(&'static str),
    /// Somebody else had claimed the message before its outcome was stored.
    LeaseLost,
}

/// A recipient and what was said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipient {
    /// Its position in the original list.
    pub index: u32,
    /// Its position in the envelope of the attempt.
    pub place: usize,
    /// The reply of the relay, if there was one.
    pub reply: Option<Reply>,
}
