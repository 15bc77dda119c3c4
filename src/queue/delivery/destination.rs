//! How a delivery waits until its message may go where it has to, before it claims it.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};

use super::Delivery;
use crate::envelope::EnvelopeHandle;
use crate::error::Error;
use crate::host::Host;
use crate::meta::Notice;
use crate::queue::callback::caught;
use crate::queue::destinations::usual_destination;
use crate::queue::envelope::QueueEnvelope;
use crate::queue::event::{Cause, Kind};
use crate::queue::relay::Relay;
use crate::queue::signal::AbortSignal;
use crate::queue::timer::{Timer, milliseconds};
use crate::storage::Result;

impl<H: Host<Envelope: QueueEnvelope>, R: Relay<H::Envelope>, T: Timer> Delivery<'_, H, R, T> {
    /// Waits until each destination has room for the message. False: its worker begins no more attempts,
    /// or the message is gone.
    pub(super) async fn wait_for_destinations(&mut self, over: &AbortSignal) -> bool {
        let (names, expires) = match self.destinations().await {
            Ok(Some(found)) => found,
            Ok(None) => return true,
            Err(error) => {
                let failed = self.input(Err(error));
                self.queue.shared.lock().scheduler.note(&failed, self.queue.timer.random());
                return false; // where it goes is not known, so it rests
            }
        };
        let (queue, message, number) = (self.queue, *self.state.message(), self.number);
        let since = queue.timer.steady();
        let has = queue.relay.has(message.id);
        let visit =
            queue.shared.update_now(&queue.timer, |state| state.scheduler.wait_for(message, number, names, has));
        let Some(visit) = visit else { return true }; // the claim finds that it is gone
        let waiting = pin!(visit.waits_no_more.notified());
        let expired = pin!(async {
            match expires {
                Some(expires) => queue.timer.sleep(milliseconds(expires - queue.timer.wall())).await,
                None => pending().await,
            }
        });
        if matches!(select(waiting, select(pin!(over.aborted()), expired)).await, Either::Right(_)) {
            return false;
        }
        self.state.waited = queue.timer.steady() - since;
        queue.shared.lock().scheduler.has_begun(message.id)
    }

    /// The destinations of the recipients that are left, and when the message expires; none where the relay is not
    /// asked. A record or an envelope that cannot be read is told of by the claim.
    async fn destinations(&self) -> Result<Option<(Vec<Arc<str>>, Option<f64>)>, H> {
        let id = self.id();
        let (meta, envelope) = match self.queue.pooled(self.queue.storage.get_whole(&id)).await {
            Ok(found) => found,
            Err(Error::NoSuchMessage(_) | Error::Corrupt(_) | Error::NewerFormat(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let left = meta.left(envelope.recipient_count());
        let Ok(envelope) = envelope.without(&[]) else { return Ok(None) };
        let is_expired = meta.expires.is_some_and(|expires| expires <= self.queue.timer.wall());
        // A notice lets its original go first, whose other recipients wait for that.
        let is_undecided = envelope.notice_of().is_some() && meta.notice != Some(Notice::Confirmed);
        if left.is_empty() || meta.untold.is_some() || is_expired || is_undecided {
            return Ok(None);
        }
        let recipients = envelope.parts().recipients;
        let addresses = left.iter().filter_map(|index| recipients.get(usize::try_from(*index).ok()?));
        let mut error = None;
        let mut names = Vec::new();
        for address in addresses {
            let named =
                self.queue.options.destination.of.as_ref().map(|of| caught(|| of(address)).and_then(|named| named));
            let name = match named {
                Some(Ok(name)) => name,
                Some(Err(thrown)) => {
                    error.get_or_insert(thrown);
                    usual_destination(address)
                }
                None => usual_destination(address),
            };
            names.push(Arc::from(name));
        }
        if let Some(error) = error {
            let kind = Kind::Error(Cause::Callback(error));
            self.queue.emit(Some(id), Some(&envelope), meta.attempts, kind);
        }
        Ok(Some((names, meta.expires)))
    }
}
