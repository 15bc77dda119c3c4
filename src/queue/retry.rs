//! Letting messages be attempted again.

use super::dead_letter::{DeadLetters, id_to_queue, is_of};
use super::envelope::QueueEnvelope;
use super::queue::Queue;
use super::timer::Timer;
use crate::envelope::{EnvelopeHandle, NoticeOf};
use crate::error::Error;
use crate::host::{Host, Stored};
use crate::id::Id;
use crate::meta::Meta;
use crate::storage::Result;

/// After so many milliseconds a dead letter is attempted that is queued again, if nobody lets it be due when it is taken
/// off.
const RETRIED_AFTER: f64 = 60_000.0;

impl<H: Host<Envelope: QueueEnvelope>, R, T: Timer> Queue<H, R, T> {
    /// Queues a message again that was given up and kept, under another id, or lets one that waits be due now. Returns
    /// the id under which it is queued: of a message that waits its own, of one that several attempts have given up
    /// that for the recipients of the first. Each of these is a message of its own then: after an error some may be queued,
    /// and a repeat queues only what is missing.
    ///
    /// # Errors
    /// [`Error::NoSuchMessage`] for any other id, and those of a storage.
    pub async fn retry(&self, id: &Id) -> Result<Id, H> {
        let mut ids = Vec::new();
        if let Some(dead_letter) = &self.options.dead_letter {
            let dead_letters = DeadLetters(dead_letter);
            // The first one goes last: by it the others are found.
            for (place, letter) in dead_letters.of(*id).await?.into_iter().rev() {
                self.tell_no_more_of(*id, &letter).await?;
                let Some((letter, envelope)) = dead_letters.get(place).await? else { continue }; // it was queued meanwhile
                // If this ends before it is taken off, a repeat finds it here.
                let soon = self.timer.wall() + RETRIED_AFTER;
                ids.push(self.store(&envelope, id_to_queue(place, &letter), Meta::new(soon)).await?);
                dead_letters.remove(place).await?;
            }
        }
        for id in &ids {
            // It is queued, and due soon whatever comes of this.
            let _ = self.make_due(*id).await;
        }
        if let Some(first) = ids.last() {
            return Ok(*first);
        }
        let (meta, envelope) = self.pooled(self.storage.get_whole(id)).await?;
        if meta.untold.is_none() && meta.left(envelope.recipient_count()).is_empty() {
            return Err(Error::NoSuchMessage(*id)); // it was delivered, and is kept until its time
        }
        let now = self.timer.wall();
        if meta.claim(now).is_some() {
            return Ok(*id); // it is being sent
        }
        self.pooled(self.storage.set_timestamp(id, now)).await?;
        if meta.attempts > 0 {
            self.shared.update_now(&self.timer, |state| state.scheduler.flush_one(*id, now, meta.timestamp));
        } else {
            self.put(*id, now, None);
        }
        Ok(*id)
    }

    /// Notes in the record of the message of this dead letter that nobody is to be told of its recipients any more: they are
    /// queued again, and the queue would keep them and tell of them once more.
    async fn tell_no_more_of(&self, id: Id, letter: &Meta) -> Result<(), H> {
        let told = match self.pooled(self.storage.get_meta(&id)).await? {
            Some(Stored::Good(meta)) if is_of(letter, &meta) => {
                self.tell_no_more(NoticeOf { id, attempt: letter.attempts }).await
            }
            _ => return Ok(()),
        };
        match told {
            Err(Error::NoSuchMessage(_)) => Ok(()),
            told => told,
        }
    }
}
