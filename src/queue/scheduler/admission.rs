//! How deliveries wait for their destinations. They are under way meanwhile, and no part of the pool.

use std::sync::Arc;

use super::{Heard, LOOK_AGAIN, Scheduler};
use crate::id::Id;
use crate::queue::destinations::Visit;
use crate::queue::schedule::QueuedMessage;

impl Scheduler {
    /// Whether attempts may have to wait for a destination.
    pub(in crate::queue) fn has_destinations(&self) -> bool {
        self.destinations.is_limited()
    }

    /// Whether an attempt under way waits for a destination.
    pub(in crate::queue) fn is_waiting(&self) -> bool {
        self.waiting.len() > 0
    }

    /// The delivery of a message waits for its destinations, unless it begins whatever their limits are.
    /// Nothing if its attempt has ended, or the message is gone.
    pub(in crate::queue) fn wait_for(
        &mut self,
        message: QueuedMessage,
        number: u64,
        names: Vec<Arc<str>>,
        begins: bool,
    ) -> Option<Arc<Visit>> {
        let now = self.clock.now();
        let under_way = self.under_way.get_mut(&message.id)?;
        if under_way.number != number || under_way.heard == Heard::Gone {
            return None;
        }
        let visit = self.destinations.wait(message.id, number, under_way.is_listed, names);
        under_way.visit = Some(Arc::clone(&visit));
        if begins {
            self.destinations.begin(&visit, now);
        } else {
            self.waiting.put(message);
            self.admit();
        }
        Some(visit)
    }

    /// Whether a message that has waited for its destinations is attempted now; if not, it is gone.
    pub(in crate::queue) fn has_begun(&self, id: Id) -> bool {
        self.waiting.get(id).is_none() && self.under_way.get(&id).is_some_and(|it| it.visit.is_some())
    }

    /// Lets those begin who wait for destinations that have room. While the storage fails, this is one from
    /// time to time, as with those that [`Scheduler::take`] takes.
    pub(in crate::queue) fn admit(&mut self) {
        let now = self.clock.now();
        while self.open && !self.has_no_place() {
            let Some(visit) = self.destinations.next(now, self.not_before() > now) else { return };
            self.waiting.remove(visit.id);
            if self.failing {
                self.probe_at = now + self.rest;
            }
        }
    }

    /// For how many milliseconds nobody begins who waits for a destination, if nobody ends; `None` if
    /// nobody does.
    pub(in crate::queue) fn admits_in(&self) -> Option<f64> {
        if !self.open || self.has_no_place() {
            return None;
        }
        let next = self.destinations.opens_at().max(self.not_before());
        next.is_finite().then(|| (next - self.clock.now()).clamp(0.0, LOOK_AGAIN))
    }
}
