//! Attempting what waits once, for programs that do not run for long.

use super::due::Due;
use super::envelope::QueueEnvelope;
use super::on_drop::OnDrop;
use super::queue::Queue;
use super::relay::Relay;
use super::schedule::{QueuedMessage, Schedule};
use super::scheduler::{LOOK_AGAIN, Scheduler, Taken};
use super::signal::AbortSignal;
use super::tally::Tally;
use super::timer::Timer;
use crate::error::{Invalid, finite};
use crate::host::Host;
use crate::id::Id;
use crate::meta::Meta;
use crate::storage::Result;
use crate::timestamp::Timestamp;

/// What a run is told; see [`Queue::run_with`].
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// No attempt begins after this time; at any time unless given.
    pub until: Option<Timestamp>,
    /// How many attempts are made at most; any number unless given.
    pub limit: Option<u64>,
    /// Once it is aborted no attempt begins, and the run ends when those under way have ended.
    pub signal: Option<AbortSignal>,
}

impl RunOptions {
    /// The same, with [`RunOptions::until`]: a `SystemTime`, or milliseconds since the epoch.
    #[must_use]
    pub fn with_until(self, until: impl Into<Timestamp>) -> Self {
        Self { until: Some(until.into()), ..self }
    }

    /// The same, with [`RunOptions::limit`].
    #[must_use]
    pub fn with_limit(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// The same, with [`RunOptions::signal`].
    #[must_use]
    pub fn with_signal(self, signal: AbortSignal) -> Self {
        Self { signal: Some(signal), ..self }
    }

    fn check(&self) -> std::result::Result<(), Invalid> {
        finite("options.until", self.until.map_or(0.0, Timestamp::as_millis))
    }
}

/// What a run came to, by messages. Those that a started queue has attempted meanwhile count as well.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(any(feature = "serde", target_family = "wasm"), derive(serde::Serialize))]
#[cfg_attr(any(feature = "serde", target_family = "wasm"), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct RunResult {
    /// Messages that were attempted;
    pub attempted: u64,
    /// those that somebody has got,
    pub delivered: u64,
    /// those of which somebody waits for the next attempt,
    pub deferred: u64,
    /// those of which somebody was given up.
    pub failed: u64,
    /// How many messages wait now, those that others have claimed included.
    pub left: usize,
    /// When the first of these is due, or its claim ends.
    pub next_due: Option<Timestamp>,
}

/// Which messages a run is about, beside those that are claimed under the name of its queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Which {
    /// No others, also while the queue is paused.
    #[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
    Claimed,
    /// What is due.
    Due,
    /// The same, and what was deferred, whatever that is due.
    Deferred,
}

/// The messages that a run is about.
pub(super) struct Pass {
    pub(super) options: RunOptions,
    pub(super) which: Which,
    /// Those that were not come to yet, by their timestamps.
    waiting: Schedule,
    /// Attempts of these that others had begun already, with their numbers.
    joined: Vec<(Id, u64)>,
    pub(super) tally: Tally,
}

/// What a run does next.
pub(super) enum Step {
    Begin(Due),
    /// Something has to end before it begins more.
    Wait,
    /// It begins nothing more.
    Over,
}

impl Pass {
    /// Takes on a message that the scan has found, if it is one of them.
    pub(super) fn find(&mut self, scheduler: &Scheduler, owner: &str, is_owner_gone: bool, id: Id, meta: &Meta) {
        let is_one = match meta.claim(scheduler.wall()) {
            // It is under way, or whoever had it is no more.
            Some(lease) => lease.owner == owner || (is_owner_gone && self.which != Which::Claimed),
            None if self.which == Which::Claimed => false,
            None => scheduler.is_due(id, meta.timestamp) || (self.which == Which::Deferred && meta.attempts > 0),
        };
        if is_one {
            let timestamp = scheduler.timestamp_of(id).unwrap_or(meta.timestamp);
            let message = QueuedMessage { id, due: timestamp, timestamp, attempts: meta.attempts };
            self.waiting.put_in_order(message, scheduler.order_of(id).unwrap_or_default());
        }
    }

    /// In how many milliseconds it begins no more attempts, where some wait for a destination.
    pub(super) fn over_in(&self, scheduler: &Scheduler) -> Option<f64> {
        let until = self.options.until.filter(|_| scheduler.is_waiting())?;
        Some((until.as_millis() - scheduler.wall()).clamp(1.0, LOOK_AGAIN))
    }

