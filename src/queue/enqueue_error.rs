//! Why a message was not accepted.

use std::{error, fmt};

use super::boxed::BoxError;
use crate::error::Invalid;
use crate::host::Host;
use crate::id::{Id, NoRandomness};
use crate::storage::Result;

/// Envelopes, each with its id or with the error that kept it from being stored.
pub type Results<H> = Vec<(<H as Host>::Envelope, Result<Id, H>)>;

/// Why a message was not accepted as a whole.
#[non_exhaustive]
pub enum EnqueueError<H: Host> {
    /// A policy failed. Nothing was stored.
    Policy(BoxError),
    /// What a storage refuses, a message to nobody, or a header name that no message may have: see
    /// [`Queue::enqueue_with`]. Nothing was stored.
    ///
    /// [`Queue::enqueue_with`]: super::queue::Queue::enqueue_with
    Invalid(Box<Invalid>),
    /// There is no randomness for an id. Nothing was stored.
    Random(NoRandomness),
    /// At least one envelope is not stored.
    Storage {
        /// Given again as [`EnqueueOptions::key`](super::EnqueueOptions::key), it stores only
        /// what is missing.
        key: String,
        /// What became of each envelope.
        results: Results<H>,
    },
}

impl<H: Host> EnqueueError<H> {
    /// The first error of the storage.
    fn first(&self) -> Option<&crate::error::Error<H::Error>> {
        match self {
            Self::Storage { results, .. } => results.iter().find_map(|(_, id)| id.as_ref().err()),
            Self::Policy(_) | Self::Invalid(_) | Self::Random(_) => None,
        }
    }
}

impl<H: Host> fmt::Debug for EnqueueError<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(error) => f.debug_tuple("Policy").field(error).finish(),
            Self::Invalid(invalid) => f.debug_tuple("Invalid").field(invalid).finish(),
            Self::Random(error) => f.debug_tuple("Random").field(error).finish(),
            Self::Storage { key, .. } => {
                f.debug_struct("Storage").field("key", key).field("first", &self.first()).finish()
            }
        }
    }
}

impl<H: Host<Error: fmt::Display>> fmt::Display for EnqueueError<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.first()) {
            (Self::Policy(error), _) => error.fmt(f),
            (Self::Invalid(invalid), _) => invalid.fmt(f),
            (Self::Random(error), _) => error.fmt(f),
            (_, Some(error)) => error.fmt(f),
            (_, None) => f.write_str("not everything was stored"),
        }
    }
}

impl<H: Host<Error: error::Error + 'static>> error::Error for EnqueueError<H> {
    /// What is behind the error that this one has, whose sentence it says itself.
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Policy(error) => error.source(),
            Self::Invalid(invalid) => invalid.source(),
            Self::Random(error) => error.source(),
            Self::Storage { .. } => self.first().and_then(error::Error::source),
        }
    }
}
