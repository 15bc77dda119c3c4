//! The main loop of a queue: begins attempts when they are due, and drives them to their end.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::delivery::Delivery;
use super::envelope::QueueEnvelope;
use super::event::Kind;
use super::on_drop::OnDrop;
use super::queue::Queue;
use super::relay::Relay;
use super::run::{Pass, Step, Which};
use super::schedule::QueuedMessage;
use super::signal::AbortSignal;
use super::timer::{Timer, milliseconds};
use crate::error::Error;
use crate::host::Host;
use crate::millis;
use crate::storage::Result;

/// How many milliseconds of work there are before everything else has its turn.
const YIELD_AFTER: f64 = 10.0;

impl<H: Host<Envelope: QueueEnvelope>, R: Relay<H::Envelope>, T: Timer> Queue<H, R, T> {
    /// Makes attempts: those of a pass, or what is due, until the queue is stopped or its storage closed.
    /// This worker began after so many stops.
    pub(super) async fn work(&self, stops: u64, mut pass: Option<&mut Pass>) -> Result<(), H> {
        let signal = pass.as_ref().map(|pass| pass.options.signal.clone());
        let mut watching = pin!(async {
            match signal {
                None => self.watch().await,
                Some(Some(signal)) => signal.aborted().await,
                Some(None) => pending().await,
            }
        });
        // Whether there is nothing to watch any more: the storage is closed, or a pass aborted.
        let mut ended = false;
        let mut attempts = FuturesUnordered::new();
        // Whether this worker begins no more attempts.
        let mut over = false;
        let leaving = AbortSignal::default();
        // What an instance that is gone has begun is under way at its destinations already.
        let is_new = pass.as_ref().is_none_or(|pass| pass.which != Which::Claimed);
        let waits = self.settings().has_destinations && is_new;
        let mut timer = pin!(None);
        let mut wakes_at = f64::INFINITY;
        let mut spent = 0.0;
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable(); // before the look, or the change could come in between
            let mut began = false;
            if !over {
                let step = if ended { Step::Over } else { self.step(stops, pass.as_deref_mut(), attempts.len()) };
                match step {
                    Step::Begin(due) => {
                        began = true;
                        #[cfg(feature = "tracing")]
                        let id = due.message.id;
                        let attempt = Delivery::new(self, due, stops, waits.then(|| leaving.clone())).run();
                        #[cfg(feature = "tracing")]
                        let attempt = super::trace::attempt(id, attempt);
                        attempts.push(attempt);
                    }
                    Step::Wait if pass.is_none() => self.tell_overdue(),
                    Step::Wait => {}
                    Step::Over => {
                        over = true;
                        leaving.abort();
                    }
                }
            }
            if over && attempts.is_empty() {
                match &pass {
                    None if ended => return Err(Error::Closed),
                    Some(pass) if !ended && !pass.is_alone(&self.shared.lock().scheduler) => {}
                    _ => return Ok(()),
                }
            }
            let wake_at = self.next_wake(over, pass.as_deref());
            if wake_at < wakes_at || wake_at == f64::INFINITY {
                wakes_at = wake_at;
                let time = milliseconds(wake_at - self.timer.steady());
                timer.set(wake_at.is_finite().then(|| self.timer.sleep(time)));
            }
            poll_fn(|cx| {
                let since = self.timer.steady();
                let mut ready = began;
                if !ended && watching.as_mut().poll(cx).is_ready() {
                    (ended, ready) = (true, true);
                }
                // At least once, however long what is watched has taken.
                while let Poll::Ready(Some(tally)) = attempts.poll_next_unpin(cx) {
                    ready = true;
                    if let Some(pass) = &mut pass {
                        pass.tally.add(tally);
                    }
                    if spent + self.timer.steady() - since >= YIELD_AFTER {
                        break;
                    }
                }
                spent += self.timer.steady() - since;
                if ready || spent >= YIELD_AFTER || changed.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                // Polled last: a timer that nobody waits for is never begun.
                let passed = timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(cx).is_ready());
                if passed {
                    timer.set(None);
                    wakes_at = f64::INFINITY;
                    return Poll::Ready(());
                }
                Poll::Pending
            })
            .await;
            if spent >= YIELD_AFTER {
                self.shared.update(|state| state.yielding = state.yielding.saturating_add(1));
                let _yielding = OnDrop(|| {
                    self.shared.update(|state| {
                        state.yielding = state.yielding.saturating_sub(1);
                        state.turns = state.turns.wrapping_add(1);
                    });
                });
                self.timer.yield_now().await;
                spent = 0.0;
            }
        }
    }

    /// When there is something to do again, on the steady clock, if nothing happens meanwhile. Claims
    /// that are to be renewed are looked at on the way.
    fn next_wake(&self, over: bool, pass: Option<&Pass>) -> f64 {
        let now = self.timer.steady();
        let (at, renews) = {
            let state = &mut *self.shared.lock_now(&self.timer);
            let on_schedule = state.scheduler.now();
            let renews = state.relaying > 0 && state.renewal_at <= on_schedule;
            if renews {
                state.renewal_at = on_schedule + self.settings().renewal_interval();
            }
            let renewal = if state.relaying > 0 { now + (state.renewal_at - on_schedule) } else { f64::INFINITY };
            let idle = state.scheduler.idle();
            let overdue = state.scheduler.overdue_in(self.overdue_after());
            let admits = state.scheduler.admits_in();
            let waits = match pass {
                Some(pass) => [pass.over_in(&state.scheduler), admits, None],
                None => [idle, overdue, admits],
            };
            let waits = waits.into_iter().flatten().filter(|_| !over);
            (waits.fold(renewal, |at, wait| at.min(now + wait)), renews)
        };
        if renews {
            self.shared.at_relay.notify_waiters();
        }
        at
    }

    fn overdue_after(&self) -> f64 {
        millis::of(self.options.overdue_after)
    }

    /// Tells that the oldest message is late, where nothing can be begun.
    fn tell_overdue(&self) {
        let late = self.shared.lock_now(&self.timer).scheduler.overdue(self.overdue_after());
        if let Some(QueuedMessage { id, timestamp, attempts, .. }) = late {
            self.emit(Some(id), None, attempts, Kind::Overdue { timestamp: timestamp.into() });
        }
    }

    /// What a worker does next that began after so many stops and has so many attempts under way.
    fn step(&self, stops: u64, pass: Option<&mut Pass>, under_way: usize) -> Step {
        let state = &mut *self.shared.lock_now(&self.timer);
        if state.stops != stops {
            return Step::Over;
        }
        state.scheduler.admit();
        match pass {
            Some(pass) if state.paused && pass.which != Which::Claimed => Step::Over,
            Some(pass) => pass.step(&mut state.scheduler, under_way),
            None => state.scheduler.take().map_or(Step::Wait, Step::Begin),
        }
    }

    pub(crate) fn enter(&self) -> u64 {
        self.shared.update(|state| {
            state.workers.push(state.stops);
            state.stops
        })
    }

    pub(super) fn leave(&self, stops: u64) {
        self.shared.update(|state| {
            if let Some(place) = state.workers.iter().position(|began| *began == stops) {
                state.workers.swap_remove(place);
            }
        });
    }
}
