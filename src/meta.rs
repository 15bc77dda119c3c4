//! The small record that changes while a message waits.

use std::collections::BinaryHeap;

/// What the queue knows of one message besides its envelope.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    /// When the next attempt is due: a finite number whose unit the storage does not care for.
    pub timestamp: f64,
    /// How often delivery was attempted.
    pub attempts: u32,
    /// Positions in the envelope's original list of the recipients that need no more attempts,
    /// ascending, each once.
    pub delivered: Vec<u32>,
    /// Who is attempting the message now, if somebody is.
    pub lease: Option<Lease>,
    /// The fields that this version does not know, as the host encodes them: a later version, which
    /// works on the same dictionaries, gets them back.
    pub unknown: Vec<u8>,
}

/// The claim of one deliverer on one message.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    /// Until when nobody else may attempt the message, in the unit of [`Meta::timestamp`].
    pub until: f64,
    /// Who holds it.
    pub owner: String,
}

impl Meta {
    /// The record of a message that was never attempted.
    #[must_use]
    pub fn new(timestamp: f64) -> Self {
        Self { timestamp, ..Self::default() }
    }

    /// Adds `indexes` to the delivered ones: a union, whatever their order and however often one
    /// is named.
    pub fn mark_delivered(&mut self, indexes: &[u32]) {
        let mut all: BinaryHeap<u32> = std::mem::take(&mut self.delivered).into();
        all.extend(indexes);
        self.delivered = all.into_sorted_vec();
        self.delivered.dedup();
    }
}

/// Several changes of one [`Meta`], made together or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// What the record must say for the change to be made; nothing unless set.
    pub expect: Expect,
    /// The new time of the next attempt.
    pub timestamp: Option<f64>,
    /// The new number of attempts.
    pub attempts: Option<Attempts>,
    /// `Some(None)` takes the lease away.
    pub lease: Option<Option<Lease>>,
    /// Positions in the original list of recipients to mark as delivered.
    pub delivered: Vec<u32>,
}

/// What a [`Change`] does to the number of attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempts {
    /// One more than it was.
    Increment,
    /// This many.
    Set(u32),
}

/// What a record must say for a [`Change`] to be made. `None` accepts anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// The time of the next attempt.
    pub timestamp: Option<f64>,
    /// The number of attempts.
    pub attempts: Option<u32>,
    /// The lease; `Some(None)` for a message that nobody claims.
    pub lease: Option<Option<Lease>>,
}

impl Expect {
    /// Whether `meta` is as expected.
    #[must_use]
    pub fn holds(&self, meta: &Meta) -> bool {
        self.timestamp.is_none_or(|expected| expected == meta.timestamp)
            && self.attempts.is_none_or(|expected| expected == meta.attempts)
            && self.lease.as_ref().is_none_or(|expected| *expected == meta.lease)
    }
}

impl Change {
    /// Makes the change in `meta`; false, and `meta` untouched, when it is not as expected.
    pub fn apply(&self, meta: &mut Meta) -> bool {
        if !self.expect.holds(meta) {
            return false;
        }
        if let Some(timestamp) = self.timestamp {
            meta.timestamp = timestamp;
        }
        match self.attempts {
            None => {}
            Some(Attempts::Increment) => meta.attempts = meta.attempts.saturating_add(1),
            Some(Attempts::Set(attempts)) => meta.attempts = attempts,
        }
        if let Some(lease) = &self.lease {
            meta.lease.clone_from(lease);
        }
        if !self.delivered.is_empty() {
            meta.mark_delivered(&self.delivered);
        }
        true
    }
}

/// What one change came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed {
    pub(crate) applied: bool,
    pub(crate) attempts: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_add_up_and_stay_sorted_and_unique() {
        let mut meta = Meta::new(1.0);
        meta.mark_delivered(&[4, 0, 4]);
        meta.mark_delivered(&[2, 0]);
        assert_eq!(meta.delivered, [0, 2, 4]);
    }

    #[test]
    fn a_change_whose_expectation_fails_touches_nothing() {
        let mut meta = Meta::new(1.0);
        let before = meta.clone();
        let change = Change {
            expect: Expect { lease: Some(Some(Lease { until: 9.0, owner: "a".into() })), ..Expect::default() },
            timestamp: Some(2.0),
            delivered: vec![1],
            ..Change::default()
        };
        assert!(!change.apply(&mut meta));
        assert_eq!(meta, before);
    }

    #[test]
    fn a_change_sets_all_it_names_and_nothing_else() {
        let mut meta = Meta { timestamp: 1.0, attempts: 3, delivered: vec![1], ..Meta::default() };
        let lease = Lease { until: 9.0, owner: "a".into() };
        let change = Change {
            expect: Expect { attempts: Some(3), lease: Some(None), ..Expect::default() },
            attempts: Some(Attempts::Increment),
            lease: Some(Some(lease.clone())),
            ..Change::default()
        };
        assert!(change.apply(&mut meta));
        assert_eq!(
            meta,
            Meta { timestamp: 1.0, attempts: 4, delivered: vec![1], lease: Some(lease), ..Meta::default() }
        );
    }
}
