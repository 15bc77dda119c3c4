//! What a storage remembers of the messages it used last, only to save reads before checked
//! commits. No answer comes from here.

use crate::id::Id;
use crate::meta::Meta;

/// How many messages are remembered at most.
const PLACES: usize = 1024;

/// A bounded memory: each message has one place, which it takes from whichever was there.
#[derive(Debug)]
pub(crate) struct KnownMessages<V>(Vec<Option<Box<Known<V>>>>);

/// What is known of one message.
#[derive(Debug)]
pub(crate) struct Known<V> {
    id: Id,
    /// The meta record as it was committed last, and its version.
    pub(crate) meta: Meta,
    pub(crate) version: V,
    /// How many recipients it was accepted for, which never changes.
    pub(crate) recipients: Option<usize>,
}

impl<V> KnownMessages<V> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// What is known of a message, which is forgotten.
    pub(crate) fn take(&mut self, id: Id) -> Option<Box<Known<V>>> {
        self.0.get_mut(id.spread(PLACES))?.take_if(|known| known.id == id)
    }

    pub(crate) fn put(&mut self, id: Id, meta: Meta, version: V, recipients: Option<usize>) {
        if self.0.is_empty() {
            self.0.resize_with(PLACES, || None);
        }
        if let Some(place) = self.0.get_mut(id.spread(PLACES)) {
            *place = Some(Box::new(Known { id, meta, version, recipients }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_remembered_once_and_others_beside_it() {
        let mut known = KnownMessages::new();
        let (one, other) = (Id::from_u128(7), Id::from_u128(8));
        known.put(one, Meta::new(1.0), (), Some(1));
        known.put(other, Meta::new(2.0), (), Some(2));
        assert_eq!(known.take(one).unwrap().recipients, Some(1));
        assert!(known.take(one).is_none());
        assert_eq!(known.take(other).unwrap().recipients, Some(2));
    }

    #[test]
    fn no_more_messages_are_remembered_than_there_are_places() {
        let mut known = KnownMessages::new();
        for number in 0..10_000 {
            known.put(Id::from_u128(number), Meta::new(1.0), (), None);
        }
        assert!((0..10_000).filter(|number| known.take(Id::from_u128(*number)).is_some()).count() <= PLACES);
    }
}
