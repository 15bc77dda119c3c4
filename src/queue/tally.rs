//! How much attempts have come to.

/// What attempts came to, by messages: see [`RunResult`](super::RunResult).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) attempted: u64,
    pub(super) delivered: u64,
    pub(super) deferred: u64,
    pub(super) failed: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.attempted = self.attempted.saturating_add(other.attempted);
        self.delivered = self.delivered.saturating_add(other.delivered);
        self.deferred = self.deferred.saturating_add(other.deferred);
        self.failed = self.failed.saturating_add(other.failed);
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            attempted: self.attempted.saturating_sub(before.attempted),
            delivered: self.delivered.saturating_sub(before.delivered),
            deferred: self.deferred.saturating_sub(before.deferred),
            failed: self.failed.saturating_sub(before.failed),
        }
    }
}
