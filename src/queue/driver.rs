//! What makes the attempts of a queue: it does what the core says, and tells it what came of it.

use std::borrow::ToOwned;
use std::boxed::Box;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use std::vec::Vec;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::backoff::Delay;
use super::bounce::{Failure, bounce_id, date};
use super::command::{Command, End, Input, Record};
use super::event::{Kind, Recipient};
use super::outcome::{Answer, Said, Verdict, Verdicts};
use super::queue::{Queue, Relay, caught};
use super::reply::Reply;
use super::time::Timer;
use crate::envelope::Envelope;
use crate::error::Error;
use crate::host::{Host, Stored};
use crate::id::Id;
use crate::meta::Change;
use crate::storage::Result;
use crate::sync::lock;

/// What is said of a relay that panicked.
const PANICKED: &str = "the relay panicked";
/// How long a failing storage is left in peace by whoever listens to it.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// A message that is being attempted.
struct Work {
    number: u32,
    id: Id,
    envelope: Arc<Envelope>,
    /// Bounces that wait until their recipients are marked.
    bounces: Vec<Id>,
}

impl<H: Host<Envelope = Envelope>, R: Relay, T: Timer> Queue<H, R, T> {
    /// Attempts what is due, what is stored and what is written from now on, until [`Queue::stop`] or
    /// until the storage is closed.
    pub async fn start(&self) {
        let listening = async {
            let mut wait = self.storage.wait(self.options.scan);
            loop {
                match wait.next(&self.storage).await {
                    Ok(Some((timestamp, id))) => {
                        self.tick();
                        self.change(|state| state.deliveries.put(id, timestamp));
                    }
                    Ok(None) => return,
                    Err(_) => self.timer.sleep(AFTER_FAILURE).await,
                }
            }
        };
        self.drive(Box::pin(listening), false).await;
    }

    /// Attempts everything that waits now, whatever it is due, and is ready when it was attempted
    /// once. What others have claimed is left to them.
    ///
    /// # Errors
    /// Those of [`Load::next`](crate::Load::next).
    pub async fn flush(&self) -> Result<(), H> {
        let mut load = self.storage.load();
        while let Some((timestamp, id)) = load.next().await? {
            self.tick();
            lock(&self.state).deliveries.put(id, timestamp);
        }
        self.tick();
        lock(&self.state).deliveries.hurry();
        self.drive(Box::pin(std::future::pending()), true).await;
        Ok(())
    }

