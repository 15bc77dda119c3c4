//! The small record that changes while a message waits.

use std::collections::BinaryHeap;

/// The format of a record with fields that only queues set: a version that does not know them would drop them. No
/// record has a later one.
#[cfg(any(feature = "redb", feature = "redis", target_family = "wasm"))]
pub(crate) const FORMAT_QUEUE: u32 = 2;
/// No message has more recipients: a record that names one beyond would take the memory of as many.
pub(crate) const MOST_RECIPIENTS: u32 = 1 << 28;
/// Up to here a list of positions takes a kibibyte at most.
const APART: u32 = 4_096;

/// The number as an index or a count, if it is one.
#[cfg(any(feature = "redb", feature = "redis", target_family = "wasm"))]
pub(crate) fn integer(number: f64) -> Option<u32> {
    let integer = number as u32;
    (f64::from(integer) == number).then_some(integer)
}

/// Positions in their order, by a heap: the sort of slices is 2 KiB of what a browser downloads.
pub(crate) fn ascending(indexes: Vec<u32>) -> Vec<u32> {
    BinaryHeap::from(indexes).into_sorted_vec()
}

/// What the queue knows of one message besides its envelope.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase", default))]
pub struct Meta {
    /// When the next attempt is due: a finite number whose unit the storage does not care for.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::shapes::number"))]
    pub timestamp: f64,
    /// How often delivery was attempted.
    pub attempts: u32,
    /// Positions in the envelope's original list of the recipients that need no more attempts,
    /// ascending, each once.
    #[cfg_attr(feature = "serde", serde(rename = "deliveredIndexes", skip_serializing_if = "Vec::is_empty"))]
    pub delivered: Vec<u32>,
    /// Who is attempting the message now, if somebody is.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub lease: Option<Lease>,
    /// Those of `delivered` that a queue has given up, by the attempt that did. Where there are thousands of recipients,
    /// those of whom the sender was told are together, under the last of their attempts.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub failed: Vec<Failed>,
    /// When a queue attempted the message first: its patience begins then.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::shapes::some_number"))]
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub first_attempt: Option<f64>,
    /// When nobody wants the message any more: whoever has not got it by then is given up, and nobody is told.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::shapes::some_number"))]
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub expires: Option<f64>,
    /// How many attempts were made because they were due, not because somebody asked for them.
    pub scheduled: u32,
    /// The attempt of whose failures nobody was told yet.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub untold: Option<u32>,
    /// Whether the message, which tells of such failures, is to be sent; not decided unless set.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub notice: Option<Notice>,
    /// What was said last of recipients that are left or were given up.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub replies: Vec<LastReply>,
    /// The fields that this version does not know, as the host encodes them: a later version, which
    /// works on the same dictionaries, gets them back.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub unknown: Vec<u8>,
}

/// The claim of one deliverer on one message.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Lease {
    /// Until when nobody else may attempt the message, in the unit of [`Meta::timestamp`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::shapes::number"))]
    pub until: f64,
    /// Who holds it.
    pub owner: String,
}

/// Recipients that one attempt gave up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Failed {
    /// The number of the attempt: what [`Meta::attempts`] was while it was made.
    pub attempt: u32,
    /// Their positions in the original list, ascending.
    pub indexes: Vec<u32>,
}

/// What was decided of a notice of failures, in whose record it stands from the beginning: versions that know no
/// notices leave such a message alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Notice {
    /// Nothing yet.
    Open,
    /// It is sent.
    Confirmed,
    /// It is removed unsent: somebody else has told of these failures.
    Void,
}

/// What was said of some recipients in the last attempt that said something of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "shape::Replied", into = "shape::Replied"))]
pub struct LastReply {
    /// The code of the reply.
    pub code: u16,
    /// The text of the reply, which may be cut.
    pub message: String,
    /// Positions in the original list of recipients, ascending.
    pub indexes: Vec<u32>,
}