    /// `under_way` of its own attempts have not ended.
    pub(super) fn step(&mut self, scheduler: &mut Scheduler, under_way: usize) -> Step {
        let RunOptions { until, limit, signal } = &self.options;
        let is_over = until.is_some_and(|until| scheduler.wall() > until.as_millis());
        if is_over || signal.as_ref().is_some_and(AbortSignal::is_aborted) {
            self.joined.clear();
            return Step::Over;
        }
        if limit.is_some_and(|limit| self.tally.attempted >= limit) {
            return Step::Over;
        }
        // An attempt under way may turn out to be none: somebody else may have the message.
        let begun = self.tally.attempted.saturating_add(under_way as u64);
        if scheduler.is_full() || limit.is_some_and(|limit| begun >= limit) {
            return Step::Wait;
        }
        while let Some(QueuedMessage { id, timestamp, .. }) = self.waiting.pop_due(f64::INFINITY) {
            match scheduler.take_listed(id, timestamp) {
                Taken::Now(due) => return Step::Begin(due),
                Taken::UnderWay(number) => self.joined.push((id, number)),
                Taken::Changed => {}
            }
        }
        // Those under way may have to wait for a destination, and its time be over before they begin.
        let waits = scheduler.has_destinations() && (under_way > 0 || !self.is_alone(scheduler));
        if waits { Step::Wait } else { Step::Over }
    }

    /// Whether everything has ended that others had begun.
    pub(super) fn is_alone(&self, scheduler: &Scheduler) -> bool {
        !self.joined.iter().any(|(id, number)| scheduler.is_under_way(*id, *number))
    }
}

impl<H: Host<Envelope: QueueEnvelope>, R: Relay<H::Envelope>, T: Timer> Queue<H, R, T> {
    /// Attempts what is due, each message once: see [`Queue::run_with`].
    ///
    /// # Errors
    /// See [`Queue::run_with`].
    pub async fn run(&self) -> Result<RunResult, H> {
        self.run_with(RunOptions::default()).await
    }

    /// Looks through the storage, attempts what is due now, each message once, and ends when that is
    /// done, also in a queue that was not started. What others have claimed is left to them.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for an `until` that is not finite, and those of
    /// [`Load::next`](crate::Load::next): nothing was attempted.
    pub async fn run_with(&self, options: RunOptions) -> Result<RunResult, H> {
        options.check()?;
        self.pass(options, Which::Due).await
    }

    /// The same as [`Queue::run`], and what was deferred is attempted too, whatever it is due.
    ///
    /// # Errors
    /// See [`Queue::run_with`].
    pub async fn flush(&self) -> Result<RunResult, H> {
        self.flush_with(RunOptions::default()).await
    }

    /// The same as [`Queue::run_with`], and what was deferred is attempted too, whatever it is due. A
    /// message that was never attempted and is planned for later waits.
    ///
    /// # Errors
    /// See [`Queue::run_with`].
    pub async fn flush_with(&self, options: RunOptions) -> Result<RunResult, H> {
        options.check()?;
        self.pass(options, Which::Deferred).await
    }

    pub(crate) async fn pass(&self, options: RunOptions, which: Which) -> Result<RunResult, H> {
        let stops = self.enter();
        let _worker = OnDrop(|| self.leave(stops));
        let subscriber = self.storage.subscribe();
        let before = self.shared.lock().scheduler.started();
        let mut pass =
            Pass { options, which, waiting: Schedule::default(), joined: Vec::new(), tally: Tally::default() };
        self.scan(Some(&mut pass)).await?;
        self.work(stops, Some(&mut pass)).await?;
        // Of what changed meanwhile without this queue; what cannot be read is as it was.
        let _ = self.take_over(subscriber.take().messages).await;
        let scheduler = &self.shared.lock_now(&self.timer).scheduler;
        let mut tally = pass.tally;
        tally.add(scheduler.started().since(before));
        let (left, next_due) = scheduler.left(self.settings().lease);
        let Tally { attempted, delivered, deferred, failed } = tally;
        Ok(RunResult { attempted, delivered, deferred, failed, left, next_due: next_due.map(Timestamp::from) })
    }
}
