//! Which message is next, and when to look again.

use std::collections::HashMap;

use super::attempt::AttemptState;
use super::clock::Clock;
use super::command::{End, Input};
use super::info::Info;
use super::outcome::Status;
use super::schedule::{QueuedMessage, Schedule};
use crate::id::Id;

/// The schedule of a queue and the messages that it attempts. It knows no storage, relay or timer:
/// whoever drives it tells the time.
#[derive(Debug)]
pub(super) struct Scheduler {
    clock: Clock,
    schedule: Schedule,
    under_way: HashMap<Id, UnderWay>,
    limit: usize,
    open: bool,
    /// When everything that waited was flushed.
    flushed_at: f64,
    /// How often in a row the storage has failed.
    failures: u32,
    /// How many attempts have begun so far.
    begun: u64,
    /// What attempts came to so far; the rest of it is not kept.
    counts: Info,
}

#[derive(Debug)]
struct UnderWay {
    number: u64,
    /// The timestamp that was heard last of the message meanwhile.
    heard: Option<f64>,
}

/// A message that is to be attempted now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Due {
    pub(super) message: QueuedMessage,
    /// The number of its attempt.
    pub(super) number: u64,
    /// Whether its time does not matter.
    pub(super) flushed: bool,
}

/// The longest time without a look at the clocks: a machine may sleep, and a clock be set.
const LOOK_AGAIN: f64 = 60_000.0;
const LONGEST_PAUSE: f64 = 300_000.0;