    /// Makes attempts beside `listening`, until there is nothing to do for a flush, or for ever.
    async fn drive(&self, mut listening: Pin<Box<impl Future<Output = ()>>>, flush: bool) {
        let mut stops = 0;
        self.change(|state| {
            stops = state.stops;
            state.drivers.push(stops);
        });
        let _driver = OnDrop(|| {
            self.change(|state| {
                let place = state.drivers.iter().position(|began| *began == stops);
                place.map(|place| state.drivers.swap_remove(place));
            });
        });
        let mut attempts = FuturesUnordered::new();
        let mut listens = true;
        loop {
            let changes = self.changes();
            self.tick();
            while let Some((number, id)) = self.take(stops) {
                // From here on, since the future may be dropped before it is polled.
                let guard = OnDrop(move || self.change(|state| state.deliveries.abandon(number, id)));
                attempts.push(self.deliver(number, id, stops, guard));
            }
            let (idle, ends) = {
                let state = lock(&self.state);
                let flushed = flush && (state.paused || !state.deliveries.is_hurrying());
                (state.deliveries.idle(), state.stops != stops || flushed)
            };
            if ends && attempts.is_empty() {
                return;
            }
            let mut timer = pin!(idle.map(|idle| self.timer.sleep(milliseconds(idle))));
            let mut changed = pin!(self.after(changes));
            poll_fn(|cx| {
                if listens && listening.as_mut().poll(cx).is_ready() {
                    listens = false;
                    return Poll::Ready(());
                }
                let timer = timer.as_mut().as_pin_mut();
                let passed = timer.is_some_and(|timer| timer.poll(cx).is_ready());
                let ended = !attempts.is_empty() && attempts.poll_next_unpin(cx).is_ready();
                if passed || ended || changed.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    /// An attempt that may begin now, for one who began after so many stops.
    fn take(&self, stops: u64) -> Option<(u32, Id)> {
        let mut state = lock(&self.state);
        if state.stops != stops {
            return None;
        }
        let number = state.deliveries.take()?;
        let id = state.deliveries.attempt(number)?.waiting().id;
        Some((number, id))
    }

    /// One attempt, from its claim to its end. What it leaves unfinished is given back by `_guard`.
    async fn deliver(&self, number: u32, id: Id, stops: u64, _guard: OnDrop<impl FnMut()>) {
        let mut work = Work { number, id, envelope: Arc::default(), bounces: Vec::new() };
        let mut command = {
            let random = self.timer.random();
            lock(&self.state).deliveries.begin(number, random)
        };
        loop {
            let input = match command {
                Command::Done(end) => {
                    let recorded =
                        lock(&self.state).deliveries.attempt(number).is_some_and(super::Attempt::is_recorded);
                    if recorded {
                        self.send_bounces(&work.bounces).await;
                    }
                    return self.done(&work, end);
                }
                Command::Look => self.look(&work).await,
                Command::Claim(change) | Command::Change(change) => self.make(&work, change).await,
                Command::Get => self.read(&mut work).await,
                Command::Relay => self.relay(&work).await,
                Command::Backoff(attempts) => Input::Delay(self.backoff(&work, attempts)),
                Command::Bounce(reply) => self.bounce(&mut work, reply).await,
                Command::Keep => {
                    let recipients = self.recipients(&work, Verdict::Refused, None);
                    let kept = self.keep(id, named(&work.envelope, &recipients)).await;
                    self.input(&work, kept.map(|()| Input::Stored))
                }
                Command::Remove => {
                    let removed = self.storage.remove(&id).await;
                    self.input(&work, removed.map(|()| Input::Stored))
                }
                Command::Pause(pause) => self.rest(pause, stops).await,
            };
            self.tick();
            let random = self.timer.random();
            command = lock(&self.state).deliveries.answer(number, input, random);
        }
    }

    fn done(&self, work: &Work, end: End) {
        let (recorded, lost, next) = {
            let state = lock(&self.state);
            let attempt = state.deliveries.attempt(work.number);
            attempt.map_or((false, false, None), |attempt| {
                (attempt.is_recorded(), attempt.is_lease_lost(), attempt.next_timestamp())
            })
        };
        if lost {
            self.report(work, Kind::LeaseLost);
        }
        if recorded {
            for verdict in [Verdict::Delivered, Verdict::Deferred, Verdict::Refused] {
                let recipients = self.recipients(work, verdict, None);
                if recipients.is_empty() {
                    continue;
                }
                let kind = match verdict {
                    Verdict::Delivered => Kind::Delivered(recipients),
                    Verdict::Deferred => Kind::Deferred { recipients, timestamp: next.unwrap_or(f64::NAN) },
                    Verdict::Refused => Kind::Failed(recipients),
                };
                self.report(work, kind);
            }
        }
        self.tick();
        self.change(|state| drop(state.deliveries.end(work.number, end)));
    }

    // ---- the storage ----

    async fn look(&self, work: &Work) -> Input {
        let looked = self.storage.get_meta(&work.id).await;
        self.input(
            work,
            looked.map(|stored| match stored {
                None => Input::Looked(None),
                Some(Stored::Good(meta)) => Input::Looked(Some(Record {
                    timestamp: meta.timestamp,
                    attempts: meta.attempts,
                    lease: Some(meta.lease),
                })),
                Some(_) => Input::Unreadable,
            }),
        )
    }

    async fn make(&self, work: &Work, change: Change) -> Input {
        let changed = self.storage.change(&work.id, change).await;
        self.input(work, changed.map(Input::Changed))
    }

    async fn read(&self, work: &mut Work) -> Input {
        let read = self.storage.get(&work.id).await.map(|queued| {
            let bounces = queued.envelope.sender.as_ref().is_some_and(|sender| !sender.is_empty());
            work.envelope = Arc::new(queued.envelope);
            Input::Got { indexes: queued.indexes, bounces }
        });
        self.input(work, read)
    }

    fn input(&self, work: &Work, result: Result<Input, H>) -> Input {
        result.unwrap_or_else(|error| {
            if matches!(error, Error::NoSuchMessage(_)) {
                return Input::Gone;
            }
            self.report(work, Kind::Trouble(error.code()));
            match error {
                Error::UnknownOutcome { .. } => Input::Unknown,
                Error::Corrupt(_) | Error::NewerFormat(_) => Input::Unreadable,
                _ => Input::Failed,
            }
        })
    }

    // ---- the relay ----

    async fn relay(&self, work: &Work) -> Input {
        self.report(work, Kind::Attempt);
        let made = self.attempts(work).saturating_sub(1);
        let relaying = AssertUnwindSafe(async { self.relay.attempt(&work.envelope, made).await });
        let mut relaying = pin!(relaying.catch_unwind());
        let mut answer = None;
        let answer = loop {
            let mut timer = pin!(self.timer.sleep(self.options.lease.checked_div(3).unwrap_or_default()));
            poll_fn(|cx| match relaying.as_mut().poll(cx) {
                Poll::Ready(said) => {
                    answer = Some(said);
                    Poll::Ready(())
                }
                Poll::Pending => timer.as_mut().poll(cx),
            })
            .await;
            if let Some(answer) = answer.take() {
                break answer;
            }
            self.tick();
            let Some(change) = lock(&self.state).deliveries.renew(work.number) else { continue };
            // A renewal under way ends before the outcome is stored.
            let mut renewing = pin!(self.make(work, change));
            let input = poll_fn(|cx| {
                if answer.is_none()
                    && let Poll::Ready(said) = relaying.as_mut().poll(cx)
                {
                    answer = Some(said);
                }
                renewing.as_mut().poll(cx)
            })
            .await;
            lock(&self.state).deliveries.renewed(work.number, &input);
            if let Some(answer) = answer.take() {
                break answer;
            }
        };
        let answer = answer.unwrap_or_else(|_| {
            self.report(work, Kind::Trouble(PANICKED));
            Answer::All(Said::Transient(Reply::new(451, "4.3.0 the relay panicked")))
        });
        let verdicts = Verdicts::of(answer, &work.envelope.recipients);
        if let Some(wrong) = verdicts.wrong {
            self.report(work, Kind::Trouble(wrong));
        }
        Input::Relayed(verdicts)
    }

    fn backoff(&self, work: &Work, attempts: u32) -> Option<Delay> {
        let replies: Vec<Reply> =
            self.recipients(work, Verdict::Deferred, None).into_iter().filter_map(|left| left.reply).collect();
        let backoff = self.options.backoff.as_ref()?;
        let delay = caught(|| backoff(&work.envelope, attempts, &replies));
        let delay = delay.and_then(Delay::answered);
        if delay.is_none() {
            self.report(work, Kind::Trouble("the backoff is no number of milliseconds"));
        }
        delay
    }

    async fn bounce(&self, work: &mut Work, number: u32) -> Input {
        let recipients = self.recipients(work, Verdict::Refused, Some(number));
        let Some(reply) = recipients.first().and_then(|first| first.reply.clone()) else { return Input::Stored };
        let indexes: Vec<u32> = recipients.iter().map(|recipient| recipient.index).collect();
        let id = bounce_id(work.id, &indexes, &reply);
        let refused = named(&work.envelope, &recipients);
        let made = self.options.bounce_factory.as_ref().and_then(|factory| {
            let made = caught(|| factory(&refused, &reply));
            if made.is_none() {
                self.report(work, Kind::Trouble("the bounce factory panicked"));
            }
            made
        });
        let bounce = made.unwrap_or_else(|| {
            let date = date(self.timer.wall());
            let failure = Failure {
                id,
                sender: refused.sender.as_deref().unwrap_or_default(),
                recipients: &refused.recipients,
                reply: &reply,
                attempts: self.attempts(work),
                headers: &refused.headers,
                host: refused.receiver.as_deref(),
                date: &date,
            };
            Some(failure.envelope())
        });
        let Some(bounce) = bounce else { return Input::Stored };
        // A policy may panic, too.
        let Ok(stored) = AssertUnwindSafe(self.store_bounce(bounce, id)).catch_unwind().await else {
            self.report(work, Kind::Trouble("a policy panicked"));
            return Input::Failed;
        };
        if let Ok(ids) = &stored {
            work.bounces.extend(ids);
            self.report(work, Kind::Bounced(id));
        }
        self.input(work, stored.map(|_| Input::Stored))
    }

    /// Waits, unless the queue was stopped once more than so often.
    async fn rest(&self, pause: f64, stops: u64) -> Input {
        let mut sleep = pin!(self.timer.sleep(milliseconds(pause)));
        loop {
            if lock(&self.state).stops != stops {
                return Input::Failed;
            }
            let mut changed = pin!(self.after(self.changes()));
            let passed = poll_fn(|cx| match sleep.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(true),
                Poll::Pending => changed.as_mut().poll(cx).map(|()| false),
            });
            if passed.await {
                return Input::Stored;
            }
        }
    }

    // ---- what it comes to ----

    fn attempts(&self, work: &Work) -> u32 {
        lock(&self.state).deliveries.attempt(work.number).map_or(0, super::Attempt::attempts)
    }

    fn report(&self, work: &Work, kind: Kind) {
        self.tell(work.id, &work.envelope, self.attempts(work), kind);
    }

    fn recipients(&self, work: &Work, verdict: Verdict, only: Option<u32>) -> Vec<Recipient> {
        let state = lock(&self.state);
        let Some(attempt) = state.deliveries.attempt(work.number) else { return Vec::new() };
        let verdicts = attempt.verdicts();
        let places = verdicts.places(verdict);
        let places = places.filter(|place| only.is_none() || verdicts.reply_number(*place) == only);
        let recipient = |place: usize| {
            let reply = verdicts.reply_number(place).and_then(|number| verdicts.reply(number)).cloned();
            Some(Recipient { index: *attempt.indexes().get(place)?, place, reply })
        };
        places.filter_map(recipient).collect()
    }
}

/// The envelope with these of its recipients.
fn named(envelope: &Envelope, recipients: &[Recipient]) -> Envelope {
    let address = |recipient: &Recipient| envelope.recipients.get(recipient.place).map(ToOwned::to_owned);
    Envelope { recipients: recipients.iter().filter_map(address).collect(), ..envelope.clone() }
}

/// At least so long: what is woken too early would only sleep again.
fn milliseconds(number: f64) -> Duration {
    Duration::from_micros(((number.max(0.0) * 1000.0) as u64).saturating_add(1))
}

/// Does something at the end, also when a future is dropped before its own.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
