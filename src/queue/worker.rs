//! The main loop of a queue: begins attempts when they are due, and drives them to their end.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::delivery::Delivery;
use super::envelope::QueueEnvelope;
use super::on_drop::OnDrop;
use super::queue::Queue;
use super::relay::Relay;
use super::scheduler::Due;
use super::timer::{Timer, milliseconds};
use crate::error::Error;
use crate::host::Host;
use crate::storage::Result;

/// How many milliseconds of work there are before everything else has its turn.
const YIELD_AFTER: f64 = 10.0;

impl<H: Host<Envelope: QueueEnvelope>, R: Relay<H::Envelope>, T: Timer> Queue<H, R, T> {
    /// Makes attempts: until there is nothing left to flush, or until the queue is stopped or its
    /// storage closed.
    pub(super) async fn work(&self, flush: bool) -> Result<(), H> {
        let stops = self.enter();
        let _worker = OnDrop(|| self.leave(stops));
        let mut watching = pin!(async {
            if flush {
                pending::<()>().await;
            }
            self.watch().await;
        });
        let mut closed = false;
        let mut attempts = FuturesUnordered::new();
        // How many attempts had begun when this worker began no more.
        let mut last = None;
        let mut timer = pin!(None);
        let mut wakes_at = f64::INFINITY;
        let mut spent = 0.0;
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable(); // before the look, or the change could come in between
            let mut began = false;
            if last.is_none() {
                let due = self.take(stops);
                began = due.is_some();
                attempts.extend(due.map(|due| Delivery::new(self, due, stops).run()));
                let state = self.shared.lock();
                let flushed = flush && (state.paused || !state.scheduler.is_flushing());
                if closed || flushed || state.stops != stops {
                    last = Some(state.scheduler.begun());
                }
            }
            if let Some(last) = last
                && attempts.is_empty()
                && !(flush && self.shared.lock().scheduler.has_under_way(last))
            {
                return if closed { Err(Error::Closed) } else { Ok(()) };
            }
            let wake_at = self.next_wake(last.is_some());
            if wake_at < wakes_at || wake_at == f64::INFINITY {
                wakes_at = wake_at;
                let time = milliseconds(wake_at - self.timer.steady());
                timer.set(wake_at.is_finite().then(|| self.timer.sleep(time)));
            }
            poll_fn(|cx| {
                let since = self.timer.steady();
                let mut ready = began;
                if !closed && watching.as_mut().poll(cx).is_ready() {
                    (closed, ready) = (true, true);
                }
                while spent + self.timer.steady() - since < YIELD_AFTER
                    && !attempts.is_empty()
                    && attempts.poll_next_unpin(cx).is_ready()
                {
                    ready = true;
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
                let _yielding =
                    OnDrop(|| self.shared.update(|state| state.yielding = state.yielding.saturating_sub(1)));
                self.timer.yield_now().await;
                spent = 0.0;
            }
        }
    }

    /// When there is something to do again, on the steady clock, if nothing happens meanwhile. Claims
    /// that are to be renewed are looked at on the way.
    fn next_wake(&self, leaving: bool) -> f64 {
        let now = self.timer.steady();
        let (at, renews) = {
            let state = &mut *self.shared.lock();
            let renews = state.relaying > 0 && state.renewal_at <= now;
            if renews {
                state.renewal_at = now + self.settings.renewal_interval();
            }
            let renewal = if state.relaying > 0 { state.renewal_at } else { f64::INFINITY };
            let idle = state.scheduler.idle().filter(|_| !leaving);
            (renewal.min(idle.map_or(f64::INFINITY, |idle| now + idle)), renews)
        };
        if renews {
            self.shared.at_relay.notify_waiters();
        }
        at
    }

    /// An attempt that may begin now, unless the queue was stopped since.
    fn take(&self, stops: u64) -> Option<Due> {
        let mut state = self.shared.lock_now(&self.timer);
        if state.stops == stops { state.scheduler.take() } else { None }
    }

    fn enter(&self) -> u64 {
        self.shared.update(|state| {
            state.workers.push(state.stops);
            state.stops
        })
    }

    fn leave(&self, stops: u64) {
        self.shared.update(|state| {
            if let Some(place) = state.workers.iter().position(|began| *began == stops) {
                state.workers.swap_remove(place);
            }
        });
    }
}
