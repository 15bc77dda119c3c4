//! How a delivery lets the message go that its own one, a notice, tells of.

use super::Delivery;
use crate::envelope::{EnvelopeHandle, NoticeOf};
use crate::error::Error;
use crate::host::Host;
use crate::meta::Meta;
use crate::queue::attempt::telling::SOON;
use crate::queue::command::Input;
use crate::queue::envelope::QueueEnvelope;
use crate::queue::relay::Relay;
use crate::queue::timer::Timer;
use crate::storage::Result;

impl<H: Host<Envelope: QueueEnvelope>, R: Relay<H::Envelope>, T: Timer> Delivery<'_, H, R, T> {
    pub(super) async fn tell_original(&self, of: NoticeOf) -> Input {
        match self.let_go(of).await {
            Ok(()) | Err(Error::NoSuchMessage(_)) => Input::Stored,
            Err(error) => self.input(Err(error)),
        }
    }

    /// The original is told of; if it needs nothing else, it goes.
    async fn let_go(&self, NoticeOf { id, attempt }: NoticeOf) -> Result<(), H> {
        let queue = self.queue;
        if !queue.tell_no_more(&id, attempt).await? {
            return Ok(()); // an earlier attempt of this notice has done it
        }
        let (meta, envelope) = queue.pooled(queue.storage.get_whole(&id)).await?;
        // Another attempt may have given up more by now. Where nobody is left or untold, it stays so.
        if meta.untold.is_some() {
            return Ok(());
        }
        if !meta.left(envelope.recipient_count()).is_empty() {
            let waits_for_this = meta.timestamp <= queue.timer.wall() + SOON;
            return if waits_for_this { queue.make_due(id).await } else { Ok(()) };
        }
        if self.settings.keep_delivered > 0.0 {
            let until = queue.timer.wall() + self.settings.keep_delivered;
            return queue.pooled(queue.storage.set_timestamp(&id, until)).await;
        }
        let is_done = |meta: &Meta| meta.untold.is_none() && meta.left(envelope.recipient_count()).is_empty();
        queue.pooled(queue.storage.remove_if(id, &is_done)).await.map(drop)
    }
}
