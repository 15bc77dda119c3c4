//! How a delivery keeps those who were given up, and tells the sender of them.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};

use super::Delivery;
use crate::envelope::{EnvelopeHandle, NoticeOf};
use crate::error::Error;
use crate::host::{Host, Stored};
use crate::id::Id;
use crate::meta::{Failed, Meta};
use crate::queue::boxed::BoxError;
use crate::queue::callback::caught_async;
use crate::queue::command::Input;
use crate::queue::dead_letter::DeadLetters;
use crate::queue::dsn::{self, Dsn};
use crate::queue::envelope::{Parts, QueueEnvelope, notice_id};
use crate::queue::event::{Cause, Kind, Recipient};
use crate::queue::last_replies::replies_of;
use crate::queue::relay::Relay;
use crate::queue::reply::Reply;
use crate::queue::timer::{Timer, milliseconds};

/// What is said of a factory or a queue that answers nothing.
const SILENT: &str = "there was no answer in time";
/// What is said of a recipient whose reply was not kept.
const NO_REPLY: &str = "5.0.0 delivery was given up";

impl<H: Host<Envelope: QueueEnvelope>, R: Relay<H::Envelope>, T: Timer> Delivery<'_, H, R, T> {
    pub(super) async fn dead_letter(&self, failed: &Failed) -> Input {
        let (Some(storage), Some(envelope)) = (&self.queue.options.dead_letter, &self.envelope) else {
            return Input::Stored;
        };
        // Once there is a notice it was kept, and it may have been queued again since.
        if self.is_told_already(failed).await {
            return Input::Stored;
        }
        let recipients = self.failed(failed);
        if recipients.is_empty() {
            return Input::Stored;
        }
        let replies = recipients.iter().map(|recipient| recipient.reply.as_deref());
        let meta = Meta {
            attempts: failed.attempt,
            first_attempt: Some(self.state.first_attempt()),
            replies: replies_of(replies),
            ..Meta::new(self.queue.timer.wall())
        };
        let letter = named(&**envelope, &recipients).into_message();
        let written = DeadLetters(storage).keep(self.id(), letter, meta).await;
        match written {
            Ok(()) => Input::Stored,
            Err(error) => {
                self.queue.emit(Some(self.id()), None, self.state.attempts(), Kind::Error(Cause::Storage(error)));
                Input::Refused
            }
        }
    }

    pub(super) async fn bounce(&self) -> Input {
        let (Some(untold), Some(envelope)) = (self.state.untold(), &self.envelope) else {
            return Input::Bounced(false);
        };
        let of = NoticeOf { id: self.id(), attempt: untold.attempt };
        if self.is_told_already(untold).await {
            return Input::Bounced(true);
        }
        let id = notice_id(of);
        let recipients = self.failed(untold);
        let replies: Vec<Arc<Reply>> = recipients.iter().filter_map(|recipient| recipient.reply.clone()).collect();
        let Some(reply) = replies.first() else { return Input::Bounced(false) };
        let failed = named(&**envelope, &recipients);
        let Some(notice) = self.make_notice(id, untold.attempt, &failed, reply, &replies).await else {
            return Input::Bounced(false);
        };
        if notice.recipient_count() == 0 {
            return Input::Bounced(false);
        }
        match self.store_notice(notice.clone(), of, id).await {
            Ok(None) => Input::LeaseLost,
            Ok(Some(looks_itself)) => {
                self.report(Kind::Bounced { recipients, reply, bounce: &notice, id });
                Input::Bounced(looks_itself)
            }
            Err(cause) => {
                let input = match cause {
                    Cause::Storage(Error::Invalid(_)) => Input::Refused, // as a policy or a factory made it
                    Cause::Storage(Error::Host(ref error)) if H::is_too_large(error) => Input::Refused,
                    Cause::Storage(_) => Input::Failed,
                    _ => Input::Refused,
                };
                self.queue.emit(Some(self.id()), None, self.state.attempts(), Kind::Error(cause));
                input
            }
        }
    }

    /// Whether somebody has told of these before, by a notice that looks itself whether it is to be sent.
    async fn is_told_already(&self, failed: &Failed) -> bool {
        if self.state.is_recorded() {
            return false;
        }
        let id = notice_id(NoticeOf { id: self.id(), attempt: failed.attempt });
        let found = self.queue.pooled(self.queue.storage.get(&id)).await;
        found.is_ok_and(|notice| notice.envelope.notice_of().is_some())
    }

    /// What tells the sender; nothing if the caller wants none.
    async fn make_notice(
        &self,
        id: Id,
        attempt: u32,
        failed: &H::Envelope,
        reply: &Reply,
        replies: &[Arc<Reply>],
    ) -> Option<H::Envelope> {
        if let Some(factory) = &self.queue.options.bounce_factory {
            match self.answered(async { factory(failed, reply, replies).await }).await {
                Ok(made) => return made.map(|made| made.into_notice(None)),
                Err(error) => self.report(Kind::Error(Cause::Callback(error))),
            }
        }
        let Parts { sender, recipients, headers, receiver } = failed.parts();
        let failed: Vec<dsn::Failed<'_>> =
            recipients.iter().zip(replies).map(|(recipient, reply)| dsn::Failed { recipient, reply }).collect();
        let dsn = Dsn {
            id,
            sender: sender.as_deref().unwrap_or_default(),
            failed: &failed,
            attempts: attempt,
            headers: &headers,
            host: receiver.as_deref(),
            now: self.queue.timer.wall(),
        };
        Some(H::Envelope::of(dsn.envelope()))
    }

    /// Stores a notice, unless the claim was lost while it was made: whoever has the message by then tells
    /// of the failure. Whether it looks itself whether it is to be sent: one that another queue takes
    /// cannot, nor can several that the policies have made of it.
    async fn store_notice(
        &self,
        notice: H::Envelope,
        of: NoticeOf,
        id: Id,
    ) -> std::result::Result<Option<bool>, Cause<H::Error>> {
        if let Some(other) = &self.queue.options.bounce_queue {
            if !self.has_claim().await? {
                return Ok(None);
            }
            let enqueued = self.answered(async { other.enqueue(notice, id).await }).await;
            return enqueued.map(|()| Some(false)).map_err(Cause::Callback);
        }
        let made = self.answered(self.queue.apply_policies(notice)).await.map_err(Cause::Callback)?;
        if made.iter().all(|notice| notice.recipient_count() == 0) {
            return Ok(Some(false)); // the policies keep it from everybody
        }
        if !self.has_claim().await? {
            return Ok(None);
        }
        let looks_itself = made.len() == 1;
        // Whatever the policies have made of it, it is from nobody: it is never bounced itself.
        let named = looks_itself.then_some(of);
        let notices = made.into_iter().map(|notice| notice.into_notice(named)).collect();
        let stored = self.queue.store_all(notices, id, None, None).await;
        stored.into_iter().try_for_each(|(_, id)| id.map(drop)).map_err(Cause::Storage)?;
        Ok(Some(looks_itself))
    }

    /// What somebody else's code answers, unless that takes longer than an attempt may, or than a quarter of the lease, or the
    /// queue is stopped meanwhile and waits for no attempt. The claim holds still when it has taken that long several times.
    async fn answered<V>(
        &self,
        asked: impl Future<Output = std::result::Result<V, BoxError>>,
    ) -> std::result::Result<V, BoxError> {
        match select(pin!(caught_async(asked)), pin!(self.patience())).await {
            Either::Left((answered, _)) => answered.and_then(|answered| answered),
            Either::Right(_) => Err(SILENT.into()),
        }
    }

    /// Is ready when nobody waits for somebody else's code any more.
    async fn patience(&self) {
        let options = &self.queue.options;
        let quarter = milliseconds(self.settings.renewal_interval());
        let longest = options.attempt_timeout.map_or(quarter, |time| time.min(quarter));
        let out_of_time = pin!(self.queue.timer.sleep(longest));
        let aborted = pin!(self.queue.shared.until(|state| state.aborted > self.stops));
        select(out_of_time, aborted).await;
    }

    /// Whether the message is claimed still as this attempt has claimed it.
    async fn has_claim(&self) -> std::result::Result<bool, Cause<H::Error>> {
        let meta = self.queue.pooled(self.queue.storage.get_meta(&self.id())).await.map_err(Cause::Storage)?;
        Ok(matches!(meta, Some(Stored::Good(meta)) if self.state.holds(&meta)))
    }

    /// Whom an attempt gave up: this one, or an earlier one that told of nobody.
    fn failed(&self, failed: &Failed) -> Vec<Recipient> {
        let count = self.envelope.as_ref().map_or(0, |envelope| envelope.recipient_count());
        let recipient = |index: u32| {
            let place = if self.state.is_recorded() {
                self.state.indexes().binary_search(&index).ok()?
            } else {
                // The envelope has all recipients then; a record may name others.
                usize::try_from(index).ok().filter(|place| *place < count)?
            };
            let now = self.state.outcome().reply(place).filter(|_| self.state.is_recorded()).cloned();
            let kept = || self.state.last_reply(index).map(|last| Reply::new(last.code, last.message.clone()));
            let reply = now.unwrap_or_else(|| Arc::new(kept().unwrap_or_else(|| Reply::new(550, NO_REPLY))));
            Some(Recipient { index, place, reply: Some(reply) })
        };
        failed.indexes.iter().filter_map(|index| recipient(*index)).collect()
    }
}

/// The envelope with these of its recipients.
fn named<E: QueueEnvelope>(envelope: &E, recipients: &[Recipient]) -> E {
    let places: Vec<usize> = recipients.iter().map(|recipient| recipient.place).collect();
    envelope.with_recipients(&places)
}