impl Scheduler {
    /// Nothing waits, and nothing is attempted before [`Scheduler::open`]; at most `limit` attempts
    /// are under way at once.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            clock: Clock::default(),
            schedule: Schedule::default(),
            under_way: HashMap::new(),
            limit,
            open: false,
            flushed_at: f64::NEG_INFINITY,
            failures: 0,
            begun: 0,
            counts: Info::default(),
        }
    }

    /// Reads the clocks; see [`Clock::tick`].
    pub(super) fn tick(&mut self, wall: f64, steady: f64) {
        self.clock.tick(wall, steady);
    }

    /// What the clock on the wall said last.
    pub(super) fn wall(&self) -> f64 {
        self.clock.wall()
    }

    /// Whether attempts may begin.
    pub(super) fn open(&mut self, open: bool) {
        self.open = open;
    }

    /// A message that waits, or that waits until another time than before.
    pub(super) fn put(&mut self, id: Id, timestamp: f64) {
        if let Some(under_way) = self.under_way.get_mut(&id) {
            under_way.heard = Some(timestamp);
            return;
        }
        let queued = self.schedule.get(id);
        // What is scheduled already may be flushed, or left alone after a failure.
        if queued.is_none_or(|message| message.timestamp != timestamp) {
            let attempts = queued.map_or(0, |message| message.attempts);
            self.schedule.put(QueuedMessage { id, due: self.clock.due(timestamp), timestamp, attempts });
        }
    }

    /// A message that is claimed under this queue's name. If nothing of it is known, whoever has claimed it
    /// is gone without an end (see [`Options::owner`](super::Options::owner)), and it is due now.
    pub(super) fn put_own(&mut self, id: Id, timestamp: f64) {
        if !self.under_way.contains_key(&id) && self.schedule.get(id).is_none() {
            self.schedule.put(QueuedMessage { id, due: self.clock.now(), timestamp, attempts: 0 });
        }
    }

    /// A message that is gone.
    pub(super) fn forget(&mut self, id: Id) {
        self.schedule.remove(id);
    }

    /// Lets everything that waits be due now.
    pub(super) fn flush(&mut self) {
        self.flushed_at = self.clock.now();
        self.schedule.flush(self.flushed_at);
    }

    /// Whether something waits still that was there when all was flushed.
    pub(super) fn is_flushing(&self) -> bool {
        self.schedule.first().is_some_and(|message| message.due <= self.flushed_at)
    }

    /// Begins an attempt of the message that is due first, if one may begin now.
    pub(super) fn take(&mut self) -> Option<Due> {
        if !self.open || self.under_way.len() >= self.limit {
            return None;
        }
        let message = self.schedule.pop_due(self.clock.now())?;
        self.begun = self.begun.saturating_add(1);
        let number = self.begun;
        self.under_way.insert(message.id, UnderWay { number, heard: None });
        Some(Due { message, number, flushed: message.due == self.flushed_at })
    }

    /// For how many milliseconds nothing begins by itself; `None` if nothing does.
    pub(super) fn idle(&self) -> Option<f64> {
        if !self.open || self.under_way.len() >= self.limit {
            return None;
        }
        self.schedule.first().map(|message| (message.due - self.clock.now()).clamp(0.0, LOOK_AGAIN))
    }

    /// How many attempts have begun so far.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Whether one of the first so many attempts is under way.
    pub(super) fn has_under_way(&self, begun: u64) -> bool {
        self.under_way.values().any(|under_way| under_way.number <= begun)
    }

    /// What a command has come to: the more often in a row the storage fails, the longer it is left
    /// alone.
    pub(super) fn note(&mut self, input: &Input) {
        match input {
            Input::Failed | Input::Unknown => self.failures = self.failures.saturating_add(1),
            Input::Changed(_) | Input::Meta(_) | Input::Got { .. } => self.failures = 0,
            _ => {}
        }
    }

    /// An attempt is done: its message waits again or is forgotten.
    pub(super) fn end(&mut self, attempt: &AttemptState, number: u64, end: End) {
        let id = attempt.message().id;
        let Some(heard) = self.ended(id, number) else { return };
        if attempt.is_recorded() {
            let Info { delivered, deferred, failed, .. } = &mut self.counts;
            for (status, count) in
                [(Status::Delivered, delivered), (Status::Deferred, deferred), (Status::Failed, failed)]
            {
                *count = count.saturating_add(u64::from(attempt.outcome().has(status)));
            }
        }
        if let End::Rescheduled { due, timestamp, attempts } = end {
            let due = due.map_or_else(|| self.clock.now() + self.pause(), |due| self.clock.due(due));
            let mut message = QueuedMessage { id, due, timestamp, attempts };
            let heard = heard.filter(|timestamp| !attempt.knows(*timestamp));
            if let Some(timestamp) = heard.filter(|timestamp| self.clock.due(*timestamp) < due) {
                // If the message was changed again, the claim will not find it in the record, and looks.
                message = QueuedMessage { due: self.clock.due(timestamp), timestamp, ..message };
            }
            self.schedule.put(message);
        }
    }

    /// An attempt is done of which nobody knows how far it got. Nothing if it has ended.
    pub(super) fn abandon(&mut self, message: QueuedMessage, number: u64) {
        if self.ended(message.id, number).is_some() {
            let due = self.clock.now() + self.pause();
            self.schedule.put(QueuedMessage { due, ..message });
        }
    }

    /// Takes an attempt off, if it is under way; what was heard of its message.
    fn ended(&mut self, id: Id, number: u64) -> Option<Option<f64>> {
        self.under_way.get(&id).filter(|under_way| under_way.number == number)?;
        self.under_way.remove(&id).map(|under_way| under_way.heard)
    }

    /// What there is to do and was done.
    pub(super) fn info(&self) -> Info {
        Info {
            size: self.schedule.len().saturating_add(self.under_way.len()),
            oldest_due: self.schedule.first().map(|message| message.timestamp),
            in_attempt: self.under_way.len(),
            ..self.counts
        }
    }

    /// For how long the storage is left alone.
    fn pause(&self) -> f64 {
        let times = f64::from(1_u32.wrapping_shl(self.failures.saturating_sub(1).min(20)));
        (1_000.0 * times).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> Id {
        Id::from_u128(1)
    }

    fn begun() -> (Scheduler, Due) {
        let mut scheduler = Scheduler::new(1);
        scheduler.tick(50.0, 0.0);
        scheduler.open(true);
        scheduler.put(id(), 40.0);
        let due = scheduler.take().unwrap();
        (scheduler, due)
    }

    #[test]
    fn no_more_attempts_are_under_way_than_may_be() {
        let (mut scheduler, _) = begun();
        scheduler.put(Id::from_u128(2), 40.0);
        assert_eq!((scheduler.take(), scheduler.idle()), (None, None));
        assert_eq!((scheduler.info().size, scheduler.info().in_attempt), (2, 1));
    }

    #[test]
    fn what_was_heard_of_a_message_while_it_was_attempted_counts_at_the_end_if_it_is_sooner() {
        for (timestamp, next) in [(45.0, 45.0), (90.0, 80.0), (40.0, 80.0)] {
            let (mut scheduler, due) = begun();
            scheduler.put(id(), timestamp);
            let attempt = AttemptState::new(due.message, due.flushed);
            scheduler.end(&attempt, due.number, End::Rescheduled { due: Some(80.0), timestamp: 80.0, attempts: 1 });
            assert_eq!(scheduler.info().oldest_due, Some(next), "{timestamp}");
        }
    }

    #[test]
    fn an_attempt_that_is_abandoned_after_its_end_changes_nothing() {
        let (mut scheduler, due) = begun();
        scheduler.abandon(due.message, due.number);
        assert_eq!(scheduler.info().in_attempt, 0);
        scheduler.tick(1e6, 1e6);
        let again = scheduler.take().unwrap();
        scheduler.abandon(due.message, due.number);
        assert_eq!((again.message.id, scheduler.info().in_attempt), (id(), 1));
    }
}
