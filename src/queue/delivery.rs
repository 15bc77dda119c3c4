//! One attempt of one message: makes the commands of its state, and tells of them.

mod destination;
mod failure;
mod notice;
mod relay;

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};

use super::attempt::AttemptState;
use super::backoff::{Delay, Patience};
use super::callback::caught;
use super::command::{Command, End, Input, Moment, Settings};
use super::due::Due;
use super::envelope::QueueEnvelope;
use super::event::{Cause, Kind, Recipient};
use super::on_drop::OnDrop;
use super::outcome::Status;
use super::queue::Queue;
use super::relay::Relay;
use super::reply::Reply;
use super::signal::AbortSignal;
use super::state::Shared;
use super::tally::Tally;
use super::timer::{Timer, milliseconds};
use super::unrecorded::Unrecorded;
use crate::envelope::EnvelopeHandle;
use crate::error::Error;
use crate::host::{Host, Stored};
use crate::id::Id;
use crate::meta::{Change, Meta};
use crate::storage::Result;
use crate::sync::lock;

/// An attempt without a claim, until this is dropped.
struct Unclaimed<'q>(&'q Shared);

impl<'q> Unclaimed<'q> {
    /// Nothing where another one is under way, or another queue may make one.
    fn begin(shared: &'q Shared) -> Option<Self> {
        let state = &mut *shared.lock();
        if state.alone.is_none() || state.attempts_unclaimed {
            return None;
        }
        state.attempts_unclaimed = true;
        Some(Self(shared))
    }
}

impl Drop for Unclaimed<'_> {
    fn drop(&mut self) {
        self.0.lock().attempts_unclaimed = false;
    }
}

/// An attempt that is held up, until this is dropped: it needs no place in the pool.
struct HeldUp<'q>(&'q Shared);

impl<'q> HeldUp<'q> {
    fn begin(shared: &'q Shared) -> Self {
        shared.update(|state| state.scheduler.hold_up(true));
        Self(shared)
    }
}

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.0.update(|state| state.scheduler.hold_up(false));
    }
}

/// An attempt under way. Its message is released when it is dropped, wherever it was.
pub(super) struct Delivery<'q, H: Host, R, T> {
    queue: &'q Queue<H, R, T>,
    settings: Arc<Settings>,
    state: AttemptState,
    number: u64,
    /// How often the queue was stopped before its worker began.
    stops: u64,
    /// Says that its worker begins no more attempts; none if it waits for no destination.
    over: Option<AbortSignal>,
    /// Once it was read.
    envelope: Option<Arc<H::Envelope>>,
    /// Whether its outcome was told.
    reported: bool,
    /// Whether it was claimed, and not removed since.
    has_record: bool,
    /// While it is attempted without a claim.
    unclaimed: Option<Unclaimed<'q>>,
    /// While there is no room for what it came to, or its record cannot be read.
    held_up: Option<HeldUp<'q>>,
    is_done: bool,
}

impl<H: Host, R, T> Drop for Delivery<'_, H, R, T> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        self.keep_unrecorded();
        let (message, number, early) = (*self.state.message(), self.number, self.state.early());
        let is_gone = self.queue.shared.update(|state| state.scheduler.abandon(message, number, early));
        if is_gone {
            lock(&self.queue.unrecorded).remove(&message.id);
        }
    }
}

impl<H: Host, R, T> Delivery<'_, H, R, T> {
    /// What it came to outlasts this delivery, as long as it is not in the storage.
    fn keep_unrecorded(&self) {
        if let Some(state) = self.state.unrecorded() {
            let unrecorded = Unrecorded { state, envelope: self.envelope.clone() };
            lock(&self.queue.unrecorded).insert(self.id(), unrecorded);
        }
    }

    fn id(&self) -> Id {
        self.state.message().id
    }
}

impl<'q, H: Host<Envelope: QueueEnvelope>, R: Relay<H::Envelope>, T: Timer> Delivery<'q, H, R, T> {
    pub(super) fn new(queue: &'q Queue<H, R, T>, due: Due, stops: u64, over: Option<AbortSignal>) -> Self {
        let unrecorded = lock(&queue.unrecorded).remove(&due.message.id);
        let over = over.filter(|_| unrecorded.is_none()); // it was at its destinations
        let (state, envelope) = match unrecorded {
            Some(Unrecorded { state, envelope }) => (state, envelope),
            None => (AttemptState::new(due), None),
        };
        Self {
            queue,
            settings: queue.settings(),
            state,
            number: due.number,
            stops,
            over,
            envelope,
            reported: false,
            has_record: false,
            unclaimed: None,
            held_up: None,
            is_done: false,
        }
    }

    /// The whole attempt, once its message may go where it has to.
    pub(super) async fn run(mut self) -> Tally {
        if let Some(over) = self.over.take()
            && !self.wait_for_destinations(&over).await
        {
            return Tally::default(); // its message is as it was
        }
        Box::pin(self.attempt()).await // those who wait take less memory
    }