impl LastReply {
    /// One that a record has: a code that cannot be one is no answer, so it is 450.
    #[cfg(any(feature = "redb", feature = "redis", target_family = "wasm"))]
    pub(crate) fn stored(code: u32, message: String, indexes: Vec<u32>) -> Self {
        Self { code: u16::try_from(code).unwrap_or(450), message, indexes }
    }
}

impl Meta {
    /// The record of a message that was never attempted.
    #[must_use]
    pub fn new(timestamp: f64) -> Self {
        Self { timestamp, ..Self::default() }
    }

    /// The record, if it is one that a storage writes: every host that reads records asks here, so that each is good
    /// or corrupt for all of them.
    #[cfg(any(feature = "redb", feature = "redis", target_family = "wasm"))]
    pub(crate) fn checked(mut self) -> Option<Self> {
        let are_possible = |indexes: &[u32]| indexes.last().is_none_or(|last| *last < MOST_RECIPIENTS);
        let times =
            [Some(self.timestamp), self.lease.as_ref().map(|lease| lease.until), self.first_attempt, self.expires];
        let is_ascending = self.delivered.is_sorted_by(|one, next| one < next);
        let mut is_good =
            times.into_iter().flatten().all(f64::is_finite) && is_ascending && are_possible(&self.delivered);
        let failed = self.failed.iter_mut().map(|failed| &mut failed.indexes);
        for indexes in failed.chain(self.replies.iter_mut().map(|last| &mut last.indexes)) {
            *indexes = ascending(std::mem::take(indexes)); // another program may have written them as they came
            indexes.dedup();
            is_good &= are_possible(indexes);
        }
        is_good.then_some(self)
    }

    /// The claim that holds, whoever has it.
    pub(crate) fn claim(&self, now: f64) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.until > now)
    }

    /// The positions of those of so many recipients that need more attempts.
    pub(crate) fn left(&self, recipients: usize) -> Vec<u32> {
        (0..).take(recipients).filter(|index| self.delivered.binary_search(index).is_err()).collect()
    }

    /// Adds `indexes` to the delivered ones: a union, whatever their order and however often one
    /// is named.
    pub fn mark_delivered(&mut self, indexes: &[u32]) {
        let mut all = std::mem::take(&mut self.delivered);
        all.extend(indexes);
        self.delivered = ascending(all);
        self.delivered.dedup();
    }

    /// Gives those up who are not marked yet; whether there are any.
    fn give_up(&mut self, Failed { attempt, indexes }: &Failed) -> bool {
        let is_left = |index: &u32| self.delivered.binary_search(index).is_err();
        let mut left = ascending(indexes.iter().copied().filter(is_left).collect());
        left.dedup();
        if left.is_empty() {
            return false;
        }
        self.mark_delivered(&left);
        self.fold_failed();
        self.failed.push(Failed { attempt: *attempt, indexes: left });
        true
    }

    /// Keeps together, under the last of their attempts, those of whom nobody is to be told any more, where the lists of
    /// each attempt would make the record too large for its host.
    fn fold_failed(&mut self) {
        let untold = self.untold;
        let is_large = |failed: &Failed| failed.indexes.last().is_some_and(|last| *last >= APART);
        if !self.failed.iter().any(is_large) {
            return;
        }
        let mut told = Failed::default();
        self.failed.retain(|failed| {
            let is_told = Some(failed.attempt) != untold;
            if is_told {
                told.attempt = told.attempt.max(failed.attempt);
                told.indexes.extend(&failed.indexes);
            }
            !is_told
        });
        told.indexes = ascending(told.indexes);
        self.failed.insert(0, told);
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
    /// Recipients to give up and to mark, less those that are marked already.
    pub failed: Option<Failed>,
    /// The new [`Meta::first_attempt`].
    pub first_attempt: Option<f64>,
    /// The new [`Meta::scheduled`].
    pub scheduled: Option<u32>,
    /// The new [`Meta::untold`]; `Some(None)` says that somebody was told. A number is not taken where
    /// `failed` leaves nobody to tell of.
    pub untold: Option<Option<u32>>,
    /// The new [`Meta::notice`].
    pub notice: Option<Notice>,
    /// The new [`Meta::replies`].
    pub replies: Option<Vec<LastReply>>,
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
    /// The attempt of whose failures nobody was told; `Some(None)` if there is none.
    pub untold: Option<Option<u32>>,
}

