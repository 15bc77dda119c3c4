//! Where messages are kept that were given up.
//!
//! The recipients of one message that one attempt after another has given up are under the id of the
//! message, then under ids that follow from it.

use super::envelope::QueueEnvelope;
use crate::error::Error;
use crate::host::Host;
use crate::id::Id;
use crate::meta::{Attempts, Change, Expect};
use crate::storage::{DictStorage, Result};

/// The dead letters in a storage.
pub(super) struct DeadLetters<'a, H: Host>(pub(super) &'a DictStorage<H>);

// What the attempts of a dead letter say: under which id it is queued again, once that is chosen.
const SAME: u32 = 1;
const ANOTHER: u32 = 2;

impl<H: Host<Envelope: QueueEnvelope>> DeadLetters<'_, H> {
    /// Keeps recipients that were given up. A repeat keeps them once.
    pub(super) async fn keep(&self, id: Id, envelope: H::Envelope, now: f64) -> Result<(), H> {
        let recipients = envelope.parts().recipients;
        for number in 0.. {
            let place = place(id, number);
            match find(self.0, place).await? {
                Some(letter) if letter.parts().recipients == recipients => break,
                Some(_) => {}
                None => return self.0.write(envelope, now, Some(place)).await.map(drop),
            }
        }
        Ok(())
    }

    /// The dead letters of a message, with their ids.
    pub(super) async fn of(&self, id: Id) -> Result<Vec<(Id, H::Envelope)>, H> {
        let mut letters = Vec::new();
        for number in 0.. {
            let place = place(id, number);
            let Some(envelope) = find(self.0, place).await? else { break };
            letters.push((place, envelope));
        }
        Ok(letters)
    }

    /// The id under which a dead letter is queued again: its own, unless the message is still in its
    /// storage for those of its recipients that were not given up. The dead letter remembers it: a
    /// repeat does not queue it twice.
    pub(super) async fn id_to_queue(&self, place: Id, storage: &DictStorage<H>) -> Result<Id, H> {
        let mut chosen = self.0.get(&place).await?.attempts;
        if chosen == 0 {
            chosen = if find(storage, place).await?.is_some() { ANOTHER } else { SAME };
            let change = Change {
                expect: Expect { attempts: Some(0), ..Expect::default() },
                attempts: Some(Attempts::Set(chosen)),
                ..Change::default()
            };
            if !self.0.change(&place, change).await? {
                chosen = self.0.get(&place).await?.attempts;
            }
        }
        Ok(if chosen == SAME { place } else { Id::new_v5(place, b"again") })
    }

    pub(super) async fn remove(&self, place: Id) -> Result<(), H> {
        self.0.remove(&place).await
    }
}

fn place(id: Id, number: u32) -> Id {
    if number == 0 { id } else { Id::new_v5(id, format!("given up {number}").as_bytes()) }
}

/// The envelope of a message, if it is there.
async fn find<H: Host>(storage: &DictStorage<H>, id: Id) -> Result<Option<H::Envelope>, H> {
    match storage.get(&id).await {
        Ok(queued) => Ok(Some(queued.envelope)),
        Err(Error::NoSuchMessage(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