    /// From the claim to the end.
    async fn attempt(mut self) -> Tally {
        let (queue, id) = (self.queue, self.id());
        let _settled = OnDrop(|| queue.relay.settled(id));
        let moment = self.moment();
        let mut command = self.state.begin(&self.settings, moment);
        loop {
            if matches!(command, Command::GetMeta | Command::DeadLetter(_) | Command::Bounce) {
                self.report_outcome(); // whoever is told of was given up before
            }
            let input = match command {
                Command::Done(end) => return self.done(end),
                Command::GetMeta => {
                    let id = self.id();
                    self.get_meta(&id).await
                }
                Command::Change(change) => self.change(*change).await,
                Command::Get => self.get().await,
                Command::Relay => {
                    let relayed = self.relay().await;
                    self.unclaimed = None; // what follows needs the storage alone
                    relayed
                }
                Command::Backoff(patience) => Input::Delay(self.backoff(patience)),
                Command::DeadLetter(failed) => self.dead_letter(&failed).await,
                Command::Bounce => self.bounce().await,
                Command::GetOriginal(of) => self.get_meta(&of.id).await,
                Command::LetGo(of) => self.tell_original(of).await,
                Command::Remove => {
                    let is_done = |meta: &Meta| self.state.is_done_with(meta);
                    let removed = self.queue.pooled(self.queue.storage.remove_if(self.id(), &is_done)).await;
                    self.has_record = !matches!(removed, Ok(true) | Err(Error::NoSuchMessage(_)));
                    self.input(removed.map(|removed| if removed { Input::Stored } else { Input::Changed(false) }))
                }
                Command::Pause(pause) => self.pause(pause).await,
            };
            self.has_record |= input == Input::Changed(true);
            match input {
                Input::Full | Input::Unreadable if self.state.has_outcome() => {
                    self.held_up.get_or_insert_with(|| HeldUp::begin(&queue.shared));
                }
                Input::Stored => {} // after a pause
                _ => self.held_up = None,
            }
            let moment = self.moment();
            if self.queue.shared.lock().scheduler.note(&input, moment.random) {
                self.queue.shared.changed.notify_waiters();
            }
            command = self.state.answer(input, &self.settings, moment);
        }
    }

    fn moment(&self) -> Moment {
        let random = self.queue.timer.random();
        Moment { wall: self.queue.shared.lock_now(&self.queue.timer).scheduler.wall(), random }
    }

    /// Tells what it came to, and lets the message go.
    fn done(mut self, end: End) -> Tally {
        if self.state.is_lease_lost() {
            self.report(Kind::Error(Cause::LeaseLost));
        }
        self.report_outcome();
        self.keep_unrecorded(); // before another one can begin
        self.is_done = true;
        let (state, number) = (&self.state, self.number);
        let ended = self.queue.shared.update_now(&self.queue.timer, |queue| queue.scheduler.end(state, number, end));
        if ended.is_gone {
            lock(&self.queue.unrecorded).remove(&self.id());
        }
        if ended.is_gone || (end == End::Completed && !state.is_recorded() && !self.has_record) {
            self.queue.emit(Some(self.id()), None, state.attempts(), Kind::Removed);
        }
        ended.tally
    }

    // ---- the storage ----

    async fn get_meta(&mut self, id: &Id) -> Input {
        let meta = self.queue.pooled(self.queue.storage.get_meta(id)).await;
        if let Ok(Some(Stored::Good(Meta { lease: Some(lease), .. }))) = &meta {
            let is_foreign = lease.owner != self.settings.owner;
            self.state.owner_is_gone = is_foreign && self.queue.shared.lock().owners.is_gone(&lease.owner);
        }
        self.input(meta.map(|stored| match stored {
            None => Input::Meta(None),
            Some(Stored::Good(meta)) => Input::Meta(Some(meta)),
            Some(_) => Input::Unreadable,
        }))
    }

    async fn change(&mut self, change: Change) -> Input {
        let (input, is_full) = self.try_to_change(change).await;
        let goes_on =
            is_full && (self.state.has_outcome() || (self.state.is_claiming() && self.goes_on_without_a_claim().await));
        if goes_on { Input::Full } else { input }
    }

    /// What a change came to, and whether there was no room for it.
    async fn try_to_change(&self, change: Change) -> (Input, bool) {
        let changed = self.queue.pooled(self.queue.storage.change(&self.id(), change)).await;
        let is_full = matches!(&changed, Err(Error::Host(error)) if H::is_full(error));
        (self.input(changed.map(Input::Changed)), is_full)
    }

