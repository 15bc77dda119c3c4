//! How a delivery tells the sender of recipients who are given up, and keeps them.

use super::Delivery;
use crate::host::Host;
use crate::id::Id;
use crate::queue::callback::caught_async;
use crate::queue::command::Input;
use crate::queue::dead_letter::DeadLetters;
use crate::queue::dsn::{Dsn, Failed, bounce_id};
use crate::queue::envelope::{Parts, QueueEnvelope};
use crate::queue::event::{Cause, Kind, Recipient};
use crate::queue::outcome::Status;
use crate::queue::relay::Relay;
use crate::queue::reply::Reply;
use crate::queue::timer::Timer;

impl<H: Host<Envelope: QueueEnvelope>, R: Relay<H::Envelope>, T: Timer> Delivery<'_, H, R, T> {
    pub(super) async fn bounce(&mut self, reply: usize) -> Input {
        let Some(envelope) = self.envelope.clone() else { return Input::Failed };
        let recipients = self.recipients(Status::Failed, Some(reply));
        let Some(reply) = recipients.first().and_then(|first| first.reply.clone()) else { return Input::Stored };
        let indexes: Vec<u32> = recipients.iter().map(|recipient| recipient.index).collect();
        let id = bounce_id(self.id(), &indexes, &reply);
        let failed = named(&*envelope, &recipients);
        let Some(bounce) = self.make_bounce(id, &failed, &reply).await else { return Input::Stored };
        match self.store_bounce(bounce.clone(), id).await {
            Ok(ids) => {
                self.bounces.extend(ids);
                self.report(Kind::Bounced { recipients, reply: &reply, bounce: &bounce, id });
                Input::Stored
            }
            Err(cause) => {
                self.queue.emit(Some(self.id()), None, self.state.attempts(), Kind::Error(cause));
                Input::Failed
            }
        }
    }

    /// What tells the sender; nothing if the caller wants none.
    async fn make_bounce(&self, id: Id, failed: &H::Envelope, reply: &Reply) -> Option<H::Envelope> {
        if let Some(factory) = &self.queue.options.bounce_factory {
            match caught_async(async { factory(failed, reply).await }).await {
                Ok(Ok(made)) => return made.map(|made| made.without_sender()),
                Ok(Err(error)) | Err(error) => self.report(Kind::Error(Cause::Callback(error))),
            }
        }
        let Parts { sender, recipients, headers, receiver } = failed.parts();
        let failed: Vec<Failed<'_>> = recipients.iter().map(|recipient| Failed { recipient, reply }).collect();
        let dsn = Dsn {
            id,
            sender: sender.as_deref().unwrap_or_default(),
            failed: &failed,
            attempts: self.state.attempts(),
            headers: &headers,
            host: receiver.as_deref(),
            now: self.queue.timer.wall(),
        };
        Some(H::Envelope::of(dsn.envelope()))
    }

    /// Stores a bounce that waits until its message is marked: after a crash in between, a repeat
    /// finds it there. The ids of what it has become.
    async fn store_bounce(&self, bounce: H::Envelope, id: Id) -> std::result::Result<Vec<Id>, Cause<H::Error>> {
        let at = self.queue.after_lease();
        if let Some(other) = &self.queue.options.bounce_queue {
            let enqueued = caught_async(async { other.enqueue(bounce, id, at).await }).await;
            return enqueued.and_then(|enqueued| enqueued).map_err(Cause::Callback);
        }
        let made = self.queue.apply_policies(bounce).await.map_err(Cause::Callback)?;
        // Whatever the policies have made of it, it is from nobody: it is never bounced itself.
        let notices = made.into_iter().map(|notice| notice.without_sender()).collect();
        let stored = self.queue.store_all(notices, id, Some(at)).await;
        stored.into_iter().map(|(_, id)| id.map_err(Cause::Storage)).collect()
    }

    /// Lets a bounce be sent; one that cannot be moved is sent later.
    pub(super) async fn send_bounce(&self, id: Id) {
        let sent = match &self.queue.options.bounce_queue {
            Some(other) => {
                let sent = caught_async(async { other.send(id).await }).await;
                sent.and_then(|sent| sent).map_err(Cause::Callback)
            }
            None => self.queue.make_due(id).await.map_err(Cause::Storage),
        };
        if let Err(cause) = sent {
            self.queue.emit(Some(id), None, 0, Kind::Error(cause));
        }
    }

    pub(super) async fn dead_letter(&self) -> Input {
        let (Some(storage), Some(envelope)) = (&self.queue.options.dead_letter, &self.envelope) else {
            return Input::Stored;
        };
        let failed = named(&**envelope, &self.recipients(Status::Failed, None));
        let written = DeadLetters(storage).keep(self.id(), failed, self.queue.timer.wall()).await;
        self.input(written.map(|()| Input::Stored))
    }
}

/// The envelope with these of its recipients.
fn named<E: QueueEnvelope>(envelope: &E, recipients: &[Recipient]) -> E {
    let places: Vec<usize> = recipients.iter().map(|recipient| recipient.place).collect();
    envelope.with_recipients(&places)
}
