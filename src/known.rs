//! What a storage remembers of the messages it used last, only to save reads before checked
//! commits. No answer comes from here.

use alloc::vec::Vec;

use crate::id::Id;
use crate::meta::Meta;

/// How many messages are remembered at most.
const PLACES: usize = 1024;

/// A bounded memory: each message has one place, which it takes from whichever was there.
#[derive(Debug)]
pub(crate) struct KnownMessages<V>(Vec<Option<Known<V>>>);

/// What is known of one message.
#[derive(Debug)]
pub(crate) struct Known<V> {
    id: Id,
    /// The meta record as it was committed or read last, and its version.
    pub(crate) meta: Option<(Meta, V)>,
    /// How many recipients it was accepted for, which never changes.
    pub(crate) recipients: Option<usize>,
}

impl<V> KnownMessages<V> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    fn place(&mut self, id: Id) -> Option<&mut Option<Known<V>>> {
        self.0.get_mut(id.spread(PLACES))
    }

    /// What is known of a message.
    pub(crate) fn get(&mut self, id: Id) -> Option<&mut Known<V>> {
        self.place(id)?.as_mut().filter(|known| known.id == id)
    }

    /// What is to be known of a message.
    pub(crate) fn entry(&mut self, id: Id) -> Option<&mut Known<V>> {
        if self.0.is_empty() {
            self.0.resize_with(PLACES, || None);
        }
        let place = self.place(id)?;
        if place.as_ref().is_none_or(|known| known.id != id) {
            *place = Some(Known { id, meta: None, recipients: None });
        }
        place.as_mut()
    }

    pub(crate) fn forget(&mut self, id: Id) {
        if let Some(place) = self.place(id)
            && place.as_ref().is_some_and(|known| known.id == id)
        {
            *place = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_remembered_until_another_takes_its_place() {
        let mut known = KnownMessages::<()>::new();
        let (one, other) = (Id::from_u128(7), Id::from_u128(8));
        known.entry(one).unwrap().recipients = Some(1);
        known.entry(other).unwrap().recipients = Some(2);
        assert_eq!(known.get(one).unwrap().recipients, Some(1));
        known.forget(one);
        assert!(known.get(one).is_none());
        assert_eq!(known.get(other).unwrap().recipients, Some(2));
    }

    #[test]
    fn no_more_messages_are_remembered_than_there_are_places() {
        let mut known = KnownMessages::<()>::new();
        for number in 0..10_000 {
            known.entry(Id::from_u128(number)).unwrap().recipients = Some(1);
        }
        assert!((0..10_000).filter(|number| known.get(Id::from_u128(*number)).is_some()).count() <= PLACES);
    }
}
