//! What a storage remembers of the messages it used last, only to save reads before checked
//! commits. No answer comes from here.

use crate::id::{Id, IdMap};
use crate::meta::Meta;

/// How many messages are remembered at least; twice as many at most.
const GENERATION: usize = 1024;

/// A bounded memory of the messages used last: a generation that fills, and the one before it.
#[derive(Debug)]
pub(crate) struct KnownMessages<V> {
    young: IdMap<Known<V>>,
    old: IdMap<Known<V>>,
}

/// What is known of one message.
#[derive(Clone, Debug)]
pub(crate) struct Known<V> {
    /// The meta record as it was committed or read last, and its version.
    pub(crate) meta: Option<(Meta, V)>,
    /// How many recipients it was accepted for, which never changes.
    pub(crate) recipients: Option<usize>,
}

impl<V: Clone> KnownMessages<V> {
    pub(crate) fn new() -> Self {
        Self { young: IdMap::default(), old: IdMap::default() }
    }

    /// What is known of a message, which counts as a use.
    pub(crate) fn entry(&mut self, id: Id) -> &mut Known<V> {
        if self.young.len() >= GENERATION && !self.young.contains_key(&id) {
            self.old = std::mem::take(&mut self.young);
        }
        let old = &mut self.old;
        self.young.entry(id).or_insert_with(|| old.remove(&id).unwrap_or(Known { meta: None, recipients: None }))
    }

    pub(crate) fn forget(&mut self, id: Id) {
        self.young.remove(&id);
        self.old.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_used_last_are_remembered_and_no_more_than_two_generations() {
        let mut known = KnownMessages::<()>::new();
        for number in 0..10_000 {
            known.entry(Id::from_u128(number)).recipients = Some(1);
            known.entry(Id::from_u128(0));
        }
        assert_eq!(known.entry(Id::from_u128(0)).recipients, Some(1));
        assert_eq!(known.entry(Id::from_u128(9_999)).recipients, Some(1));
        assert_eq!(known.entry(Id::from_u128(1)).recipients, None);
        assert!(known.young.len() + known.old.len() <= 2 * GENERATION);
    }
}