    /// Whether nobody else attempts this message although nobody can claim it. One at a time does so.
    async fn goes_on_without_a_claim(&mut self) -> bool {
        let queue = self.queue;
        let is_alone = queue.shared.lock().alone.is_some();
        if !is_alone {
            let alone = queue.storage.host().attempt_alone(&queue.settings().owner).await;
            // Several ask at once, and what one of them was given holds for all.
            let before = alone.and_then(|alone| queue.shared.lock().alone.replace(alone));
            drop(before);
        }
        self.unclaimed = Unclaimed::begin(&queue.shared);
        self.unclaimed.is_some()
    }

    async fn get(&mut self) -> Input {
        let id = self.id();
        let mut got = self.queue.pooled(self.queue.storage.get_whole(&id)).await;
        if matches!(got, Err(Error::NoSuchMessage(_))) && self.has_meta(&id).await {
            got = Err(Error::Corrupt(id)); // a record without an envelope: `check` finds it
        }
        let got = got.and_then(|(meta, envelope)| {
            let indexes = meta.left(envelope.recipient_count());
            // Who is told of is marked already.
            let left_out = if meta.untold.is_some() { &[][..] } else { &meta.delivered };
            let envelope = envelope.without(left_out).map_err(|_| Error::Corrupt(id))?;
            let (has_sender, notice_of) = (envelope.has_sender(), envelope.notice_of());
            self.envelope = Some(Arc::new(envelope));
            Ok(Input::Got { meta: Box::new(meta), indexes, has_sender, notice_of })
        });
        self.input(got)
    }

    async fn has_meta(&self, id: &Id) -> bool {
        let meta = self.queue.pooled(self.queue.storage.get_meta(id)).await;
        matches!(meta, Ok(Some(_)))
    }

    /// What an operation came to that may have failed.
    fn input(&self, result: Result<Input, H>) -> Input {
        let error = match result {
            Ok(input) => return input,
            Err(Error::NoSuchMessage(_)) => return Input::Gone,
            Err(Error::Invalid(_)) => return Input::Another,
            Err(error) => error,
        };
        let input = match error {
            Error::UnknownOutcome { .. } => Input::Unknown,
            Error::Corrupt(_) | Error::NewerFormat(_) => Input::Unreadable,
            _ => Input::Failed,
        };
        self.queue.emit(Some(self.id()), None, self.state.attempts(), Kind::Error(Cause::Storage(error)));
        input
    }

    // ---- what it waits for ----

    fn backoff(&self, patience: Patience) -> Option<Delay> {
        let (backoff, envelope) = (self.queue.options.backoff.as_ref()?, self.envelope.as_ref()?);
        let replies: Vec<Arc<Reply>> =
            self.recipients(Status::Deferred).into_iter().filter_map(|left| left.reply).collect();
        match caught(|| backoff(envelope, patience.attempts, &replies, patience)) {
            Ok(Ok(answer)) => Some(Delay::answered(answer)),
            Ok(Err(error)) | Err(error) => {
                self.report(Kind::Error(Cause::Callback(error)));
                None
            }
        }
    }

    /// Waits, unless the queue was stopped meanwhile, or its storage closed before.
    async fn pause(&self, pause: f64) -> Input {
        if self.queue.storage.check_open().is_err() {
            return Input::Failed; // nothing is recorded there any more
        }
        let stopped = self.queue.shared.until(|state| state.stops != self.stops);
        let sleeping = self.queue.timer.sleep(milliseconds(pause));
        match select(pin!(stopped), pin!(sleeping)).await {
            Either::Left(_) => Input::Failed,
            Either::Right(_) => Input::Stored,
        }
    }

    // ---- what it came to ----

    fn report(&self, kind: Kind<'_, H::Envelope, H::Error>) {
        self.queue.emit(Some(self.id()), self.envelope.as_deref(), self.state.attempts(), kind);
    }

    /// Tells what it came to, once that is in the storage.
    fn report_outcome(&mut self) {
        if self.reported || !self.state.is_recorded() {
            return;
        }
        self.reported = true;
        if self.queue.options.listener.is_none() && !cfg!(feature = "tracing") {
            return;
        }
        for status in [Status::Delivered, Status::Deferred, Status::Failed] {
            // Whom a late owner saw fail, a later attempt meets again.
            let is_known = status == Status::Delivered || !self.state.is_late();
            let recipients = if is_known { self.recipients(status) } else { Vec::new() };
            if !recipients.is_empty() {
                let timestamp = self.state.next_timestamp().unwrap_or(f64::NAN).into();
                self.report(match status {
                    Status::Delivered => Kind::Delivered(recipients),
                    Status::Deferred => Kind::Deferred { recipients, timestamp },
                    Status::Failed => Kind::Failed(recipients),
                });
            }
        }
    }

    /// Who came to this.
    fn recipients(&self, status: Status) -> Vec<Recipient> {
        let outcome = self.state.outcome();
        let recipient = |place: usize| {
            let index = *self.state.indexes().get(place)?;
            Some(Recipient { index, place, reply: outcome.reply(place).cloned() })
        };
        outcome.places(status).filter_map(recipient).collect()
    }
}
