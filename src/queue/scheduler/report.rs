//! What a scheduler tells: how much there is to do, what was done, and what is late.

use super::{LOOK_AGAIN, Scheduler};
use crate::queue::info::Info;
use crate::queue::schedule::QueuedMessage;
use crate::queue::tally::Tally;

impl Scheduler {
    /// What attempts have come to so far that no run has made.
    pub(in crate::queue) fn started(&self) -> Tally {
        self.started
    }

    /// The message that is due first, of those that wait for their time or for a destination.
    fn first(&self) -> Option<QueuedMessage> {
        match (self.schedule.first(), self.waiting.first()) {
            (Some(first), Some(waiting)) => Some(if waiting.due <= first.due { waiting } else { first }),
            (first, waiting) => first.or(waiting),
        }
    }

    /// How many messages there are, and when the first of them is due, on the clock on the wall. What is
    /// being attempted comes back after a lease at the latest.
    pub(in crate::queue) fn left(&self, lease: f64) -> (usize, Option<f64>) {
        let first = self.first().map(|message| {
            // What is left alone after a failure is due later than its record says.
            let later = message.due - self.clock.due(message.timestamp);
            message.timestamp + if later >= 1.0 { later } else { 0.0 }
        });
        let attempted = (self.in_attempt() > 0).then(|| self.clock.wall() + lease);
        let next = match (first, attempted) {
            (Some(first), Some(attempted)) => Some(first.min(attempted)),
            (first, attempted) => first.or(attempted),
        };
        (self.info().size, next)
    }

    /// The oldest message that waits if it is late by more than so many milliseconds, unless that was said
    /// since the last time when none was.
    pub(in crate::queue) fn overdue(&mut self, after: f64) -> Option<QueuedMessage> {
        let wall = self.clock.wall();
        let is_late = |message: &QueuedMessage| wall - message.timestamp > after;
        let first = self.first().filter(is_late);
        let told = self
            .overdue
            .filter(|id| self.under_way.contains_key(id) || self.schedule.get(*id).as_ref().is_some_and(is_late));
        let was_told = self.overdue.is_some();
        self.overdue = first.map(|message| message.id).or(told);
        first.filter(|_| !was_told)
    }

    /// In how many milliseconds there is something to tell of what is overdue, if it stays as it is.
    pub(in crate::queue) fn overdue_in(&self, after: f64) -> Option<f64> {
        let first = self.first().filter(|_| self.overdue.is_none())?;
        Some((first.timestamp + after - self.clock.wall()).clamp(1.0, LOOK_AGAIN))
    }

    /// What there is to do and was done.
    pub(in crate::queue) fn info(&self) -> Info {
        Info {
            size: self.schedule.len().saturating_add(self.under_way.len()),
            oldest_due: self.first().map(|message| message.timestamp.into()),
            in_attempt: self.in_attempt(),
            ..self.counts
        }
    }
}
