//! How a delivery hands its message to the relay, and keeps its claim meanwhile.

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use futures_util::future::{Either, poll_immediate, select};

use super::Delivery;
use crate::host::Host;
use crate::queue::answer::{Answer, Verdict};
use crate::queue::callback::caught_async;
use crate::queue::command::Input;
use crate::queue::envelope::QueueEnvelope;
use crate::queue::event::{Cause, Kind};
use crate::queue::on_drop::OnDrop;
use crate::queue::outcome::Outcome;
use crate::queue::relay::{Attempt, Relay};
use crate::queue::reply::Reply;
use crate::queue::signal::AbortSignal;
use crate::queue::timer::Timer;

/// What is said of a relay that did not answer in time.
const TIMED_OUT: &str = "4.4.7 the attempt took too long";

impl<'q, H: Host<Envelope: QueueEnvelope>, R: Relay<H::Envelope>, T: Timer> Delivery<'q, H, R, T> {
    pub(super) async fn relay(&mut self) -> Input {
        let Some(envelope) = self.envelope.clone() else { return Input::Failed };
        // What a relay may have answered before a critical error of the queue is asked for.
        let is_kept = self.state.is_resumed() && self.queue.relay.has(self.id());
        if self.is_out_of_time() && !is_kept {
            return Input::Failed;
        }
        self.report(Kind::Attempt);
        if !self.state.is_resumed() {
            self.queue.relay.settled(self.id()); // an attempt that was cut off after its record heard of no end
        }
        let signal = AbortSignal::default();
        let attempts = self.state.attempts().saturating_sub(1);
        let attempt = Attempt { id: self.id(), attempts, signal: signal.clone() };
        let queue = self.queue;
        let mut relaying = pin!(caught_async(async { queue.relay.attempt(&envelope, attempt).await }));
        let answered = match poll_immediate(relaying.as_mut()).await {
            Some(answered) => Some(answered),
            None => self.wait_for(relaying.as_mut()).await,
        };
        let answered = match answered {
            Some(answered) => Some(answered),
            // The relay hears of it, and may say after all what came of it.
            None => {
                signal.abort();
                match select(relaying, pin!(queue.timer.yield_now())).await {
                    Either::Left((answered, _)) => Some(answered),
                    Either::Right(_) => None,
                }
            }
        };
        let answer = answered.unwrap_or_else(|| Ok(Ok(Verdict::Deferred(Reply::new(451, TIMED_OUT)).into())));
        let (answer, error) = match answer {
            Ok(Ok(answer)) => (answer, None),
            Ok(Err(error)) | Err(error) => (Answer::All(Verdict::Unrecognised), Some(error)),
        };
        let outcome = Outcome::of(answer, self.state.indexes().len(), || envelope.parts().recipients);
        let cause = error.map(Cause::Relay).or_else(|| outcome.unrecognised.map(Cause::Unrecognised));
        if let Some(cause) = cause {
            self.report(Kind::Error(cause));
        }
        Input::Relayed(outcome)
    }

    /// What a relay answers that takes its time; nothing if it is out of time. The claim is renewed
    /// meanwhile.
    async fn wait_for<F: Future>(&mut self, mut relaying: Pin<&mut F>) -> Option<F::Output> {
        let queue = self.queue;
        let mut claimed_at = queue.now();
        let _relaying = self.begin_relaying(claimed_at);
        let mut out_of_time = pin!(async {
            match queue.options.attempt_timeout {
                Some(time) => queue.timer.sleep(time).await,
                None => pending().await,
            }
        });
        loop {
            let mut notified = pin!(queue.shared.at_relay.notified());
            notified.as_mut().enable();
            if self.is_out_of_time() {
                return None;
            }
            let next = poll_fn(|cx| {
                if let Poll::Ready(answered) = relaying.as_mut().poll(cx) {
                    return Poll::Ready(Some(Some(answered)));
                }
                if notified.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                out_of_time.as_mut().poll(cx).map(|()| Some(None))
            });
            if let Some(answered) = next.await {
                return answered;
            }
            if queue.now() - claimed_at < self.settings.renewal_interval() {
                continue;
            }
            claimed_at = queue.now();
            let moment = self.moment();
            let Some(change) = self.state.renew(&self.settings, moment) else { continue };
            // A renewal under way ends before the outcome is stored.
            let (answered, (input, _)) = {
                let mut renewing = pin!(self.try_to_change(change));
                let mut answered = None;
                let input = poll_fn(|cx| {
                    if answered.is_none()
                        && let Poll::Ready(answer) = relaying.as_mut().poll(cx)
                    {
                        answered = Some(answer);
                    }
                    renewing.as_mut().poll(cx)
                });
                let input = input.await;
                (answered, input)
            };
            self.state.renewed(&input);
            if answered.is_some() {
                return answered;
            }
        }
    }

    /// Whether the queue was stopped, and waits for this attempt no more.
    fn is_out_of_time(&self) -> bool {
        self.queue.shared.lock().aborted > self.stops
    }

    /// Counts an attempt that waits for its relay from now on, until what this returns is dropped.
    fn begin_relaying(&self, now: f64) -> OnDrop<impl FnMut() + use<'q, H, R, T>> {
        let queue = self.queue;
        queue.shared.update(|state| {
            if state.relaying == 0 {
                state.renewal_at = now + self.settings.renewal_interval();
            }
            state.relaying = state.relaying.saturating_add(1);
        });
        OnDrop(|| {
            let state = &mut *queue.shared.lock();
            state.relaying = state.relaying.saturating_sub(1);
        })
    }
}
