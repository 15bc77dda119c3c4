//! Where messages are kept that were given up.
//!
//! The recipients of one message that one attempt after another has given up are under the id of the
//! message, then under ids that follow from it.

use super::envelope::QueueEnvelope;
use crate::envelope::EnvelopeHandle;
use crate::error::Error;
use crate::host::Host;
use crate::id::Id;
use crate::meta::Meta;
use crate::storage::{DictStorage, Result};

/// The dead letters in a storage.
pub(super) struct DeadLetters<'a, H: Host>(pub(super) &'a DictStorage<H>);

impl<H: Host<Envelope: QueueEnvelope>> DeadLetters<'_, H> {
    /// Keeps recipients that were given up, with a record of when, by which attempt and why. A repeat keeps them
    /// once: by its first attempt a message is told from an earlier one that had its id.
    pub(super) async fn keep(&self, id: Id, envelope: H::Envelope, meta: Meta) -> Result<(), H> {
        let recipients = envelope.parts().recipients;
        for number in 0.. {
            let place = place(id, number);
            match self.get(place).await? {
                Some((kept, letter)) if letter.parts().recipients == recipients && is_of(&kept, &meta) => break,
                Some(_) => {}
                None => return self.0.write_with(envelope, meta, Some(place)).await.map(drop),
            }
        }
        Ok(())
    }

    /// The ids and the records of the dead letters of a message.
    pub(super) async fn of(&self, id: Id) -> Result<Vec<(Id, Meta)>, H> {
        let mut letters = Vec::new();
        for number in 0.. {
            let place = place(id, number);
            let Some((meta, _)) = self.get(place).await? else { break };
            letters.push((place, meta));
        }
        Ok(letters)
    }

    /// A dead letter and its record, unless somebody has taken it off.
    pub(super) async fn get(&self, place: Id) -> Result<Option<(Meta, H::Envelope)>, H> {
        match self.0.get_whole(&place).await {
            Ok((meta, envelope)) => Ok(Some((meta, envelope.without(&[]).map_err(|_| Error::Corrupt(place))?))),
            Err(Error::NoSuchMessage(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn remove(&self, place: Id) -> Result<(), H> {
        self.0.remove(&place).await
    }
}

/// The id under which a dead letter is queued again, always the same for this one. It is another one than that of the
/// message: whoever has refused the message may know its id, and take the next request for a repeat.
pub(super) fn id_to_queue(place: Id, letter: &Meta) -> Id {
    let name = [&b"again"[..], &letter.timestamp.to_bits().to_be_bytes()].concat();
    Id::new_v5(place, &name)
}

fn place(id: Id, number: u32) -> Id {
    if number == 0 { id } else { Id::new_v5(id, format!("given up {number}").as_bytes()) }
}

/// Whether a dead letter is of the message with this record, and not of an earlier one that had its id.
pub(super) fn is_of(letter: &Meta, message: &Meta) -> bool {
    letter.first_attempt.is_none() || letter.first_attempt == message.first_attempt
}