impl Expect {
    /// Whether `meta` is as expected.
    #[must_use]
    pub fn holds(&self, meta: &Meta) -> bool {
        self.timestamp.is_none_or(|expected| expected == meta.timestamp)
            && self.attempts.is_none_or(|expected| expected == meta.attempts)
            && self.lease.as_ref().is_none_or(|expected| *expected == meta.lease)
            && self.untold.is_none_or(|expected| expected == meta.untold)
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
        let gives_up = self.failed.as_ref().is_none_or(|failed| meta.give_up(failed));
        if let Some(untold) = self.untold.filter(|untold| gives_up || untold.is_none()) {
            meta.untold = untold;
        }
        meta.first_attempt = self.first_attempt.or(meta.first_attempt);
        meta.scheduled = self.scheduled.unwrap_or(meta.scheduled);
        meta.notice = self.notice.or(meta.notice);
        if let Some(replies) = &self.replies {
            meta.replies.clone_from(replies);
        }
        true
    }

    /// The positions of recipients that it marks.
    pub(crate) fn marks(&self) -> impl Iterator<Item = &u32> {
        self.delivered.iter().chain(self.failed.iter().flat_map(|failed| &failed.indexes))
    }
}

/// What one change came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed {
    pub(crate) applied: bool,
    pub(crate) attempts: u32,
}

/// The last reply to some recipients, as JavaScript has it.
#[cfg(feature = "serde")]
mod shape {
    use serde::{Deserialize, Serialize};

    use super::LastReply;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Replied {
        reply: Reply,
        indexes: Vec<u32>,
    }

    #[derive(Serialize, Deserialize)]
    struct Reply {
        code: u16,
        message: String,
    }

    impl From<LastReply> for Replied {
        fn from(LastReply { code, message, indexes }: LastReply) -> Self {
            Self { reply: Reply { code, message }, indexes }
        }
    }

    impl From<Replied> for LastReply {
        fn from(Replied { reply: Reply { code, message }, indexes }: Replied) -> Self {
            Self { code, message, indexes }
        }
    }
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
    fn of_thousands_of_recipients_those_are_kept_together_who_were_told_of() {
        let give_up = |meta: &mut Meta, attempt, index| {
            let failed = Some(Failed { attempt, indexes: vec![index] });
            Change { failed, untold: Some(Some(attempt)), ..Change::default() }.apply(meta);
        };
        let mut meta = Meta::new(1.0);
        for (attempt, index) in [(1, 9), (2, 4_095), (3, 4_096)] {
            give_up(&mut meta, attempt, index);
            meta.untold = None;
        }
        assert_eq!(meta.failed.len(), 3);
        give_up(&mut meta, 4, 5);
        give_up(&mut meta, 5, 6);
        let of = |attempt, indexes: &[u32]| Failed { attempt, indexes: indexes.into() };
        assert_eq!(meta.failed, [of(3, &[9, 4_095, 4_096]), of(4, &[5]), of(5, &[6])]);
    }

    #[test]
    fn those_are_given_up_who_are_not_marked_and_nobody_is_untold_where_none_is_left() {
        let mut meta = Meta { delivered: vec![1], ..Meta::new(1.0) };
        let change = |attempt, indexes: &[u32]| Change {
            delivered: vec![3],
            failed: Some(Failed { attempt, indexes: indexes.into() }),
            untold: Some(Some(attempt)),
            ..Change::default()
        };
        assert!(change(2, &[3, 1]).apply(&mut meta));
        assert_eq!((meta.failed.len(), meta.untold), (0, None));
        assert!(change(3, &[4, 1, 0, 4]).apply(&mut meta));
        assert_eq!(meta.failed, [Failed { attempt: 3, indexes: vec![0, 4] }]);
        assert_eq!((meta.delivered, meta.untold), (vec![0, 1, 3, 4], Some(3)));
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
