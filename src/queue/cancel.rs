//! Taking back a message that waits.

use super::list::readable;
use super::queue::Queue;
use super::timer::Timer;
use crate::envelope::EnvelopeHandle;
use crate::error::Error;
use crate::host::Host;
use crate::id::Id;
use crate::meta::Meta;
use crate::storage::Result;
use crate::sync::lock;

impl<H: Host, R, T: Timer> Queue<H, R, T> {
    /// Removes a message that waits; false where a claim holds, of this queue or another one, where all
    /// recipients are marked or are known to have it, where it has given somebody up of whom nobody was told yet, and
    /// where there is no such message. The host removes it
    /// only if its record is still the one that was read, so nobody claims it in between.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) if others kept changing the message, and those of
    /// [`DictStorage::remove`](crate::DictStorage::remove) and of a record that cannot be read.
    pub async fn cancel(&self, id: &Id) -> Result<bool, H> {
        let message = readable(self.pooled(self.storage.get_whole(id)).await)?;
        // Who has the message by an outcome that is in no record yet needs no more attempts.
        let delivered = lock(&self.unrecorded).get(id).map(|of| of.state.delivered()).unwrap_or_default();
        let is_left = |meta: &Meta| {
            let left = |count| meta.left(count).iter().any(|index| delivered.binary_search(index).is_err());
            message.as_ref().is_none_or(|(_, envelope)| left(envelope.recipient_count()))
        };
        let (timer, shared) = (&self.timer, &self.shared);
        // A claim may have ended while this machine stood still.
        let is_sent = || shared.lock().scheduler.is_in_attempt(*id);
        let is_free = |meta: &Meta| meta.claim(timer.wall()).is_none() && meta.untold.is_none();
        let waits = |meta: &Meta| is_free(meta) && is_left(meta) && !is_sent();
        let removed = match self.pooled(self.storage.remove_if(*id, &waits)).await {
            Err(Error::NoSuchMessage(_)) => false,
            removed => removed?,
        };
        if removed {
            self.forget(*id);
        }
        Ok(removed)
    }
}
