//! A message that is to be attempted, and why it comes up now.

use super::schedule::QueuedMessage;

/// Why a message comes up before its time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Early {
    /// Whether its time does not matter.
    pub(super) flushed: bool,
    /// When it was due before somebody let it be due by name.
    pub(super) planned: Option<f64>,
}

/// A message that is to be attempted now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Due {
    pub(super) message: QueuedMessage,
    /// The number of its attempt.
    pub(super) number: u64,
    pub(super) early: Early,
    /// Whether its time has come, whatever the wall says by now.
    pub(super) has_waited: bool,
}
