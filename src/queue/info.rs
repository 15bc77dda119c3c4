//! What a queue has to do and has done.

use crate::timestamp::Timestamp;

/// What a queue has to do and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(any(feature = "serde", target_family = "wasm"), derive(serde::Serialize))]
#[cfg_attr(any(feature = "serde", target_family = "wasm"), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct Info {
    /// Messages that it knows: those that wait and those being attempted.
    pub size: usize,
    /// When the one is due that is due first, of those that wait.
    pub oldest_due: Option<Timestamp>,
    /// Messages being attempted.
    pub in_attempt: usize,
    /// Attempts that delivered to somebody.
    pub delivered: u64,
    /// Attempts after which somebody waits for the next one.
    pub deferred: u64,
    /// Attempts that gave somebody up.
    pub failed: u64,
}
