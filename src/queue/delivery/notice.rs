//! How a delivery lets the message go that its own one, a notice, tells of.

use super::Delivery;
use crate::envelope::NoticeOf;
use crate::error::Error;
use crate::host::Host;
use crate::queue::command::Input;
use crate::queue::envelope::QueueEnvelope;
use crate::queue::relay::Relay;
use crate::queue::timer::Timer;

impl<H: Host<Envelope: QueueEnvelope>, R: Relay<H::Envelope>, T: Timer> Delivery<'_, H, R, T> {
    pub(super) async fn tell_original(&self, of: NoticeOf) -> Input {
        match self.queue.tell_no_more(of).await {
            Ok(()) | Err(Error::NoSuchMessage(_)) => Input::Stored,
            Err(error) => self.input(Err(error)),
        }
    }
}
